# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel may not do unasked: the groups whose wakes are to be budgeted, and those whose demand is ignored."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from powernap.wake.clock import clock
from powernap.wake.criers import Refused
from powernap.wake.demand.arp import ArpMonitor
from powernap.wake.demand.doorkeeper import TOO_MANY
from powernap.wake.demand.ns import SolicitationMonitor
from powernap.wake.path.base import GATE_SECONDS, Ignored, PacketPath, Unwelcome, gate_of
from powernap.wake.wolf import Crier, Demotion

_log = logging.getLogger(__name__)
_NEVER = float("inf")


class Firing:
    """`short()`: groups that are short of tokens ("": all). `denied()`: whom the rules deny everything or a port, by
    which rule. `demoted()`: who cried wolf. `name(number)`: a host's.
    """

    def __init__(
        self,
        path: PacketPath,
        short: Callable[[], Iterable[str]],
        denied: Callable[[], Mapping[Unwelcome, str]],
        demoted: Callable[[], Mapping[Crier, Demotion]],
        name: Callable[[int], str | None],
    ) -> None:
        self._path = path
        self._short = short
        self._denied = denied
        self._demoted = demoted
        self._name = name
        self._reasons: dict[Unwelcome, str] = {}
        self._can_refuse = True
        self._again: asyncio.TimerHandle | None = None

    def shut(self) -> None:
        """Which groups are short of tokens has changed, or gates are soon to open by themselves."""
        self.close()
        gates = {gate_of(group) for group in self._short()}
        if not self._can_refuse:
            gates.add(gate_of(""))
        if gates:
            self._again = asyncio.get_running_loop().call_later(GATE_SECONDS / 3, self.shut)
        try:
            self._path.shut(gates)
        except OSError as error:
            _log.error("the packet path cannot be told whom not to wake (%s)", error.strerror or error)

    def close(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def refuse(self) -> None:
        """Rules, or who is believed, have changed."""
        until: dict[Unwelcome, float] = {}
        now, today = clock(), time.time()
        self._reasons = {}
        for who, found in self._demoted().items():
            unwelcome = unwelcome_of(who)
            until[unwelcome] = now + found.until - today
            self._reasons[unwelcome] = found.reason
        for unwelcome, reason in self._denied().items():
            until[unwelcome] = _NEVER
            self._reasons[unwelcome] = reason
        try:
            self._path.refuse(until)
            self._can_refuse = True
        except OSError as error:  # more than it has room for: then it asks for every wake
            if self._can_refuse:
                _log.warning(
                    "the kernel wakes nobody by itself: it cannot refuse so many (%s)", error.strerror or error
                )
            self._can_refuse = False
        self.shut()

    def ignored(self) -> list[tuple[Crier, str, Refused]]:
        """(who, reason, how often) of what the kernel did not pass."""
        found = [(who.source, self._reasons.get(who, ""), ignored) for who, ignored in self._path.refused().items()]
        found += [(source, TOO_MANY, ignored) for source, ignored in self._path.limited().items()]
        return [(_crier(source, each), reason, self._told(each)) for source, reason, each in found]

    def _told(self, ignored: Ignored) -> Refused:
        return Refused(ignored.times, self._name(ignored.host) or "", time.time() - clock() + ignored.last)


def _crier(source: bytes, ignored: Ignored) -> Crier:
    if ignored.protocol in ("tcp", "udp"):
        return Crier(source, f"{ignored.protocol}/{ignored.port}")
    return Crier(source, (ArpMonitor if len(source) == 4 else SolicitationMonitor).name)


def unwelcome_of(who: Crier) -> Unwelcome:
    protocol, slash, port = who.by.partition("/")
    return Unwelcome(who.source, protocol, int(port)) if slash else Unwelcome(who.source, "question")
