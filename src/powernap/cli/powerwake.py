# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake: wake machines and manage what a wake server knows. Standard library only.

Exit status: 0 done, 1 not done (not woken, refused), 2 wrong use or no wake server.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from powernap import __version__
from powernap.cli.wakecommands import COMMANDS
from powernap.shared.errors import PowernapError, Refused
from powernap.shared.paths import ADMIN_SOCKET


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except PowernapError as error:
        if options.json:
            print(json.dumps({"error": str(error)}, indent=2))
        else:
            print(f"powerwake: {error}", file=sys.stderr)
        return 1 if isinstance(error, Refused) else 2
    except KeyboardInterrupt:
        return 130


def _remote(common: argparse.ArgumentParser) -> None:
    """Options that the environment may give, too."""
    common.add_argument(
        "--server",
        default=os.environ.get("POWERWAKE_SERVER", ""),
        metavar="URL",
        help="another machine's powerwaked, such as https://wake1:20709 (environment: POWERWAKE_SERVER)",
    )
    common.add_argument(
        "--token-file",
        default=os.environ.get("POWERWAKE_TOKEN_FILE", ""),
        metavar="FILE",
        help="file with the token for it (POWERWAKE_TOKEN_FILE)",
    )
    common.add_argument(
        "--ca-file",
        default=os.environ.get("POWERWAKE_CA_FILE", ""),
        metavar="FILE",
        help="CA that signed its certificate; default: those that this machine trusts (POWERWAKE_CA_FILE)",
    )


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON")
    common.add_argument("--socket", default=ADMIN_SOCKET, metavar="PATH", help="powerwaked's Unix socket, for root")
    _remote(common)
    parser = argparse.ArgumentParser(prog="powerwake", description="Wake machines; manage the wake server.")
    parser.add_argument("--version", action="version", version=f"powerwake {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        text = command.SUMMARY
        added = commands.add_parser(
            command.NAME, parents=[common], help=text, description=text[0].upper() + text[1:] + "."
        )
        command.arguments(added)
        added.set_defaults(run=command.run)
    return parser
