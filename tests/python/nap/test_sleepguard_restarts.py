# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard while logind or the bus restarts."""

from __future__ import annotations

import asyncio
import os

import pytest
from guarded import until, with_guard

from powernap.nap import sleepguard
from powernap.nap.events import Resumed
from powernap.nap.state import Ask


@pytest.mark.parametrize("what", ["restart", "restart_bus"])
@pytest.mark.parametrize("when", ["idle", "ordered", "preparing", "asleep"])
def test_a_restart_at_any_step_leaves_it_awake_connected_and_guarded(root, logind, monkeypatch, what, when):
    logind.sleep_seconds = 0.8 if when == "asleep" else 0.1
    logind.ignores_orders = when == "ordered"

    async def work(guard, owner):
        await until(lambda: logind.delays)
        if when == "preparing":  # the machine waits for us meanwhile
            stuck = asyncio.Event()
            monkeypatch.setattr(owner, "prepare_foreign", lambda _action: stuck.wait())
            monkeypatch.setattr(sleepguard, "FOREIGN_SLEEP_SECONDS", 0.5)
            logind.somebody_suspends()
            await until(lambda: logind.preparing)
        elif when != "idle":
            owner.acting()
            await guard.order("suspend")
        if when == "asleep":
            await until(lambda: "asleep" in logind.history)
        await asyncio.to_thread(getattr(logind, what))
        await until(lambda: guard.logind.connected and not guard.error and logind.delays, "it is not guarded again")
        await until(lambda: not logind.preparing, "the sleep does not end")
        for _ in range(20):  # the daemon's look a minute later
            if owner.state.ask is Ask.ACTING:
                await guard.check()
            await asyncio.sleep(0.01)
        return owner

    owner = with_guard(work, root)
    assert owner.state.ask is Ask.NO
    if when == "ordered":
        assert "nothing came of it" in owner.events[-1].reason
    elif when == "asleep":
        assert isinstance(owner.events[-1], Resumed)


def test_a_hold_that_was_answered_as_the_bus_was_lost_counts_for_nothing(root, logind):
    async def work(guard, _owner):
        await until(lambda: logind.delays)
        await asyncio.to_thread(logind.restart_bus)
        await until(lambda: not guard.logind.connected)
        guard.logind._delay = os.open("/dev/null", os.O_RDONLY)  # the answer of a logind that is gone
        await until(lambda: guard.logind.connected)
        assert logind.delays, "nothing holds sleeps up"

    with_guard(work, root)
