# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake proxy: what of it needs the wake server; connecting and what comes after are in cli/proxying.py."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator

from powernap.cli import proxying
from powernap.cli.wakecommands.base import ask, seconds
from powernap.shared.errors import PowernapError, Refused
from powernap.shared.wakeapi import WakeServer

NAME = "proxy"
SUMMARY = "connect to a machine, waking it where it sleeps; for ssh's ProxyCommand"
_LONGER_THAN_SERVER = 10.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="as ssh's %%h: a name or address")
    parser.add_argument("port", type=_port, metavar="PORT", help="as ssh's %%p")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=proxying.TIMEOUT,
        metavar="SECONDS",
        help=f"until it must take the connection; default: {proxying.TIMEOUT:.0f}",
    )
    parser.add_argument(
        "--fdpass",
        action="store_true",
        help="hand the connection over to ssh and end, for ProxyUseFdpass=yes: nothing is between the two then",
    )


def run(options: argparse.Namespace) -> int:
    return proxying.run(
        options.host, options.port, options.timeout, options.fdpass, lambda answer: wake(options, answer)
    )


def wake(options: argparse.Namespace, answer: proxying.Answer) -> None:
    """Ask the wake server to wake the machine, and fill the answer in."""
    try:
        server = ask(options)
        answer.woken = _wake(server, options.host, options.timeout)
        answer.awake = True
    except Refused as error:
        answer.why = str(error)
        if error.status == 504:
            answer.failed = True
        else:
            answer.helpless = True
    except PowernapError as error:
        answer.why, answer.helpless = str(error), True


def _wake(server: WakeServer, host: str, timeout: float) -> bool:
    """Was it woken, by the first of its names that the wake server knows? Raises PowernapError."""
    first: Refused | None = None
    for target in _names(host):
        body = {"target": target, "timeout_seconds": timeout, "asked_by": f"ssh from {socket.gethostname()}"}
        try:
            return bool(server.post("/api/v1/wake", body, timeout=timeout + _LONGER_THAN_SERVER)["changed"])
        except Refused as error:
            if error.status != 404:
                raise
            first = first or error
    assert first is not None
    raise first


def _names(host: str) -> Iterator[str]:
    """What the machine may be registered by: as it was given, its addresses, the first part of its name."""
    yield host
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        found = set()
    yield from sorted(str(address) for address in found if address != host)
    short = host.partition(".")[0]
    if short not in ("", host) and not short.isdigit():
        yield short


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to 65535")
    return int(text)
