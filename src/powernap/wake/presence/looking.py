# SPDX-License-Identifier: GPL-3.0-or-later
"""Are machines there that are not asleep? All of them in a slow round, and at once those whose link was lost.

A round costs a machine one question to its card alone; none where its link is open or the packet path has seen it. A
link by a broker does not end with the machine, and who speaks by POST has none: such are asked, too. Behind a router,
where a firewall may keep them from answering, they are missed only once they have answered. Who does not answer is
asked three times, the last time by a question to all. Nobody who sleeps here is ever asked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from powernap.net.interfaces import Interface
from powernap.shared.mac import format_mac
from powernap.wake.clock import clock
from powernap.wake.model import Address, State
from powernap.wake.presence.afar import echoes, takes_connections
from powernap.wake.presence.ear import Ear
from powernap.wake.presence.presence import Presence
from powernap.wake.registry import Registry, RegistryError
from powernap.wake.registry.awake import awake
from powernap.wake.roster import Roster

_log = logging.getLogger(__name__)
_MOST_A_PAGE = 200
_TICK_SECONDS = 0.1
_ANSWER_SECONDS = 2.0
_QUESTIONS, _QUESTION_SECONDS = 3, 0.7
_MOST_AT_ONCE = 2000
_MOST_WAITING = 200_000
_CONNECT_SECONDS = 1.5
_CONNECTS_AT_ONCE = 50
#: The first round after a start: nobody has been seen yet, and what is asked of the server depends on that.
_FIRST_ROUND_PER_SECOND = 200


@dataclass
class _Case:
    """One machine that is being asked. `addresses`: on our segments; `ips`: elsewhere; `other`: who answers instead.

    `speaks`: it is said to be there by a link that does not end with it, or by its word within its lease.
    """

    name: str
    number: int
    addresses: tuple[Address, ...]
    ips: tuple[str, ...]
    answered: bool = False
    other: str = ""
    speaks: bool = False


class Looking:
    """`probe(address, broadcast)`: ask the owner of an address. `last_seen(mac)`: the packet path's ledger."""

    def __init__(
        self,
        registry: Registry,
        roster: Roster,
        presence: Presence,
        probe: Callable[[Address, bool], None],
        last_seen: Callable[[bytes], float | None],
        interfaces: Callable[[], tuple[Interface, ...]],
        seconds: float,
    ) -> None:
        self.seconds = seconds
        self.questions = 0
        #: All that could be asked have been, once since the start.
        self.settled = False
        self._registry = registry
        self._roster = roster
        self._presence = presence
        self._probe = probe
        self._last_seen = last_seen
        self._interfaces = interfaces
        self._ear = Ear(self._heard)
        self._asked: dict[tuple[str, bytes], _Case] = {}
        self._unanswered: deque[tuple[float, _Case]] = deque()
        self._wanted: dict[str, None] = {}
        self._looked_at: set[str] = set()
        self._answers_afar: set[str] = set()  # of those that speak
        self._wake_up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        self._presence.lost = self.look_for
        self._tasks = [asyncio.ensure_future(self._rounds()), asyncio.ensure_future(self._look())]

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._ear.close()

    def look_for(self, name: str) -> None:
        """A machine may be gone: ask it now."""
        if len(self._wanted) < _MOST_WAITING:
            self._wanted[name] = None
            self._wake_up.set()

    # All of them, slowly

    async def _rounds(self) -> None:
        first = True
        while True:
            began = clock()
            try:
                await self._round(first)
            except RegistryError as error:
                _log.warning("%s", error)
            if first:
                first = False
                await self._rest(_ANSWER_SECONDS)
                self.settled = True
            await self._rest(max(1.0, began + self.seconds - clock()))

    async def _rest(self, seconds: float) -> None:
        """Answers are waited for meanwhile."""
        end = clock() + seconds
        while self._unanswered and self._unanswered[0][0] < end:
            await asyncio.sleep(max(0.0, self._unanswered[0][0] - clock()))
            self._give_up_waiting()
        await asyncio.sleep(max(0.0, end - clock()))

    async def _round(self, first: bool) -> None:
        self._ear.follow(self._interfaces())
        rate = max(1e-3, self._registry.count() / self.seconds)
        rate = max(rate, _FIRST_ROUND_PER_SECOND) if first else rate
        page_size = min(_MOST_A_PAGE, max(1, math.ceil(rate * _TICK_SECONDS)))
        after = 0
        while page := awake(self._registry, after, page_size):
            after = page[-1].number
            self._ear.follow(self._interfaces())
            for rest in page:
                self._ask(_Case(rest.name, rest.number, rest.addresses, rest.elsewhere))
            await self._rest(len(page) / rate)

    def _ask(self, case: _Case) -> None:
        if self._presence.is_vouched_for(case.name) or case.name in self._looked_at or not self._is_up(case.name):
            return
        if not case.addresses:
            if case.ips:
                self.look_for(case.name)
            return
        # IPv4 first: a question to the card alone is heard by nobody else, and answered without neighbour discovery.
        address = min(case.addresses, key=lambda each: each.is_ipv6)
        seen = self._last_seen(address.mac) if any(address.mac) else None
        if seen is not None and clock() - seen < self.seconds / 2:
            self._presence.answered(case.name, case.number, "frames of its card")
            return
        self._asked[address.segment, address.ip] = case
        self._unanswered.append((clock() + _ANSWER_SECONDS, case))
        self.questions += 1
        self._probe(address, False)

    def _give_up_waiting(self) -> None:
        now = clock()
        while self._unanswered and self._unanswered[0][0] <= now:
            _until, case = self._unanswered.popleft()
            self._no_longer_asked(case)
            if not case.answered and not self._presence.is_silent(case.number):
                self.look_for(case.name)

    def _no_longer_asked(self, case: _Case) -> None:
        for address in case.addresses:
            if self._asked.get((address.segment, address.ip)) is case:
                del self._asked[address.segment, address.ip]

    def _is_up(self, name: str) -> bool:
        """For all that the wake server knows: what is in memory is newer than the disk."""
        host = self._roster.hosts.get(name)
        return host is None or (host.state in (State.AWAKE, State.EXPIRED) and host.wake is None)

    # Answers

    def _heard(self, segment: str, ip: bytes, mac: bytes, how: str) -> None:
        case = self._asked.get((segment, ip))
        if case is None:
            return
        address = next((each for each in case.addresses if (each.segment, each.ip) == (segment, ip)), None)
        if (address is not None and address.mac == mac) or self._roster.host_of_card(mac) == case.name:
            case.answered = True
            self._no_longer_asked(case)
            self._presence.answered(case.name, case.number, f"{how} answer of its card")
        else:
            case.other = format_mac(mac)

    # Some of them, at once

    async def _look(self) -> None:
        while True:
            await self._wake_up.wait()
            names = list(self._wanted)[:_MOST_AT_ONCE]
            for name in names:
                del self._wanted[name]
            if not self._wanted:
                self._wake_up.clear()
            self._looked_at.update(names)
            try:
                await self._look_at(names)
            except RegistryError as error:
                _log.warning("%s", error)
                await asyncio.sleep(_QUESTION_SECONDS)
            finally:
                self._looked_at.clear()

    async def _look_at(self, names: list[str]) -> None:
        self._ear.follow(self._interfaces())
        cases = [case for case in map(self._case, names) if case is not None]
        near = [case for case in cases if case.addresses]
        for case in near:
            self._asked.update({(address.segment, address.ip): case for address in case.addresses})
        for turn in range(_QUESTIONS):
            for case in near:
                if case.answered or not self._is_up(case.name):
                    continue
                for address in case.addresses:
                    self.questions += 1
                    self._probe(address, turn == _QUESTIONS - 1)
            await asyncio.sleep(_QUESTION_SECONDS)
            if all(case.answered for case in near):
                break
        await self._look_afar([case for case in cases if not case.addresses])
        for case in cases:
            self._no_longer_asked(case)
            if not case.answered and self._is_up(case.name) and not self._may_be_hidden(case):
                how = f"no answer to {_QUESTIONS} questions" if case.addresses else "no answer to ICMP and TCP"
                self._presence.silent(case.name, case.number, how, case.other)

    def _may_be_hidden(self, case: _Case) -> bool:
        """Whether a firewall may be why it does not answer. Where it was taken for gone, it has to answer anew."""
        if case.addresses or not case.speaks or case.name in self._answers_afar:
            self._answers_afar.discard(case.name)
            return False
        return True

    async def _look_afar(self, cases: list[_Case]) -> None:
        if not cases:
            return
        found = await echoes({ip for case in cases for ip in case.ips}, _QUESTIONS, _QUESTION_SECONDS)
        few = asyncio.Semaphore(_CONNECTS_AT_ONCE)

        async def one(case: _Case) -> None:
            if found.intersection(case.ips):
                case.answered = True
                if case.speaks:
                    self._answers_afar.add(case.name)
                self._presence.answered(case.name, case.number, "ICMP")
                return
            if case.speaks and case.name not in self._answers_afar:
                return
            port = self._presence.port(case.number)
            async with few:
                if port and await takes_connections(case.ips[0], port, _CONNECT_SECONDS):
                    case.answered = True
                    self._presence.answered(case.name, case.number, f"TCP {port}")

        await asyncio.gather(*(one(case) for case in cases))

    def _case(self, name: str) -> _Case | None:
        """None where it cannot be asked, or need not be any more."""
        row = self._registry.row(name)
        if row is None or row.sleep is not None or self._presence.is_vouched_for(name) or not self._is_up(name):
            return None
        ips = () if row.addresses else tuple(str(ipaddress.ip_interface(text).ip) for text in row.record.asked_at)
        if not row.addresses and not ips:
            return None
        return _Case(name, row.record.number, row.addresses, ips, speaks=self._presence.speaks(name))
