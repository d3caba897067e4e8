# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor that does as it is told, and a Daemon in this process that watches nothing else, without logind."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from powernap.nap import setup
from powernap.nap.daemon import Daemon
from powernap.nap.events import GoingToSleep
from powernap.nap.monitors.base import Monitor
from powernap.shared.virtual import Virtualization


class FakeMonitor(Monitor):
    """``active``: something goes on now; ``last``: when something last did (CLOCK_BOOTTIME). It keeps its promises."""

    kind = "fake"
    summary = "does as it is told"
    made: list[FakeMonitor]

    def __init__(self, name, values):
        super().__init__(name, values)
        self.looks: list[float] = []
        self.closed = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.active = False
        self.last: float | None = None
        self.armed = False
        FakeMonitor.made.append(self)

    async def ask(self):
        self.asked = self.active
        await self.answers.wait()

    def look(self, now):
        assert not self.closed, "a look at a monitor that is closed"
        self.looks.append(now)
        return self.reading(active_now=self.asked, calls=True, last_active=now if self.asked else self.last)

    def arm(self):
        self.armed = True

    def disarm(self):
        self.armed = False

    def close(self):
        self.closed = True


class Inside:
    """Starts a Daemon; where nothing else is said, with 300 s of idle time."""

    def __init__(self, folder):
        self._folder = folder

    @asynccontextmanager
    async def __call__(self, text="[nap]\nabsent_seconds = 300\n"):
        path = self._folder / "powernapd.toml"
        path.write_text(text + '[monitors.fake]\nkind = "process"\npattern = "x"\n')
        parts = setup.build(setup.load(path))
        made = Daemon(parts, path, self._folder, Virtualization("none", "none", "the test"))
        await made.start()
        await until(lambda: FakeMonitor.made[0].looks)
        try:
            yield made, FakeMonitor.made[0]
        finally:
            await made.stop()


def free(daemon, monkeypatch):
    """Let nobody forbid a sleep, and every sleep be prepared; return the times at which one was ordered."""
    slept = []

    async def nobody(*_):
        return ()

    async def at_once(*_):
        return None

    async def act(effect):
        slept.append(daemon.state.now)
        daemon.tell(GoingToSleep())

    monkeypatch.setattr(daemon.guard, "held", nobody)
    monkeypatch.setattr(daemon.guard, "check", at_once)
    monkeypatch.setattr(daemon.guard, "begin_commit", at_once)
    monkeypatch.setattr(daemon._preparation, "prepare", at_once)
    monkeypatch.setattr(daemon._doing, "act", act)
    return slept


async def until(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")
