# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments that both daemons have."""

from __future__ import annotations

import argparse
import os

from powernap import __version__


def parser(program: str, description: str, config: str) -> argparse.ArgumentParser:
    """Return a parser with --config (default: ``config``), --check-config, --sample-config and --version."""
    made = argparse.ArgumentParser(prog=program, description=description, formatter_class=_formatter)
    made.add_argument("--config", default=config, metavar="FILE", help="configuration (default: %(default)s)")
    made.add_argument(
        "--check-config",
        nargs="?",
        const="",
        metavar="FILE",
        help="say how the configuration is understood, or what is wrong with it, and exit",
    )
    made.add_argument(
        "--sample-config", action="store_true", help="print a configuration with every key, its meaning and its default"
    )
    made.add_argument("--version", action="version", version=f"{program} {__version__}")
    return made


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Without a width argparse imports shutil, which brings every compressor that there is: memory for a daemon."""
    try:
        width = os.get_terminal_size().columns
    except OSError:
        width = 80
    return argparse.HelpFormatter(prog, width=width - 2)


def parse(made: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Return the options; --check-config without a file means that of --config."""
    options = made.parse_args(arguments)
    if options.check_config == "":
        options.check_config = options.config
    return options
