# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection to a broker can do, whatever it speaks; and where the broker is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from powernap.shared.errors import PowernapError

#: scheme: (protocol, TLS, port). The ports are those of IANA for MQTT, and RabbitMQ's for STOMP.
SCHEMES = {
    "mqtt": ("mqtt", False, 1883),
    "mqtts": ("mqtt", True, 8883),
    "stomp": ("stomp", False, 61613),
    "stomps": ("stomp", True, 61614),
}
#: What may wait for a broker that does not read, bytes; then the connection is given up, and made anew.
MOST_WAITING = 4 * 1024 * 1024
#: The kernel finds out that the broker's machine is gone, without waking this process: tcp(7).
KEEPALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 60_000}
_LONGEST_PASSWORD = 1024


class BrokerError(PowernapError):
    """The broker cannot be used, and why."""


@dataclass(frozen=True)
class Broker:
    """``protocol``: mqtt or stomp. ``ca_file`` "": the CAs that this machine trusts."""

    protocol: str
    host: str
    port: int
    tls: bool
    user: str = ""
    password_file: str = ""
    ca_file: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}"

    def password(self) -> str:
        """Read the password. Blocks. Raises BrokerError, which never shows what is in the file."""
        if not self.password_file:
            return ""
        try:
            text = Path(self.password_file).read_text(encoding="utf-8")
        except OSError as error:
            raise BrokerError(f"{self.password_file}: the password cannot be read ({error.strerror})") from error
        except ValueError:
            text = ""
        password = text.rstrip("\r\n")
        if not password or len(password) > _LONGEST_PASSWORD or not password.isprintable():
            raise BrokerError(f"{self.password_file}: holds no password: write it there, as one line")
        return password


def broker(url: str, user: str = "", password_file: str = "", ca_file: str = "") -> Broker:
    """Read an address such as "mqtts://broker1:8883". Raises BrokerError, in a sentence that names no key."""
    parts = urlsplit(url)
    known = SCHEMES.get(parts.scheme)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if known is None or not parts.hostname or port == 0 or parts.path not in ("", "/") or parts.query:
        raise BrokerError(
            f'{hidden(url)!r} is no broker\'s address: write such as "mqtts://broker1:8883" or "stomps://broker1:61614"'
        )
    if parts.username is not None or parts.password is not None:
        raise BrokerError(
            f"{hidden(url)!r} holds a user: give it, and the file with its password, by keys of their own"
        )
    protocol, tls, usual = known
    return Broker(protocol, parts.hostname, port or usual, tls, user, password_file, ca_file)


def hidden(url: str) -> str:
    """Return an address without what may be a password."""
    scheme, there, rest = url.partition("://")
    return f"{scheme}://...@{rest.rpartition('@')[2]}" if there and "@" in rest else url


class Will(NamedTuple):
    """What the broker says, and keeps, when this connection ends without a farewell."""

    topic: str
    text: str


class Heard(NamedTuple):
    """``kept``: it was said before this connection was made, and the broker has kept it."""

    topic: str
    text: bytes
    kept: bool


class Connection(Protocol):
    """``heard`` is called with each message, ``lost`` once with why it ended; both on the event loop.

    ``publish`` and ``close`` return at once. ``waiting``: bytes that the broker has not taken yet.
    """

    heard: Callable[[Heard], None]
    lost: Callable[[str], None]

    @property
    def waiting(self) -> int:
        pass

    def publish(self, topic: str, text: str, keep: bool = False) -> None:
        """``keep``: the broker is to keep it for who comes later, where it can; "": and forget what it kept."""

    def close(self) -> None:
        """Say farewell, so that there is no will. What was published before goes out first."""


class Hearing:
    """What comes before anybody listens waits: the broker says what it has kept at once."""

    def __init__(self) -> None:
        self._hearer: Callable[[Heard], None] | None = None
        self._early: list[Heard] = []

    @property
    def heard(self) -> Callable[[Heard], None]:
        return self._hearer or self._early.append

    @heard.setter
    def heard(self, hearer: Callable[[Heard], None]) -> None:
        self._hearer = hearer
        early, self._early = self._early, []
        for each in early:
            hearer(each)


@dataclass(frozen=True)
class Wish:
    """A connection as it is to be made. ``subscribe``: topics, with "+" for one level. ``alive_seconds``: the longest
    silence after which the broker takes it for dead is half as much again, where it can.
    """

    name: str
    subscribe: tuple[str, ...]
    will: Will | None = None
    alive_seconds: int = 60


async def connect(place: Broker, wish: Wish, seconds: float) -> Connection:
    """Return a connection that is subscribed. Raises BrokerError."""
    if place.protocol == "mqtt":
        from powernap.net.broker import mqtt

        return await mqtt.connect(place, wish, seconds)
    from powernap.net.broker import stomp

    return await stomp.connect(place, wish, seconds)
