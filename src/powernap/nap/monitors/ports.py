# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitors of TCP and UDP ports have in common: the ledger of frames, and the rate of what moves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from powernap.machine import clocks, ownlinks
from powernap.machine.portfilter import Traffic
from powernap.machine.portledger import Tally, Watcher
from powernap.nap.monitors.base import Monitor
from powernap.nap.rates import RateGauge, Verdict
from powernap.nap.sources import Sources
from powernap.shared.ports import format_ports
from powernap.shared.schema import Option

UNIT = "bytes/s"
LOOPBACK = Option("loopback", "bool", False, "count traffic within this machine, too")
OPTIONS = (
    Option("ports", "ports", None, "ports and port ranges", example=[22, "8000-8099"], required=True),
    Option(
        "side",
        "str",
        "local",
        "whose ports they are: local, of services of this machine; remote, of services that it uses",
        choices=("local", "remote"),
        example="remote",
    ),
    LOOPBACK,
    Option(
        "from",
        "networks",
        (),
        "only traffic with these addresses and networks on the other side; empty: with all",
        example=["192.0.2.0/24", "2001:db8::/32"],
    ),
    Option(
        "except_from",
        "networks",
        (),
        "no traffic with these, such as a machine that checks whether the service is up",
        example=["192.0.2.9"],
    ),
    Option(
        "min_bytes_per_second",
        "float",
        0,
        "less is no activity, such as keepalives of open sessions; all connections together, a mean over the time "
        "between two looks; 0: any data is",
        unit=UNIT,
        minimum=0,
        example=200,
    ),
    Option(
        "learn",
        "bool",
        True,
        "add to min_bytes_per_second the noise: what moves while all other monitors are idle, as far as it is below",
    ),
)


class PortMonitor(Monitor):
    """Frames to ports, noted by the kernel; without CAP_NET_RAW that is missing, and readings say so."""

    protocol: ClassVar[int]

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        from ipaddress import ip_network

        self.ports = values["ports"]
        self.loopback = values.get("loopback", False)
        self.remote = values.get("side", "local") == "remote"
        self.networks = tuple(ip_network(text) for text in values.get("from", ()))
        self.exceptions = tuple(ip_network(text) for text in values.get("except_from", ()))
        self.threshold = values.get("min_bytes_per_second", 0)
        self.armed = False
        self._bytes = 0.0
        self._gauge = RateGauge(self.threshold, values.get("learn", True))
        self._sleep = clocks.SleepGauge()
        self._watcher: Watcher | None = None

    def attach(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None], sources: Sources | None = None) -> None:
        super().attach(loop, call, sources)
        self._watcher = self._join()

    @property
    def watcher(self) -> Watcher:
        """This monitor's share of the ledger."""
        if self._watcher is None:
            self._watcher = self._join()
        return self._watcher

    def _join(self) -> Watcher:
        own = ownlinks.expected() if self.protocol == socket.IPPROTO_TCP else ()
        traffic = Traffic(self.protocol, self.ports, self.loopback, self.remote, self.networks, self.exceptions, own)
        return self.sources.ports().watch(traffic)

    def tally(self) -> Tally:
        """Return the frames since the last look. Raises OSError."""
        return self.watcher.look()

    def where(self) -> str:
        many = len(self.ports) > 1 or any(first != last for first, last in self.ports)
        name = "TCP" if self.protocol == socket.IPPROTO_TCP else "UDP"
        return f"{'remote ' if self.remote else ''}{name} port{'s' if many else ''} {format_ports(self.ports)}"

    def rate(self, now: float, moved: float) -> Verdict:
        """Return the verdict on so many bytes since the last look."""
        self._bytes += moved
        others = bool(self.sources.active - {self.name})
        return self._gauge.look(now, {self.where(): self._bytes}, slept=self._sleep.slept(), others_active=others)

    def arm(self) -> None:
        """Not where a rate decides: a frame alone says nothing."""
        if self.loop is None or self.armed or self.threshold or self.watcher.missing:
            return
        try:
            came = self.watcher.arm(self.loop.add_reader, self._called)
        except OSError:
            self.watcher.disarm(self.loop.remove_reader)
            return
        self.armed = True
        if came:  # between the last look and now
            self._called()

    def disarm(self) -> None:
        if self.armed and self.loop is not None:
            self.watcher.disarm(self.loop.remove_reader)
        self.armed = False

    def _called(self) -> None:
        self.disarm()  # one call is enough: the frames that follow cost nothing
        self.call()

    def close(self) -> None:
        self.disarm()
        self._watcher = None


def count(number: int, thing: str) -> str:
    """Return such as "1 frame" or "2 frames"."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
