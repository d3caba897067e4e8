# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap: ask powernapd on this machine, or give it an order.

Exit status: 0 done, 1 not done (refused), 2 wrong use or no powernapd.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

from powernap import __version__
from powernap.nap import control, report
from powernap.shared.errors import PowernapError

COMMANDS = {
    "status": "state, next nap, monitors, wake server",
    "why": "why the machine is awake, asleep or held, with numbers",
    "decisions": "the last decisions and their causes",
    "now": "nap now: skips the idle time and the warning, but no safety check (needs root)",
    "recover": "be fully awake now, with a fresh idle period (needs root)",
}
QUESTION_SECONDS = 15.0
ORDER_SECONDS = 100.0


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if options.command in control.ORDERS and os.geteuid() != 0:
        print(f"powernap {options.command} needs root: run it with sudo", file=sys.stderr)
        return 2
    limit = ORDER_SECONDS if options.command in control.ORDERS else QUESTION_SECONDS
    try:
        answer = control.ask(options.control_socket, options.command, limit)
    except PowernapError as error:
        _print_error(options, str(error))
        return 2
    if not answer.get("ok"):
        _print_error(options, str(answer.get("error")))
        return 1
    print(json.dumps(answer, indent=2) if options.json else _text(options.command, answer))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="the whole answer, for programs")
    shared.add_argument(
        "--control-socket", default=control.PATH, metavar="FILE", help="powernapd's socket (default: %(default)s)"
    )
    parser = argparse.ArgumentParser(prog="powernap", description="Ask powernapd on this machine, or order it.")
    parser.add_argument("--version", action="version", version=f"powernap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, parents=[shared], help=summary, description=summary)
    return parser.parse_args(arguments)


def _print_error(options: argparse.Namespace, sentence: str) -> None:
    if options.json:
        print(json.dumps({"ok": False, "error": sentence}))
    print(f"powernap: {sentence}", file=sys.stderr)


def _text(command: str, answer: dict[str, Any]) -> str:
    if command == "status":
        return report.table(answer)
    if command == "why":
        return str(answer["text"])
    if command == "decisions":
        return report.decisions_text(answer["decisions"], _stamp)
    if command == "now":
        return f"{answer['action']} begins"
    return f"state: {answer['state']}"


def _stamp(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
