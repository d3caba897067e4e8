# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be published and found on a network, whoever does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from powernap.shared.errors import PowernapError

CLIENTS = "_powernap._tcp"
SERVERS = "_powerwake._tcp"
VERSION = "1"
#: RFC 6763, 6.1 and 6.4: a key and its value are one string of at most 255 bytes.
_LONGEST_TEXT = 255
#: RFC 6763, 4.1.1.
_LONGEST_NAME = 63
_FINGERPRINT = re.compile(r"\A[0-9a-f]{64}\Z")


class DiscoveryError(PowernapError):
    """Nothing can be published or found here, and why."""


@dataclass(frozen=True)
class Published:
    """What a machine says of itself. ``port`` 0: there is nothing to connect to."""

    kind: str
    name: str
    port: int
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What was heard: a hint, which anybody on the network can make. ``host``: a name that ends with a dot, or not."""

    kind: str
    name: str
    host: str
    addresses: tuple[str, ...]
    port: int
    texts: Mapping[str, str]


class Discovery(Protocol):
    """``name``: which way it is, for people. All raise DiscoveryError."""

    name: str

    async def publish(self, what: Published) -> None:
        """Until it is closed; publishing the same kind again replaces what was said."""

    async def browse(self, kind: str, seen: Callable[[Found], None], gone: Callable[[str], None]) -> None:
        """Tell of each that is there and will be, and by its name of each that says good-bye or was not heard long."""

    async def close(self, goodbye: bool = True) -> None:
        """``goodbye``: say to all that what was published is gone; else they remember it for its time (75 minutes)."""


def texts_of(values: Mapping[str, str]) -> list[bytes]:
    """As strings of a TXT record. What is too long is cut off."""
    return [f"{key}={value}".encode()[:_LONGEST_TEXT] for key, value in values.items()]


def label(name: str) -> str:
    """A name of a service's instance: at most 63 bytes."""
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore") or "powernap"


def read_texts(strings: list[bytes]) -> dict[str, str]:
    """Printable ones alone; of a key that comes twice the first counts (RFC 6763, 6.4)."""
    found: dict[str, str] = {}
    for string in strings[:64]:
        key, equals, value = string.decode(errors="replace").partition("=")
        if key and equals and key.isprintable() and value.isprintable():
            found.setdefault(key.lower(), value)
    return found


def server_url(found: Found) -> str:
    """Where a wake server that was found may be asked; "" where it says nothing of use. TLS always."""
    if found.kind != SERVERS or not found.addresses or not 0 < found.port < 65536:
        return ""
    address = min(found.addresses, key=lambda text: (":" in text, text))
    return f"https://[{address}]:{found.port}" if ":" in address else f"https://{address}:{found.port}"


def fingerprint(found: Found) -> str:
    """Of its CA's certificate, as it says itself."""
    text = found.texts.get("fp", "").lower()
    return text if _FINGERPRINT.match(text) else ""
