# SPDX-License-Identifier: GPL-3.0-or-later
"""[listen]: where clients and administrators reach powerwaked."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from powernap.shared.paths import ADMIN_SOCKET
from powernap.shared.schema import setting

_LOCAL = "localhost"
_NAME = re.compile(r"([a-z0-9_-]{1,63}\.)*(?!\d+\.?\Z)[a-z0-9_-]{1,63}\.?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class ListenSettings:
    """Where clients and administrators reach powerwaked."""

    address: str = setting(
        "str",
        "::",
        'address on which clients are heard; "::": all, of IPv6 and IPv4; "0.0.0.0": all of IPv4',
        example="198.18.0.1",
    )
    port: int = setting("int", 20709, "TCP port on which clients are heard", minimum=1, maximum=65535)
    admin_socket: str = setting("path", ADMIN_SOCKET, "Unix socket of the admin API, for root")
    tls: str = setting(
        "str",
        "own",
        "own: with a certificate authority that powerwaked makes at its first start; files: with a certificate of the "
        "site's; off: none, on a loopback address only",
        choices=("own", "files", "off"),
    )
    tls_certificate: str = setting(
        "path",
        "",
        "PEM file with the certificate, and those between it and its authority",
        example="/etc/ssl/wake1.pem",
    )
    tls_key: str = setting(
        "path",
        "",
        "PEM file with the key of tls_certificate; powerwaked, who is not root, gets it by LoadCredential=tls_key:FILE "
        "in its unit, as the role writes it",
        example="/etc/ssl/private/wake1.key",
    )
    tls_ca: str = setting(
        "path", "", "PEM file with the authority that clients are to believe", example="/etc/ssl/site-ca.pem"
    )
    tls_names: tuple[str, ...] = setting(
        "strs",
        (),
        "further names for the own certificate, beside the host name and the addresses",
        example=["wake1.example.org"],
    )
    unproven: int = setting(
        "int",
        2000,
        "so many connections may be open by which nobody has proved who he is; more wait",
        minimum=8,
        maximum=100_000,
    )
    unproven_per_source: int = setting(
        "int", 128, "so many of them from one address; more are refused", minimum=1, maximum=100_000
    )
    unproven_seconds: float = setting(
        "float", 20, "the longest that somebody may take to prove who he is", unit="seconds", minimum=1, maximum=600
    )
    messages_per_second: float = setting(
        "float", 10, "so many messages of one host are taken on average; more wait", minimum=0.1, maximum=10_000
    )


def problems(settings: ListenSettings, problem: Callable[[str, str], None]) -> None:
    """Tell ``problem(key, sentence)`` of what does not fit together."""
    if settings.address and not _is_address(settings.address):
        problem(
            "listen.address",
            f"{settings.address!r} is neither an IP address nor a host's name: write one of this machine's addresses, "
            'such as "198.18.0.1", or "::" for all',
        )
    if settings.tls == "off" and not _is_loopback(settings.address):
        problem(
            "listen.tls",
            f'"off" would send keys of naps and wakes unencrypted by {settings.address}: write "own", or set '
            "listen.address to 127.0.0.1",
        )
    for key in ("tls_certificate", "tls_key", "tls_ca"):
        path = getattr(settings, key)
        if settings.tls == "files" and not path:
            problem(f"listen.{key}", f'needed with tls = "files": {_WHAT[key]}')
        if settings.tls != "files" and path:
            problem(f"listen.{key}", f'of no use with tls = "{settings.tls}": write tls = "files", or leave it out')


_WHAT = {
    "tls_certificate": "give the file of the server's certificate",
    "tls_key": "give the file of the certificate's key",
    "tls_ca": "give the file of the authority that clients are to believe",
}


def _is_address(text: str) -> bool:
    """A name does not end in a number (RFC 1123 section 2.1): the C library would read 1.2.3 as 1.2.0.3."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _NAME.match(text) is not None
    return True


def _is_loopback(address: str) -> bool:
    if address == _LOCAL:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
