# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard where powernap-hands must be asked: a fake one in the same event loop, which answers only if that runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest
from guarded import until, with_guard

from powernap.config.sections.sleep import SleepSettings
from powernap.machine import hands
from powernap.shared.errors import PowernapError

SETTINGS = SleepSettings(max_sleep_seconds=3600, min_sleep_seconds=0)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.setattr(hands, "SOCKET", str(tmp_path / "hands"))
    monkeypatch.setattr(hands, "needed", lambda: True)
    return []


@contextlib.asynccontextmanager
async def fake_hands(asked, before_answer=None):
    async def converse(reader, writer):
        request = json.loads(await reader.readline())
        asked.append(request)
        if before_answer is not None:
            before_answer(request)
        writer.write(json.dumps({"how": "the clock", "others": ""}).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(converse, hands.SOCKET)
    try:
        yield
    finally:
        server.close()


def said(asked):
    return [(request["verb"], request.get("forget", False)) for request in asked]


def test_the_event_loop_runs_on_while_powernap_hands_sets_clock_and_count(root, no_bus, asked):
    async def work(guard, _owner):
        async with fake_hands(asked):
            await guard.held("suspend", False)
            for _ in range(2):
                await guard.begin_commit()
                await guard.commit("suspend")
                guard._two_phase.abandon()
            await until(lambda: len(asked) == 7)
        return guard.alarms.due

    assert with_guard(work, root, SETTINGS, start=False) is not None
    sleep = [("alarm", False), ("wakeup-count", False), ("wakeup-count", True)]
    assert said(asked) == [*sleep, ("alarm-clear", False), *sleep]


def test_a_count_is_forgotten_before_the_next_sleep_gives_its_own_back(root, no_bus, asked):
    async def work(guard, _owner):
        async with fake_hands(asked):
            await guard.begin_commit()
            guard._two_phase.abandon()
            await guard.begin_commit()
            await guard.commit("suspend")

    with_guard(work, root, SleepSettings(min_sleep_seconds=0), start=False)
    assert said(asked) == [("wakeup-count", True), ("wakeup-count", False)]


def test_a_sleep_that_somebody_else_brought_about_meanwhile_is_not_followed_by_ours(root, no_bus, asked):
    async def work(guard, owner):
        def resumed(request):
            if request["verb"] == "wakeup-count" and not request.get("forget"):
                owner.state = replace(owner.state, attempt=owner.state.attempt + 1)

        owner.acting()
        async with fake_hands(asked, resumed):
            await guard.begin_commit()
            with pytest.raises(PowernapError, match="somebody else put the machine to sleep"):
                await guard.commit("suspend")
            await until(lambda: len(asked) == 2)

    with_guard(work, root, SleepSettings(min_sleep_seconds=0), start=False)
    assert said(asked) == [("wakeup-count", False), ("wakeup-count", True)]
