# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's own clockwork, in this process, with a monitor that does as it is told. No logind: it stays awake."""

from __future__ import annotations

import asyncio

import pytest
from fake_monitor import FakeMonitor, until

from powernap.machine import clocks, sdnotify
from powernap.nap import report
from powernap.nap import running as running_module
from powernap.nap.state import Ask


def test_a_call_that_comes_while_a_look_waits_for_answers_is_answered_by_another_look(running):
    """The monitor answers "active", which ends before the look does: nobody would ever look again."""

    async def play():
        async with running() as (daemon, monitor):
            monitor.active = True
            monitor.answers.clear()
            look = asyncio.ensure_future(daemon.look())
            await asyncio.sleep(0.05)
            monitor.active = False
            monitor.call()
            monitor.answers.set()
            await look
            assert daemon.state.look_at is None  # active, and the monitor promised to call: it has
            looks = len(monitor.looks)
            await until(lambda: len(monitor.looks) > looks)
            assert daemon.state.look_at is not None

    asyncio.run(play())


def test_a_plan_of_the_engine_never_puts_off_a_call(running):
    async def play():
        async with running() as (daemon, monitor):
            monitor.call()
            called = daemon.looks.called_for
            daemon.recover()
            daemon.tell(running_module.Recover("again"))
            assert called is not None and daemon.looks.called_for == called
            looks = len(monitor.looks)
            await until(lambda: len(monitor.looks) > looks)

    asyncio.run(play())


def test_an_effect_that_fails_takes_no_other_with_it(running, monkeypatch):
    async def play():
        async with running() as (daemon, monitor):
            monkeypatch.setattr(daemon, "_record", lambda _cause: 1 / 0)
            monkeypatch.setattr(daemon, "_announce", lambda *_: 1 / 0)
            daemon.recover()
            looks = len(monitor.looks)
            await until(lambda: len(monitor.looks) > looks)
            assert daemon.looks.running

    asyncio.run(play())


def test_after_a_look_that_runs_into_a_defect_there_is_another(running, monkeypatch):
    async def play():
        async with running() as (daemon, monitor):
            monkeypatch.setattr(running_module, "RESCUE_SECONDS", 0.05)
            real, failed = daemon._parts.watch.look, []

            async def broken(clock):
                failed.append(clock())
                if len(failed) == 1:
                    raise RuntimeError("a defect")
                return await real(clock)

            monkeypatch.setattr(daemon._parts.watch, "look", broken)
            looks = len(monitor.looks)
            daemon.look_soon()
            await until(lambda: len(monitor.looks) > looks)

    asyncio.run(play())


def test_a_reload_waits_for_the_look_that_goes_on(running):
    async def play():
        async with running() as (daemon, monitor):
            monitor.answers.clear()
            look = asyncio.ensure_future(daemon.look())
            await asyncio.sleep(0.02)
            reload = asyncio.ensure_future(daemon.reload())
            await until(lambda: len(FakeMonitor.made) == 2)
            await asyncio.sleep(0.2)
            assert not monitor.closed
            monitor.answers.set()
            await asyncio.gather(look, reload)
            assert monitor.closed
            await until(lambda: FakeMonitor.made[1].looks)

    asyncio.run(play())


@pytest.mark.parametrize("machine", ["none", "container"])
def test_a_reload_is_recorded_once_with_what_follows_by_the_new_configuration(running, machine):
    async def play():
        async with running(f'[nap]\nvirtualization = "{machine}"\nabsent_seconds = 300\n') as (daemon, _monitor):
            daemon._path.write_text(daemon._path.read_text().replace("300", "200"))
            await daemon.reload()
            await until(lambda: FakeMonitor.made[-1].looks)
            before = len(daemon.decisions.all())
            daemon._path.write_text(daemon._path.read_text().replace("200", "100"))
            await daemon.reload()
            await until(lambda: FakeMonitor.made[-1].looks)
            (record,) = daemon.decisions.all()[before:]
            assert record["cause"] == "the configuration was read again"
            assert record["deadline_seconds"] == (pytest.approx(100, abs=1) if machine == "none" else None)

    asyncio.run(play())


def test_who_cannot_be_asked_forbids_the_sleep(running, monkeypatch):
    async def play():
        async with running("[nap]\nabsent_seconds = 1\ngrace_seconds = 0\n") as (daemon, _monitor):

            async def broken(*_):
                raise RuntimeError("a defect")

            monkeypatch.setattr(daemon.guard, "held", broken)
            await until(lambda: daemon.state.phase.value == "held")
            assert "cannot be found out: a defect" in daemon.state.reason

    asyncio.run(play())


def test_a_look_before_the_order_to_sleep_is_taken_judges_nothing(running, monkeypatch):
    """Such as while the last undo of powersave still goes on, or logind asks polkit."""

    async def play():
        quiet = "[nap]\nabsent_seconds = 1\ngrace_seconds = 0\n"
        async with running(quiet + "[sleep]\nwakeup_count = false\nmin_sleep_seconds = 0\n") as (daemon, _monitor):
            taken = asyncio.Event()

            async def nobody(*_):
                return ()

            monkeypatch.setattr(daemon.guard, "held", nobody)
            monkeypatch.setattr(daemon._preparation, "prepare", nobody)
            monkeypatch.setattr(daemon.guard, "order", lambda _action: taken.wait())
            await until(lambda: daemon.state.ask is Ask.ACTING)
            await daemon.look()
            assert daemon.state.ask is Ask.ACTING, daemon.state.reason
            taken.set()
            await asyncio.sleep(0.05)
            await daemon.look()
            assert "nothing came of it" in daemon.state.reason

    asyncio.run(play())


def test_the_watchdog_waits_for_the_next_look_and_costs_no_wakeup(running, monkeypatch):
    said = []
    monkeypatch.setenv("WATCHDOG_USEC", "600000000")
    monkeypatch.setattr(sdnotify, "notify", lambda *lines: said.extend(lines))

    async def play():
        async with running() as (daemon, monitor):
            last = [line for line in said if line.startswith("WATCHDOG_USEC=")][-1]
            wait = daemon.state.look_at - clocks.now()
            assert int(last.partition("=")[2]) == pytest.approx((wait + 600) * 1e6, abs=1e6)
            monitor.active = True
            await daemon.look()  # active until it calls: no look is planned
            assert said[-1] == f"WATCHDOG_USEC={2**64 - 1}"
            monitor.active = False
            looks = len(monitor.looks)
            monitor.call()
            await until(lambda: len(monitor.looks) > looks)
            assert said[-1] != f"WATCHDOG_USEC={2**64 - 1}"

    asyncio.run(play())


def test_what_is_to_be_known_of_the_power_saving_is_among_the_notes_of_status(running):
    async def play():
        async with running() as (daemon, _monitor):
            daemon._doing.action("powersave").profiles.note = "tuned saves power"
            assert "tuned saves power" in report.status(daemon.situation())["notes"]

    asyncio.run(play())
