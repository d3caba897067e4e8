# SPDX-License-Identifier: GPL-3.0-or-later
"""Where orders are accepted and followed: to whom, at what rate, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from powernap.config.wake.policy import PolicySettings
from powernap.wake.host import Host
from powernap.wake.orders.delivery import Delivery
from powernap.wake.orders.keeper import Keeper
from powernap.wake.orders.order import Order, Outcome, Result
from powernap.wake.orders.request import MOST_HOSTS, Query, Request
from powernap.wake.presence.presence import Presence
from powernap.wake.refusals import Conflict, Unknown
from powernap.wake.registration import BadBody
from powernap.wake.registry import Record, Registry
from powernap.wake.roster import Roster

_KEPT, _MOST_RESULTS = 200, 100_000
_MOST_RUNNING = 100
_PAGE = 200


class NoOrder(Unknown):
    """An order that is not known, or no longer."""


class TooMany(Conflict):
    """More than can be taken on at once."""


class Dispatcher:
    """Orders are of this run of the daemon: none is taken up again after a restart."""

    def __init__(
        self,
        registry: Registry,
        roster: Roster,
        presence: Presence,
        keeper: Keeper,
        delivery: Delivery,
        note: Callable[[str, str, str], None],
        settings: PolicySettings,
    ) -> None:
        self.settings = settings
        self._registry, self._roster, self._presence = registry, roster, presence
        self._keeper, self._delivery, self._note = keeper, delivery, note
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[tuple[str, str], set[asyncio.Future[None]]] = {}

    async def give(self, request: Request, by: str) -> Order:
        """Begin with it; of a dry run the results are in what is returned. Raises BadBody, TooMany, RegistryError."""
        if not request.dry_run and len(self._tasks) >= _MOST_RUNNING:
            raise TooMany(f"{_MOST_RUNNING} orders are under way: wait until one has ended, or cancel one")
        names = await self._select(request.query)
        order = Order(request, by, {name: Result() for name in names})
        if request.dry_run:
            await self._foresee(order)
            return order
        self._keep(order)
        self._note("", "order", f"{order.id}: {request.verb} by {by}: {len(names)} machines")
        task = asyncio.get_running_loop().create_task(self._run(order))
        self._tasks[order.id] = task
        task.add_done_callback(lambda _task: self._tasks.pop(order.id, None))
        return order

    def get(self, number: str) -> Order:
        """Raises NoOrder."""
        order = self._orders.get(number)
        if order is None:
            raise NoOrder(f"no order {number[:40]} is known: 'powerwake orders' shows the last ones")
        return order

    async def over(self, order: Order, name: str, seconds: float) -> None:
        """Wait until that machine's result is there ("": the whole order's), for so long at most. Raises NoOrder."""
        if name and name not in order.results:
            raise NoOrder(f"order {order.id} is not for {name}: give a machine that it names, or leave it out")
        if order.ended is not None or (name and order.results[name].so_far.is_over) or not seconds:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault((order.id, name), set())
        waiting.add(future)
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get((order.id, name)) is waiting:
                del self._waiting[order.id, name]

    def all(self) -> list[Order]:
        """The newest first."""
        return list(reversed(self._orders.values()))

    def cancel(self, number: str) -> Order:
        """What has not begun does not; what a machine was told stays told. Raises NoOrder."""
        order, task = self.get(number), self._tasks.get(number)
        if task is not None and order.ended is None:
            order.cancelled = True
            task.cancel()
        return order

    def give_up(self) -> None:
        """Let those go who wait for the end of an order: this server stops."""
        for number, name in tuple(self._waiting):
            self._is_over(self._orders[number], name)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # To whom

    async def _select(self, query: Query) -> list[str]:
        if query.hosts:
            found = [name for name in query.hosts if self._is_meant_by_name(name, query)]
        else:
            found = []
            for number, page in enumerate(self._pages()):
                found += [record.name for record in page if self._is_meant(record, query)]
                if number % 5 == 4:
                    await asyncio.sleep(0)
        if len(found) > MOST_HOSTS:
            raise BadBody(
                f"the order is for {len(found)} machines: at most {MOST_HOSTS} at once; give a narrower query"
            )
        return found

    def _pages(self) -> Iterator[list[Record]]:
        after = ""
        while page := self._registry.records(after, _PAGE):
            after = page[-1].name
            yield page

    def _is_meant_by_name(self, name: str, query: Query) -> bool:
        """One that is not registered is told so by its result."""
        record = self._registry.record(name)
        return record is None or self._is_meant(record, query)

    def _is_meant(self, record: Record, query: Query) -> bool:
        if not query.wants(record.name, record.group):
            return False
        if not query.states:
            return True
        host = self._host(record.name)
        return host is not None and self._presence.status(host).condition.value in query.states

    def _host(self, name: str) -> Host | None:
        return self._roster.peek(name)

    # Carried out

    async def _foresee(self, order: Order) -> None:
        keeper = self._keeper.trial()
        for number, name in enumerate(order.results):
            order.results[name] = self._delivery.foresee(name, order.request, keeper)
            if number % _PAGE == _PAGE - 1:
                await asyncio.sleep(0)
        order.ended = time.time()

    async def _run(self, order: Order) -> None:
        request = order.request
        gap = 60 / (request.per_minute or self.settings.orders_per_minute)
        at_once = asyncio.Semaphore(request.at_once or self.settings.orders_at_once)
        tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            for name, result in order.results.items():
                await asyncio.sleep(max(0.0, due - loop.time()))
                # What was late is not caught up with: the rate is one of machines, not of a clock.
                due = max(due, loop.time() - 1.0) + gap
                await at_once.acquire()
                task = loop.create_task(self._one(order, name, result, at_once))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            while tasks:
                await asyncio.wait(set(tasks))
        except asyncio.CancelledError:
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            order.cancelled = True
        finally:
            self._end(order)

    async def _one(self, order: Order, name: str, result: Result, at_once: asyncio.Semaphore) -> None:
        try:
            await self._delivery.carry_out(name, order.request, order.by, result)
        except asyncio.CancelledError:
            result.outcome, result.said = Outcome.CANCELLED, "cancelled while it was under way: it may have been done"
        finally:
            at_once.release()
            self._is_over(order, name)
        said = f": {result.said}" if result.said else ""
        self._note(name, "order", f"{order.id}: {order.request.verb}: {result.outcome.value}{said}")

    def _end(self, order: Order) -> None:
        for result in order.results.values():
            if not result.outcome.is_over:
                result.outcome, result.said = Outcome.CANCELLED, "cancelled before it began"
        order.ended = time.time()
        for _number, name in [each for each in self._waiting if each[0] == order.id]:
            self._is_over(order, name)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in order.counts().items())
        self._note("", "order", f"{order.id}: {order.request.verb}: {order.state}: {counts or 'nobody was meant'}")

    def _is_over(self, order: Order, name: str) -> None:
        for future in self._waiting.pop((order.id, name), ()):
            if not future.done():
                future.set_result(None)

    def _keep(self, order: Order) -> None:
        self._orders[order.id] = order
        kept = sum(len(each.results) for each in self._orders.values())
        for number in [each.id for each in self._orders.values() if each.ended is not None]:
            if len(self._orders) <= _KEPT and kept <= _MOST_RESULTS:
                break
            kept -= len(self._orders.pop(number).results)
