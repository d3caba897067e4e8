# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import time

from powernap.wake.timers import Timers


def run(story) -> list[str]:
    called: list[str] = []

    async def body() -> None:
        timers = Timers(time.monotonic, called.append)
        await story(timers, time.monotonic())
        timers.close()

    asyncio.run(body())
    return called


def test_deadlines_come_in_their_order_whatever_the_order_they_were_set_in() -> None:
    async def story(timers: Timers, now: float) -> None:
        for name, delay in (("c", 0.06), ("a", 0.02), ("b", 0.04), ("never", float("inf"))):
            timers.set(name, now + delay)
        await asyncio.sleep(0.1)

    assert run(story) == ["a", "b", "c"]


def test_a_deadline_set_anew_replaces_the_one_before() -> None:
    async def story(timers: Timers, now: float) -> None:
        timers.set("earlier", now + 5)
        timers.set("earlier", now + 0.01)
        timers.set("later", now + 0.01)
        timers.set("later", now + 5)
        timers.set("gone", now + 0.01)
        timers.set("gone", float("inf"))
        await asyncio.sleep(0.05)

    assert run(story) == ["earlier"]


def test_a_deadline_that_is_over_comes_at_once_and_once() -> None:
    async def story(timers: Timers, now: float) -> None:
        timers.set("a", now - 1)
        await asyncio.sleep(0.02)

    assert run(story) == ["a"]


def test_one_that_is_always_due_does_not_starve_the_loop() -> None:
    async def body() -> int:
        count = 0

        def due(name: str) -> None:
            nonlocal count
            count += 1
            timers.set(name, time.monotonic() - 1)

        timers = Timers(time.monotonic, due)
        timers.set("a", 0.0)
        await asyncio.sleep(0.02)
        timers.close()
        return count

    assert asyncio.run(body()) > 0


def test_deadlines_that_may_be_late_are_met_together_and_none_is_early() -> None:
    met: list[tuple[str, float]] = []

    async def body() -> None:
        now = time.monotonic()
        timers = Timers(time.monotonic, lambda name: met.append((name, time.monotonic() - now)))
        for number in range(8):
            timers.set(str(number), now + 0.001 * number, late=0.2)
        await asyncio.sleep(0.5)
        timers.close()

    asyncio.run(body())
    assert sorted(name for name, _at in met) == [str(number) for number in range(8)]
    assert all(at >= 0.001 * int(name) for name, at in met)
    turns = [round(at, 2) for _name, at in met]
    assert len(set(turns)) <= 3, "they fall on one multiple of 0.2 s, or on two"


def test_what_is_learnt_first_may_put_off_what_would_be_due() -> None:
    called: list[str] = []

    async def body() -> None:
        def first() -> None:
            called.append("first")
            timers.set("answered", time.monotonic() + 5)

        timers = Timers(time.monotonic, called.append, first)
        timers.set("answered", time.monotonic() + 0.02)
        timers.set("silent", time.monotonic() + 0.02)
        await asyncio.sleep(0.1)
        timers.close()

    asyncio.run(body())
    assert called == ["first", "silent"]


def test_a_fault_in_what_is_learnt_first_does_not_stop_the_time() -> None:
    called: list[str] = []

    async def body() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, found: called.append(str(found["exception"])))

        def first() -> None:
            raise ValueError("a defect")

        timers = Timers(time.monotonic, called.append, first)
        timers.set("a", time.monotonic() + 0.01)
        await asyncio.sleep(0.05)
        timers.close()

    asyncio.run(body())
    assert called == ["a", "a defect"]
