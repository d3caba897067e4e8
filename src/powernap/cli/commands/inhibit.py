# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap inhibit."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import Any

from powernap.cli.commands.base import NotDone, ask, say
from powernap.cli.durations import duration

NAME = "inhibit"
SUMMARY = "hold this machine awake for a limited time, or while a command runs"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--for", dest="seconds", type=duration, metavar="TIME", help="how long, such as 90s, 30m, 2h, 1d12h"
    )
    parser.add_argument("--reason", default="", help="why; default: the command")
    parser.add_argument("--who", default="", help="for whom; default: you")
    parser.add_argument("--list", action="store_true", help="name the leases that hold it awake")
    parser.add_argument("--release", metavar="ID", help="end a lease: one's own, or as root any")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="[--] COMMAND", help="hold it awake while this runs")


def run(options: argparse.Namespace) -> int:
    if options.list:
        answer = ask(options, "leases")
        say(options, answer, table(answer["leases"]))
        return 0
    if options.release is not None:
        answer = ask(options, "release", id=options.release)
        say(options, answer, f"lease {options.release} is released")
        return 0
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words and options.seconds is None:
        raise NotDone("a lease is limited: give --for TIME, or a command to run")
    if not words and not options.reason:
        raise NotDone("a lease has a reason: give --reason TEXT")
    answer = ask(
        options,
        "inhibit",
        seconds=options.seconds,
        reason=options.reason or shlex.join(words)[:200],
        who=options.who or _user(),
        pid=os.getpid() if words else 0,
    )
    if not words:
        lease = answer["lease"]
        say(options, answer, f"lease {lease['id']}: held awake for {lease['remaining_seconds']:.0f} s")
        return 0
    return _become(words)


def table(leases: list[dict[str, Any]]) -> str:
    """Return the leases for people, one a line."""
    if not leases:
        return "no lease holds this machine awake: 'powernap why' names what else does"
    return "\n".join(
        f"{lease['id']}: {lease['who']}, {lease['remaining_seconds']:.0f} s left"
        + (f", process {lease['pid']}" if lease["pid"] else "")
        + (", ordered at the wake server" if lease.get("ordered") else "")
        + f": {lease['reason']}"
        for lease in leases
    )


def _become(words: list[str]) -> int:
    """This process becomes the command, so that the lease ends with it, however that ends. Returns only if it fails."""
    sys.stdout.flush()
    try:
        os.execvp(words[0], words)
    except OSError as error:
        meant = f" (options stand before it: powernap inhibit --{words[0]})" if words[0] in ("list", "release") else ""
        raise NotDone(f"{words[0]} cannot be run: {error.strerror}: name a program{meant}") from error


def _user() -> str:
    import pwd

    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
