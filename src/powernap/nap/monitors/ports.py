# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitors of TCP and UDP ports have in common: the ledger of frames."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from powernap.machine.portledger import PortLedger
from powernap.nap.monitors.base import Monitor
from powernap.shared.ports import format_ports
from powernap.shared.schema import Option

PORTS = Option("ports", "ports", None, "local ports and port ranges", example=[22, "8000-8099"], required=True)
LOOPBACK = Option("loopback", "bool", False, "count traffic within this machine, too")


class PortMonitor(Monitor):
    """Frames to local ports, counted by the kernel; without CAP_NET_RAW the ledger is missing, and readings say so."""

    protocol: ClassVar[int]

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        self.ports = values["ports"]
        self.loopback = values.get("loopback", False)
        self.missing = ""
        self._counted = 0
        self.armed = False
        self.ledger: PortLedger | None = None
        try:
            self.ledger = PortLedger(self.protocol, self.ports, self.loopback)
        except OSError as error:
            self.missing = f"no packet ledger ({error.strerror})"

    def passed(self) -> int:
        """Return the frames since the last look."""
        frames, self._counted = self._count(), 0
        return frames

    def _count(self) -> int:
        if self.ledger is not None:
            self._counted += self.ledger.passed()
        return self._counted

    def where(self) -> str:
        many = len(self.ports) > 1 or any(first != last for first, last in self.ports)
        name = "TCP" if self.protocol == socket.IPPROTO_TCP else "UDP"
        return f"{name} port{'s' if many else ''} {format_ports(self.ports)}"

    def arm(self) -> None:
        if self.ledger is not None and self.loop is not None and not self.armed:
            self.ledger.arm(self.loop.add_reader, self._called)
            self.armed = True
            if self._count():  # they came between the last look and now
                self._called()

    def disarm(self) -> None:
        if self.ledger is not None and self.loop is not None and self.armed:
            self.ledger.disarm(self.loop.remove_reader)
        self.armed = False

    def _called(self) -> None:
        self.disarm()  # one call is enough: the frames that follow cost nothing
        self.call()

    def close(self) -> None:
        self.disarm()
        if self.ledger is not None:
            self.ledger.close()
            self.ledger = None


def count(number: int, thing: str) -> str:
    """Return such as "1 frame" or "2 frames"."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
