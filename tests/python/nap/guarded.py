# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard with a FakeOwner in the daemon's place, and a machine's tree to sleep in."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from powernap.config.sections.inhibitors import InhibitorSettings
from powernap.config.sections.sleep import SleepSettings
from powernap.machine import clocks
from powernap.nap.events import GoingToSleep
from powernap.nap.policy import Policy, Step
from powernap.nap.sleepguard import SleepGuard
from powernap.nap.state import Ask, Phase, begin


class FakeOwner:
    """Stands in for the daemon: notes what it is told, and follows with the engine's state."""

    def __init__(self) -> None:
        self.policy = Policy((Step(60.0, "suspend"),))
        self.state = begin(clocks.now())
        self.events: list = []
        self.prepared: list[str] = []
        self.looks = 0
        self.tasks: list[asyncio.Task] = []

    def acting(self) -> None:
        self.state = replace(self.state, ask=Ask.ACTING, phase=Phase.SUSPENDING, attempt=1)

    def tell(self, event) -> None:
        self.events.append(event)
        if isinstance(event, GoingToSleep):
            self.state = replace(self.state, ask=Ask.ACTING, phase=Phase.ASLEEP)
        else:
            self.state = replace(self.state, ask=Ask.NO, phase=Phase.AWAKE)

    def look_soon(self) -> None:
        self.looks += 1

    async def prepare_foreign(self, action: str) -> None:
        self.prepared.append(action)

    def spawn(self, work) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]


def write(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def with_guard(work, root, sleep=None, inhibitors=None, start=True):
    """Run ``work(guard, owner)`` with a guard that is connected, and give everything back."""

    async def run():
        owner = FakeOwner()
        guard = SleepGuard(owner, root)
        config = SimpleNamespace(sleep=sleep or SleepSettings(), inhibitors=inhibitors or InhibitorSettings())
        guard.adopt(config, root)
        if start:
            await guard.start()
        try:
            return await asyncio.wait_for(work(guard, owner), 20)
        finally:
            guard.close()
            for task in owner.tasks:
                task.cancel()

    return asyncio.run(run())


async def until(condition, complaint="it does not happen", seconds=40.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.01)
