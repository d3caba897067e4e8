# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap enrol. It asks by itself, so that it can be used before powernapd runs; powernapd uses it too."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path

from powernap.cli.commands.base import NotDone, say
from powernap.config.nap import DEFAULT_PATH
from powernap.nap import control
from powernap.nap.enrol.token import checked, read_token
from powernap.shared.errors import PowernapError

NAME = "enrol"
SUMMARY = "ask a wake server to know this machine (needs root)"
_RELOAD_SECONDS = 30.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", default="", metavar="URL", help="default: server.url, or the one that is found")
    parser.add_argument("--token", metavar="FILE", help="- for the input; default: enrolment.token_file")
    parser.add_argument("--new-key", action="store_true", help="ask by a key of its own: for a copy of another machine")
    parser.add_argument("--config", default=DEFAULT_PATH, metavar="FILE", help="configuration (default: %(default)s)")
    state = "/var/lib/powernapd"
    parser.add_argument("--state-dir", default=state, metavar="DIR", help="powernapd's (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)  # by powernapd, which needs no word


def run(options: argparse.Namespace) -> int:
    if os.geteuid() != 0 and not options.once:  # powernapd asks powernap-hands for what needs root
        raise control.ControlError(f"{NAME} needs root: run it with sudo")
    # Here, since powernap's other commands need no TLS.
    from powernap.nap import setup
    from powernap.nap.enrol.attempt import Attempt

    server, token = address(options.server), None
    if options.token is not None:
        token = checked(sys.stdin.read(4096), "the input") if options.token == "-" else read_token(options.token)
        if not token:
            raise PowernapError(f"{options.token}: there is no such file: give one with a token")
    config = setup.load(options.config)
    standing = Attempt(config, Path(options.state_dir), server, token, options.new_key).run()
    if not options.once:
        with contextlib.suppress(PowernapError):  # it need not run
            control.ask(options.control_socket, {"command": "reload"}, _RELOAD_SECONDS)
    if standing.error:
        raise NotDone(f"this machine is {standing.sentence()}")
    trust = f"\nits CA {standing.fingerprint}: {standing.trust}" if standing.trust else ""
    say(options, {"ok": True, **asdict(standing)}, f"this machine is {standing.sentence()}{trust}")
    return 0


def address(server: str) -> str:
    """Return it as a URL, or "" where none is given. Raises PowernapError, which says what to write."""
    if not server or re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[^/:\s]+)(:[0-9]{1,5})?/?", server):
        return server.rstrip("/")
    host = server.partition("://")[2] or server
    host = host.partition("/")[0]
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            host = f"[{host}]"
    shown = host if re.fullmatch(r"[\w.:\[\]-]+", host) else "WAKE-SERVER"
    raise PowernapError(f"--server {server} is no URL: write --server https://{shown}")
