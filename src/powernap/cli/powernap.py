# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap: ask powernapd on this machine, or give it an order.

Exit status: 0 done, 1 not done (refused), 2 wrong use or no powernapd.
"""

from __future__ import annotations

import argparse
import json
import sys

from powernap import __version__
from powernap.cli import ended
from powernap.cli.commands import COMMANDS
from powernap.cli.commands.base import NotDone
from powernap.nap import control
from powernap.shared.errors import PowernapError


def main(words: list[str]) -> int:
    options = _options(words)
    try:
        return ended.run(lambda: int(options.run(options)))
    except PowernapError as error:
        if options.json:
            print(json.dumps({"ok": False, "error": str(error)}))
        print(f"powernap: {error}", file=sys.stderr)
        return 1 if isinstance(error, NotDone) else 2
    except KeyboardInterrupt:
        return 130


def _options(words: list[str]) -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="the whole answer, for programs")
    shared.add_argument(
        "--control-socket", default=control.PATH, metavar="FILE", help="powernapd's socket (default: %(default)s)"
    )
    parser = argparse.ArgumentParser(prog="powernap", description="Ask powernapd on this machine, or order it.")
    parser.add_argument("--version", action="version", version=f"powernap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        summary = command.SUMMARY
        added = commands.add_parser(command.NAME, parents=[shared], help=summary, description=summary)
        command.arguments(added)
        added.set_defaults(run=command.run)
    return parser.parse_args(words)
