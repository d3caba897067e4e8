# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when somebody sends this machine a magic packet, although it is awake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from powernap.machine import clocks
from powernap.machine.magicledger import MagicLedger
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.sources import Sources
from powernap.shared.ports import format_ports
from powernap.shared.schema import Option

PORTS = ((7, 7), (9, 9))
#: So many wakeups are worth knowing the time of a packet: what follows is only counted until the next look.
MOST_EVENTS = 10


class WolMonitor(Monitor):
    """The kernel filters magic packets for the addresses of this machine's NICs, and the few that pass wake this
    process, which notes the time. A flood does not: then the kernel only counts.

    A NIC that is plugged in is listened for from the next look on.
    """

    kind = "wol"
    summary = "somebody sends a magic packet for one of this machine's NICs; no port is bound"
    seeks = True
    options = (
        Option(
            "ports",
            "ports",
            PORTS,
            "UDP ports and port ranges, besides EtherType 0x0842",
            example=[7, 9, "40000-40009"],
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        self._ports = values.get("ports", PORTS)
        self._where = f"UDP port {format_ports(self._ports)} or EtherType 0x0842"
        self._ledger: MagicLedger | None = None
        self._listening = self._armed = False
        self._last: float | None = None
        self._events = 0
        self._start()

    def _start(self) -> None:
        """Raises OSError, which __init__ leaves to the looks."""
        self._missing = ""
        try:
            self._ledger = MagicLedger(self._ports)
            self._ledger.refresh()
        except OSError as error:
            self._missing = error.strerror or str(error)
            self.close()

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        super().attach(loop, call, sources)
        self._listen()

    def look(self, now: float) -> Reading:
        if self._ledger is None:
            self._start()
        if self._ledger is None:
            raise OSError(f"magic packets cannot be seen ({self._missing}): powernapd needs CAP_NET_RAW")
        counted = self._ledger.passed()
        if counted:  # their time is not known
            self._last = now
        came, self._events = bool(counted or self._events), 0
        own = len(self._own_macs(self._ledger))
        self._listen()
        what = "magic packet since the last look"
        return self.reading(
            last_active=self._last,
            detail=f"{'a' if came else 'no'} {what} to one of {own} own addresses ({self._where})",
            source="packet filter",
            counts=not self._listening,
            calls=self._listening,
        )

    @staticmethod
    def _own_macs(ledger: MagicLedger) -> frozenset[bytes]:
        try:
            return ledger.refresh()
        except OSError as error:  # such as a filter for more than some 700 addresses
            raise OSError(
                f"magic packets for the NICs' addresses cannot be filtered ({error.strerror or error}): use a monitor "
                "of kind udp with ports = [7, 9]"
            ) from None

    def _listen(self) -> None:
        if self._ledger is not None and self.loop is not None and not self._listening:
            for fd in self._ledger.files():
                self.loop.add_reader(fd, self._event)
            self._listening = True

    def _event(self) -> None:
        if self._ledger is None or not self._ledger.passed():
            return
        self._last = clocks.now()
        self._events += 1
        if self._events >= MOST_EVENTS:
            self._deafen()
        if self._armed:
            self.call()

    def _deafen(self) -> None:
        if self._listening and self._ledger is not None and self.loop is not None:
            for fd in self._ledger.files():
                self.loop.remove_reader(fd)
        self._listening = False

    def arm(self) -> None:
        self._armed = True
        if self._events:  # between the last look and now
            self.call()

    def disarm(self) -> None:
        self._armed = False

    def close(self) -> None:
        self._deafen()
        if self._ledger is not None:
            self._ledger.close()
        self._ledger = None
