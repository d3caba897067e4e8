# SPDX-License-Identifier: GPL-3.0-or-later
"""That a canary failed is known of that machine as long as it is registered, under whatever name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.python.wake.test_registry import enrol

from powernap.wake.enrol.changes import Rename
from powernap.wake.orders.marks import CanaryMarks
from powernap.wake.registry import Journal, Registry
from powernap.wake.registry.changes import Forget

Story = Callable[[Journal, CanaryMarks], Awaitable[None]]


def after(path: Path, story: Story) -> tuple[CanaryMarks, CanaryMarks]:
    """The marks of a daemon whose web1 failed, when the story is over, and those of the daemon that comes after it."""

    async def play() -> CanaryMarks:
        registry = Registry(str(path))
        journal, marks = Journal(registry), CanaryMarks(registry, Journal(registry))
        await journal.commit(enrol())
        await marks.fail("web1", 1.0, "it did not wake")
        await story(journal, marks)
        await journal.close()
        return marks

    marks = asyncio.run(play())
    registry = Registry(str(path))
    return marks, CanaryMarks(registry, Journal(registry))


def test_it_goes_with_the_machine_that_is_forgotten(tmp_path: Path) -> None:
    async def forgotten(journal: Journal, marks: CanaryMarks) -> None:
        assert await journal.commit(Forget("web1"))
        marks.forget("web1")
        await journal.commit(enrol())

    for marks in after(tmp_path / "registry.sqlite", forgotten):
        assert marks.failed("web1") is None


def test_it_stays_with_the_machine_that_is_renamed(tmp_path: Path) -> None:
    async def renamed(journal: Journal, marks: CanaryMarks) -> None:
        assert await journal.commit(Rename("web1", "shop"))
        marks.rename("web1", "shop")

    for marks in after(tmp_path / "registry.sqlite", renamed):
        assert marks.failed("web1") is None
        assert marks.failed("shop") == {"at": 1.0, "why": "it did not wake"}
