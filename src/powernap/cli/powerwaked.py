# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked: the wake server. Needs CAP_NET_RAW and nothing else; ends with 2 where it cannot start.

SIGTERM leaves the sleepers asleep; the next start takes them up again within a second or two. SIGHUP reads the
configuration again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from powernap import __version__
from powernap.config import ConfigError, explain, load_wake
from powernap.config.wake import DEFAULT_PATH
from powernap.shared.errors import PowernapError


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    path = options.check_config or options.config
    try:
        config = load_wake(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.check_config is not None:
        print(explain(config))
        return 0
    try:
        # Not before here: a configuration can be checked where aiohttp is not yet installed.
        from powernap.wake.daemon import serve
    except ModuleNotFoundError as error:
        print(f"powerwaked: needs {error.name}: install it, as with 'apt-get install python3-aiohttp'", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.umask(0o077)
    try:
        asyncio.run(serve(path, config))
    except PowernapError as error:
        print(f"powerwaked: {error}", file=sys.stderr)
        return 2
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="powerwaked", description="Stand in for sleeping machines and wake them.")
    parser.add_argument("--config", default=DEFAULT_PATH, metavar="FILE", help="configuration (default: %(default)s)")
    parser.add_argument(
        "--check-config",
        nargs="?",
        const="",
        metavar="FILE",
        help="say how the configuration is understood, or what is wrong with it, and exit",
    )
    parser.add_argument("--version", action="version", version=f"powerwaked {__version__}")
    options = parser.parse_args(arguments)
    if options.check_config == "":
        options.check_config = options.config
    return options
