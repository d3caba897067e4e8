# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap: ask this machine's powernapd, or order it to nap or to recover."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from typing import Any

from powernap import __version__
from powernap.shared.errors import PowernapError

CONTROL_SOCKET = "/run/powernapd/control.sock"
ORDERS = ("now", "recover")
#: An order to nap is answered when the wake server has answered, or when it is clear that nothing comes of it.
TIMEOUT_SECONDS = 60.0


def main(argv: list[str]) -> int:
    """Return 0; 1 where powernapd refuses; 2 where it cannot be asked."""
    options = _parser().parse_args(argv)
    if options.command in ORDERS and os.geteuid() != 0:
        print(f"powernap: powernap {options.command} needs root: run it with sudo", file=sys.stderr)
        return 2
    try:
        answer = ask(options.command, options.control_socket)
    except PowernapError as error:
        print(f"powernap: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(answer, indent=2))
    elif answer.get("ok"):
        print(_SHOW[options.command](answer))
    if not answer.get("ok"):
        print(f"powernap: {answer.get('error', 'powernapd refused, and did not say why')}", file=sys.stderr)
    return 0 if answer.get("ok") else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="powernap", description="Ask powernapd, or order it to nap or to recover.")
    parser.add_argument("--version", action="version", version=f"powernap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("status", "the state of this machine, its monitors, and when it could nap"),
        ("why", "what keeps it awake, or why it naps, with numbers"),
        ("now", "nap at once; every safety check still holds"),
        ("recover", "leave powersave, and begin a fresh idle period"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print the whole answer as JSON")
        command.add_argument("--control-socket", default=CONTROL_SOCKET, metavar="PATH", help="default: %(default)s")
    return parser


def ask(command: str, path: str = CONTROL_SOCKET) -> dict[str, Any]:
    """Return powernapd's answer. Raises PowernapError where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect(path)
            connection.sendall(json.dumps({"command": command}).encode() + b"\n")
            text = b"".join(iter(lambda: connection.recv(65536), b""))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise PowernapError("powernapd does not run: start it with 'systemctl start powernapd'") from error
        except OSError as error:
            raise PowernapError(f"{path}: powernapd cannot be asked: {error.strerror or error}") from error
    try:
        answer: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise PowernapError("powernapd ended before it answered: look at 'journalctl -u powernapd'") from error
    return answer


def _status(answer: dict[str, Any]) -> str:
    deadline = answer.get("deadline_seconds")
    when = "no nap in sight" if deadline is None else f"naps in {duration(deadline)} at the earliest"
    lines = [f"{answer['state']} for {duration(answer['since_seconds'])}; {answer['action']}: {when}"]
    if answer.get("mode") == "observe":
        lines.append("only observing: nothing is done")
    lines += [f"held by {holder}" for holder in answer.get("held_by") or ()]
    server = answer.get("server") or {}
    if server.get("url"):
        lines.append(f"wake server {server['url']}" + (f": {server['error']}" if server.get("error") else ""))
    rows = [_monitor(monitor) for monitor in answer.get("monitors") or ()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)]
        lines.append("  " + "  ".join([*cells, row[3]]).rstrip())
    return "\n".join(lines)


def _monitor(monitor: dict[str, Any]) -> tuple[str, str, str, str]:
    idle = monitor.get("idle_seconds")
    if monitor.get("error"):
        state = "failed, so active"
    elif monitor.get("active"):
        state = "active"
    else:
        state = "never active" if idle is None else f"idle {duration(idle)}"
    return monitor["name"], monitor["kind"], state, monitor.get("error") or monitor.get("detail") or ""


def duration(seconds: float) -> str:
    """Return seconds as people say them: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


_SHOW = {
    "status": _status,
    "why": lambda answer: str(answer["text"]),
    "now": lambda answer: str(answer.get("text") or "napping"),
    "recover": lambda answer: str(answer.get("text") or "awake"),
}
