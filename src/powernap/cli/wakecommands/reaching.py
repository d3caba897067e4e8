# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every command: which wake server is meant, and for whom the answer is."""

from __future__ import annotations

import argparse
import os

from powernap.shared.paths import ADMIN_SOCKET


def options(parser: argparse.ArgumentParser, again: bool = False) -> None:
    """``again``: for the word of a command that has words of its own; what is not given there is as given before it."""

    def default(value: str) -> str:
        return argparse.SUPPRESS if again else value

    parser.add_argument("--json", action="store_true", default=default(""), help="print JSON")
    parser.add_argument(
        "--socket",
        default=default(os.environ.get("POWERWAKE_SOCKET", ADMIN_SOCKET)),
        metavar="PATH",
        help="powerwaked's Unix socket, for root (POWERWAKE_SOCKET)",
    )
    parser.add_argument(
        "--server",
        default=default(os.environ.get("POWERWAKE_SERVER", "")),
        metavar="URL",
        help="another machine's powerwaked, such as https://wake1:20709 (environment: POWERWAKE_SERVER)",
    )
    parser.add_argument(
        "--token-file",
        default=default(os.environ.get("POWERWAKE_TOKEN_FILE", "")),
        metavar="FILE",
        help="file with the token for it (POWERWAKE_TOKEN_FILE)",
    )
    parser.add_argument(
        "--ca-file",
        default=default(os.environ.get("POWERWAKE_CA_FILE", "")),
        metavar="FILE",
        help="CA that signed its certificate; default: those that this machine trusts (POWERWAKE_CA_FILE)",
    )
