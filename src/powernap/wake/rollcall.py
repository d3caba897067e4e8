# SPDX-License-Identifier: GPL-3.0-or-later
"""After a start, or when an interface is back: which of those on disk still sleep? Asked in number, not one by one.

Until a host is beyond doubt its addresses are watched: who asks for it makes the daemon ask it there and then.
What the kernel answered for while nobody ran, and whose owner it did not see, is beyond doubt without a question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from powernap.wake.host import STANDING_BY
from powernap.wake.model import Address, State
from powernap.wake.path.base import Alike, Entry, Key
from powernap.wake.path.queue import PathQueue
from powernap.wake.posture import Posture, Stance, standing_by, watched
from powernap.wake.registry import Kind, Registry, Rest, Row
from powernap.wake.roster import Roster

_log = logging.getLogger(__name__)
_PAGE = 500
#: Of those that are alike, which cost a fraction of the time: so many, and so many pages in one turn of the event loop.
_LARGE_PAGE, _PAGES_A_TURN = 2048, 4
_ALL = (1 << 63) - 1
_PAGE_SECONDS = 0.025
_QUESTIONS = 3
_ANSWER_SECONDS = 0.2
_AGAIN_SECONDS = 5.0


class RollCall:
    """`segment_of(index)`: the name of an interface. `stance(rest)`: how a host at rest is stood in for.

    `probe(address)`: ask its owner, alone. `recall(name)`: a host that was between two states is asked with patience.
    """

    def __init__(
        self,
        registry: Registry,
        roster: Roster,
        queue: PathQueue,
        segment_of: Callable[[int], str | None],
        stance: Callable[[Rest], Stance],
        probe: Callable[[Address], None],
        recall: Callable[[str], None],
    ) -> None:
        self._registry = registry
        self._roster = roster
        self._queue = queue
        self._segment_of = segment_of
        self._stance = stance
        self._probe = probe
        self._recall = recall
        self._segments: frozenset[str] | None = None
        self._since_run = registry.run
        self._concluded = 0
        self._adopted: Mapping[Key, Entry] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()

    @property
    def over(self) -> bool:
        return self._over.is_set()

    async def end(self) -> None:
        """Wait until all have been taken up."""
        await self._over.wait()

    def begin(self, segments: Iterable[str] | None = None) -> None:
        """Call the roll of these segments, None for all; what an unfinished call had left is called again."""
        wanted = None if segments is None else frozenset(segments)
        if not self.over:
            wanted = None if wanted is None or self._segments is None else wanted | self._segments
        self.close()
        self._segments, self._since_run, self._concluded = wanted, self._registry.run, 0
        self._adopted = self._left_by_former_daemon() if wanted is None else None
        self._over.clear()
        self._start(self._call())

    def _left_by_former_daemon(self) -> Mapping[Key, Entry] | None:
        adopted = self._queue.path.adopted()
        return None if next(iter(adopted), None) is None else adopted

    def repeat(self) -> None:
        """Settings have changed: tell the packet path again of all that are at rest."""
        self._roster.let_go()
        self._start(self._tell())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def doubts(self, row: Row) -> bool:
        """Whether the host has to be asked before it is stood in for."""
        if row.sleep is None or row.run >= self._since_run:
            return False
        if State(row.record.state) not in STANDING_BY:
            return True
        return self._doubts(row.record.number, row.addresses)

    def _doubts(self, number: int, addresses: tuple[Address, ...]) -> bool:
        if number <= self._concluded:
            return False
        if self._segments is not None and not any(address.segment in self._segments for address in addresses):
            return False
        return not self._is_trusted(number, addresses)

    def _is_trusted(self, number: int, addresses: tuple[Address, ...]) -> bool:
        if self._adopted is None:
            return False
        for key in filter(None, map(self._queue.key, addresses)):
            entry = self._adopted.get(key)
            if entry is None or entry.host != number or not (entry.answers or entry.fires):
                return False
            if self._queue.path.done(key).owner_seen:
                return False
        return True

    # Passes over all that are not just awake

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("the sleepers cannot be taken up again: %s", task.exception())
            if self._again is None:
                self._again = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._begin_again)

    def _begin_again(self) -> None:
        self._again = None
        self.begin(self._segments)

    async def _tell(self) -> None:
        """The packet path of all."""
        if self._adopted is None and self._segments is None:
            await self._tell_by_kind()
        else:
            await self._tell_one_by_one()

    async def _tell_by_kind(self) -> None:
        """Whether a host is in doubt follows from its run and number alone."""
        after = 0
        while after < _ALL:
            busy = {host.number for host in self._roster.hosts.values()}
            for _page in range(_PAGES_A_TURN):
                # The kernel takes one page while the next is read. It has all before anything else is done.
                after = self._tell_page(after, busy)
            self._queue.taken()
            await asyncio.sleep(0)
        self._queue.end()

    def _tell_page(self, after: int, busy: set[int]) -> int:
        """Returns the number of the last host that the packet path is told of; _ALL where there are no more."""
        upto = self._concluded if after < self._concluded else _ALL
        page = self._registry.alike(after, upto, _LARGE_PAGE, busy) if after < _ALL else None
        if page is None:
            return upto
        self._queue.put_alike(list(filter(None, map(self._alike, page.kinds))), page.cards)
        return page.last

    def _alike(self, kind: Kind) -> Alike | None:
        (address,) = kind.one.addresses
        entry, index = self._posture(kind.one).get(address), self._queue.index(address.segment)
        if entry is None or index is None:
            return None
        return Alike(index, entry, kind.numbers, len(address.ip), kind.ips, kind.macs)

    async def _tell_one_by_one(self) -> None:
        after = 0
        while page := self._registry.watched(after, _PAGE, True):
            after = page[-1].number
            for rest in page:
                if rest.name not in self._roster.hosts:
                    self._queue.watch(rest.cards, rest.number)
                    self._queue.put(self._new(self._posture(rest)))
            self._queue.flush()
            await asyncio.sleep(0)

    def _new(self, posture: Posture) -> Posture:
        """Without what is in force already: to say it again would make the kernel forget whom it has seen."""
        if self._adopted is None:
            return posture
        new = {}
        for address, entry in posture.items():
            key = self._queue.key(address)
            if key is None or self._adopted.get(key) != entry:
                new[address] = entry
        return new

    def _posture(self, rest: Rest) -> Posture:
        if rest.state not in STANDING_BY:
            return {} if rest.sleep is None else watched(rest.number, rest.addresses)
        if rest.sleep is not None and rest.run < self._since_run and self._doubts(rest.number, rest.addresses):
            return watched(rest.number, rest.addresses)
        return standing_by(rest.number, self._stance(rest), rest.sleep, rest.addresses)

    async def _call(self) -> None:
        await self._tell()
        after = 0
        asking = []
        while page := self._registry.watched(after, _PAGE, before_run=self._since_run):
            after = page[-1].number
            for rest in page:
                if rest.state not in STANDING_BY:
                    self._recall(rest.name)
            doubted = [rest for rest in page if rest.state in STANDING_BY and self._doubts(rest.number, rest.addresses)]
            asking.append(asyncio.ensure_future(self._ask(doubted, after)))
            if doubted:
                await asyncio.sleep(_PAGE_SECONDS)
        await asyncio.gather(*asking)
        await self._forget_strangers()
        self._adopted = None
        self._over.set()

    async def _ask(self, page: list[Rest], last: int) -> None:
        for _question in range(_QUESTIONS if page else 0):
            for rest in page:
                if rest.name not in self._roster.hosts:
                    for address in questions(rest.addresses):
                        self._probe(address)
            await asyncio.sleep(_ANSWER_SECONDS)
        self._concluded = max(self._concluded, last)
        for rest in page:
            # One that is in memory has answered, or somebody wanted it meanwhile.
            if rest.name not in self._roster.hosts:
                self._queue.put(standing_by(rest.number, self._stance(rest), rest.sleep, rest.addresses))
            elif rest.name in self._roster.doubted:
                self._recall(rest.name)
        self._queue.flush()

    async def _forget_strangers(self) -> None:
        """What the kernel was left with, but is no sleeper's any more."""
        strange = []
        for count, (key, entry) in enumerate(self._adopted.items() if self._adopted is not None else ()):
            segment = self._segment_of(key.interface)
            holder = None if segment is None else self._registry.holder(segment, key.ip)
            if holder != entry.host:
                strange.append(key)
            if count % _PAGE == _PAGE - 1:
                await asyncio.sleep(0)
        if strange:
            self._queue.path.remove(strange)


def questions(addresses: tuple[Address, ...]) -> list[Address]:
    """One address for each card, IPv4 where there is one: by it the owner is asked."""
    found: dict[bytes, Address] = {}
    for address in addresses:
        key = address.mac if any(address.mac) else address.ip
        if key not in found or (found[key].is_ipv6 and not address.is_ipv6):
            found[key] = address
    return list(found.values())
