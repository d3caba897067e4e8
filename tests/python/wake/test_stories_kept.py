# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stories of wakes are told: those under way, those on their way to disk, and the last that are kept there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.python.wake.play import knock
from tests.python.wake.test_story import Loop, played

from powernap.cli.wakecommands.wakes import wakes_text
from powernap.wake import events as ev


def test_the_last_twenty_are_kept_and_a_forgotten_host_has_none(tmp_path: Path) -> None:
    kept: list[int] = []

    async def act(loop: Loop) -> None:
        for _ in range(25):
            loop.asleep()
            loop.wake()
        await loop.notes.close()
        kept.append(len(loop.wakes.stories.of("web1")))
        times = [wake["started"] for wake in loop.wakes.stories.of("web1")]
        assert times == sorted(times, reverse=True)
        assert len(loop.wakes.stories.last(7)) == 7
        loop.wakes.forget("web1")

    assert played(tmp_path, act) == []
    assert kept == [20]


def test_while_it_wakes_the_story_so_far_is_told_and_nothing_is_kept_in_memory_afterwards(tmp_path: Path) -> None:
    async def act(loop: Loop) -> None:
        loop.asleep()
        loop.tell("web1", knock())
        loop.advance(1)
        (wake,) = loop.wakes.stories.of("web1")
        assert wake["result"] == "running" and wake["seconds"] is None and "under way" in wakes_text([wake])
        loop.tell("web1", ev.Hello("resume"))
        loop.advance(10)
        assert not loop.wakes.stories._running

    assert len(played(tmp_path, act)) == 1


def test_a_wake_that_has_just_ended_is_told_before_it_is_on_the_disk_and_once_afterwards(tmp_path: Path) -> None:
    async def act(loop: Loop) -> None:
        stories = loop.wakes.stories
        loop.asleep("web1", "web2")
        for name in ("web1", "web2", "web1"):
            loop.asleep(name)
            loop.wake(name)  # without a turn of the event loop, in which it would be written
        first, second = stories.of("web1")
        assert first["result"] == second["result"] == "woken" and first["started"] > second["started"]
        assert [told["host"] for told in stories.last(50)] == ["web1", "web2", "web1"]
        assert stories.last(1) == [first]
        while stories._unwritten:
            assert len(stories.of("web1")) == 2 and len(stories.last(50)) == 3
            await asyncio.sleep(0)
        assert stories.of("web1") == [first, second]
        loop.asleep("web3")
        loop.wake("web3")
        loop.wakes.forget("web3")
        assert stories.of("web3") == []

    assert len(played(tmp_path, act)) == 2
