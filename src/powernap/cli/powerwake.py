# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake: wake machines and manage what a wake server knows. Standard library only.

Exit status: 0 done, 1 not done (not woken, refused), 2 wrong use or no wake server.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's: typing itself takes its time
if TYPE_CHECKING:
    import argparse


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["proxy"]:
        status = _proxy(arguments)
        if status is not None:
            return status
    return _command(arguments)


def _proxy(arguments: list[str]) -> int | None:
    """Runs before every ssh: all that the other commands need is loaded only where the machine does not answer.

    None: it is a matter for argparse.
    """
    from powernap.cli import proxying

    plain = proxying.plainly(arguments[1:])
    if plain is None:
        return None

    def ask(answer: proxying.Answer) -> None:
        from powernap.cli.wakecommands import proxy

        proxy.wake(_parser().parse_args(arguments), answer)

    return proxying.run(*plain, ask)


def _command(arguments: list[str]) -> int:
    import json

    from powernap.cli import ended
    from powernap.shared.errors import PowernapError, Refused

    options = _parser().parse_args(arguments)
    try:
        return ended.run(lambda: int(options.run(options)))
    except PowernapError as error:
        if options.json:
            print(json.dumps({"error": str(error)}, indent=2))
        else:
            print(f"powerwake: {error}", file=sys.stderr)
        return 1 if isinstance(error, Refused) else 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    import argparse

    from powernap import __version__
    from powernap.cli.wakecommands import COMMANDS, reaching

    common = argparse.ArgumentParser(add_help=False)
    reaching.options(common)
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
