# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked: the wake server. Needs CAP_NET_RAW and nothing else; ends with 2 where it cannot start.

SIGTERM leaves the sleepers asleep; the next start takes them up again within a second or two. SIGHUP reads the
configuration again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from powernap.cli.arguments import parse, parser
from powernap.config import ConfigError
from powernap.config.wake import CATALOGUE, DEFAULT_PATH, load_wake
from powernap.shared.errors import PowernapError


def main(arguments: list[str]) -> int:
    options = parse(parser("powerwaked", "Stand in for sleeping machines and wake them.", DEFAULT_PATH), arguments)
    if options.sample_config:
        from powernap.config.sample import sample

        print(sample(CATALOGUE), end="")
        return 0
    path = options.check_config or options.config
    try:
        config = load_wake(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if options.check_config is not None:
        from powernap.config.explain import explain
        from powernap.wake.lacking import lacking

        print(explain(config))
        for sentence in lacking(config):
            print(f"warning: {sentence}", file=sys.stderr)
        return 0
    try:
        # Not before here: a configuration can be checked where aiohttp is not yet installed.
        from powernap.wake.daemon import serve
    except ModuleNotFoundError as error:
        print(f"powerwaked: needs {error.name}: install it, as with 'apt-get install python3-aiohttp'", file=sys.stderr)
        return 2
    # A line is the message alone: what else a record could tell is not looked up (Logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.umask(0o077)
    try:
        asyncio.run(serve(path, config))
    except PowernapError as error:
        print(f"powerwaked: {error}", file=sys.stderr)
        return 2
    return 0
