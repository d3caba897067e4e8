# SPDX-License-Identifier: GPL-3.0-or-later
"""Which topics there are at a broker: docs/transports.md. A level that names a host has one author."""

from __future__ import annotations

from dataclasses import dataclass

from powernap.net.broker.base import BrokerError

PREFIX = "powernap/v1"
ONLINE, OFFLINE = "online", "offline"
_NEVER = frozenset("/+#*>\0\n\r: ")


@dataclass(frozen=True)
class Topics:
    """``up`` and ``link`` are written by the host; ``down``, ``state`` and ``server`` by the wake server."""

    prefix: str = PREFIX

    def up(self, name: str) -> str:
        """Signed messages to the wake server."""
        return self._of(name, "up")

    def down(self, name: str) -> str:
        """Signed messages of the wake server."""
        return self._of(name, "down")

    def link(self, name: str) -> str:
        """ "online", or "offline" with a signed word; the host's last will."""
        return self._of(name, "link")

    def state(self, name: str) -> str:
        """What the host is, for whoever wants to know."""
        return self._of(name, "state")

    @property
    def server(self) -> str:
        """ "online" with the number of the connection, or "offline"; the wake server's last will."""
        return f"{self.prefix}/server"

    @property
    def of_hosts(self) -> tuple[str, str]:
        """What the wake server subscribes to."""
        return f"{self.prefix}/hosts/+/up", f"{self.prefix}/hosts/+/link"

    def host(self, topic: str) -> tuple[str, str]:
        """Return (name, what) of a host's topic; ("", "") of another."""
        before = f"{self.prefix}/hosts/"
        name, _gap, what = topic[len(before) :].rpartition("/") if topic.startswith(before) else ("", "", "")
        return (name, what) if name else ("", "")

    def _of(self, name: str, what: str) -> str:
        if not name or not _NEVER.isdisjoint(name):
            raise BrokerError(
                f"{name!r} cannot be part of a topic: give this host a name without / + # * > : and space"
            )
        return f"{self.prefix}/hosts/{name}/{what}"


def is_prefix(text: str) -> bool:
    """Tell whether topics can begin with this."""
    return bool(text) and all(level and _NEVER.isdisjoint(level) and "." not in level for level in text.split("/"))
