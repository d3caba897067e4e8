# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit monitor: the kernel's control groups with real processes; systemd's word from a fake on a real bus."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from attached import attached, is_called
from fake_service import FakeService, nobody
from real_cgroups import groups, settle

from powernap.machine import clocks
from powernap.nap.monitors.unit import UnitMonitor
from powernap.nap.sources import Sources
from powernap.shared.errors import PowernapError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    nobody(monkeypatch, tmp_path)
    with groups(tmp_path) as made:
        yield made


def unit(tree, *names, **more):
    return UnitMonitor("work", {"units": names, **more}, tree.root)


def test_a_service_with_a_process_is_active_and_named(tree):
    tree.run("system.slice/backup.service")
    reading = unit(tree, "backup").look(clocks.now())
    assert reading.active_now and reading.detail == "backup.service runs"


def test_a_service_without_a_process_is_idle(tree):
    tree.make("system.slice/backup.service")
    reading = unit(tree, "backup").look(clocks.now())
    assert reading.last_active is None and reading.detail == "backup.service: does not run"


def test_a_unit_that_does_not_exist_yet_is_idle_and_said_so(tree):
    reading = unit(tree, "backup").look(clocks.now())
    assert reading.last_active is None and reading.detail == "backup.service: no such unit is loaded"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("backup@*.service", "system.slice/system-backup.slice/backup@home.service"),
        ("session-*.scope", "user.slice/user-1000.slice/session-3.scope"),
        ("build.slice", "build.slice/cc.service"),
        ("cpu.service", "system.slice/_cpu.service"),  # escaped, for the kernel's files begin with "cpu."
    ],
)
def test_templates_scopes_slices_and_escaped_names_match(tree, pattern, path):
    tree.run(path)
    assert unit(tree, pattern).look(clocks.now()).active_now
    assert not unit(tree, f"x{pattern}").look(clocks.now()).active_now


def test_units_of_users_count_only_where_asked_for(tree):
    tree.run("user.slice/user-1000.slice/user@1000.service/app.slice/render.service")
    assert not unit(tree, "render").look(clocks.now()).active_now
    assert unit(tree, "render", user_units=True).look(clocks.now()).active_now


def test_the_end_of_the_last_process_calls_and_is_the_last_activity(tree):
    first, second = (tree.run("system.slice/backup.service") for _ in range(2))
    monitor = unit(tree, "backup")

    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            tree.end(first)
            await settle()
            assert not called.is_set()
            tree.end(second)
            ended = clocks.now()
            await is_called(called)
            reading = monitor.look(clocks.now() + 10)
            assert not reading.active_now and abs(reading.last_active - ended) < 1

    asyncio.run(run())


def test_a_service_that_is_removed_while_it_runs_calls(tree):
    """systemd removes the group of a service that ended."""
    sleeper = tree.run("system.slice/backup.service")
    monitor = unit(tree, "backup")

    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            tree.end(sleeper)
            tree.remove("system.slice/backup.service")
            await is_called(called)
            assert not monitor.look(clocks.now()).active_now

    asyncio.run(run())


def test_of_two_units_the_end_of_the_last_calls_even_if_it_began_later(tree):
    first = tree.run("system.slice/a@1.service")
    monitor = unit(tree, "a@*")

    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            second = tree.run("system.slice/a@2.service")
            tree.end(first)
            await settle()
            assert not called.is_set()
            tree.end(second)
            await is_called(called)

    asyncio.run(run())


@pytest.mark.parametrize("path", ["system.slice/backup.service", "new.slice/new-er.slice/backup.service"])
def test_an_armed_monitor_is_called_by_the_first_process(tree, path):
    tree.make("system.slice/other.service")
    monitor = unit(tree, "backup")

    async def run():
        async with attached(monitor) as called:
            assert not monitor.look(clocks.now()).calls
            monitor.arm()
            assert monitor.look(clocks.now()).calls
            tree.run("system.slice/other.service")
            await settle()
            assert not called.is_set()
            tree.run(path)
            await is_called(called)
            assert monitor.look(clocks.now()).active_now

    asyncio.run(run())


def test_a_disarmed_monitor_is_not_called(tree):
    monitor = unit(tree, "backup")

    async def run():
        async with attached(monitor) as called:
            monitor.arm()
            monitor.disarm()
            tree.run("system.slice/backup.service")
            await settle()
            assert not called.is_set()

    asyncio.run(run())


def test_without_units_it_says_what_to_write():
    with pytest.raises(PowernapError, match="name at least one unit"):
        UnitMonitor("work", {"units": ()})


class FakeUnits:
    """``units``: name to (ActiveState, SubState, seconds of CLOCK_MONOTONIC when it ended)."""

    def __init__(self, units) -> None:
        self.units = units

    def __call__(self, path, member, body):
        names = list(self.units)
        if member == "ListUnitsByPatterns":
            entries = [
                (name, "", "loaded", *self.units[name][:2], "", f"/unit/{number}", 0, "", "/")
                for number, name in enumerate(names)
            ]
            return "a(ssssssouso)", (entries,)
        return "v", (("t", int(self.units[names[int(path.rsplit("/", 1)[1])]][2] * 1e6)),)


def with_systemd(folder, monkeypatch, monitor, units):
    service = FakeService(folder, "org.freedesktop.systemd1", FakeUnits(units))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", service.address)

    async def run():
        sources = Sources()
        monitor.attach(asyncio.get_running_loop(), lambda: None, sources)
        try:
            await monitor.ask()
            return monitor.look(clocks.now())
        finally:
            sources.close()

    try:
        return asyncio.run(run())
    finally:
        service.close()


def test_a_unit_that_ended_between_two_looks_is_remembered_by_systemd(tree, monkeypatch):
    ended = time.monotonic() - 7
    units = {"backup.service": ("inactive", "dead", ended)}
    before = clocks.now()
    reading = with_systemd(tree.root, monkeypatch, unit(tree, "backup"), units)
    assert not reading.active_now and reading.detail == "backup.service ended"
    assert abs(reading.last_active - (before - 7)) < 2


def test_a_service_that_only_remains_active_after_its_exit_is_idle(tree, monkeypatch):
    units = {"setup.service": ("active", "exited", 0)}
    assert not with_systemd(tree.root, monkeypatch, unit(tree, "setup"), units).active_now


def test_a_mount_has_no_group_and_is_asked_of_systemd(tree, monkeypatch):
    units = {"srv-backup.mount": ("active", "mounted", 0)}
    reading = with_systemd(tree.root, monkeypatch, unit(tree, "srv-backup.mount"), units)
    assert reading.active_now and not reading.calls and reading.source == "systemd"


def test_without_control_groups_of_version_2_systemd_is_asked(tmp_path, monkeypatch):
    monitor = UnitMonitor("work", {"units": ("backup",)}, tmp_path)  # an empty tree
    reading = with_systemd(tmp_path, monkeypatch, monitor, {"backup.service": ("activating", "start", 0)})
    assert reading.active_now and reading.detail == "backup.service runs"


def test_without_control_groups_and_systemd_it_fails_with_a_remedy(tmp_path, monkeypatch):
    nobody(monkeypatch, tmp_path)
    monitor = UnitMonitor("work", {"units": ("backup",)}, tmp_path)

    async def run():
        with pytest.raises(PowernapError, match=r"systemctl start dbus\.socket"):
            await monitor.ask()

    asyncio.run(run())


def test_whatever_comes_and_goes_no_end_and_no_beginning_is_missed(tree):
    """What is believed changes by calls only; after each change it must be the truth."""
    chance = random.Random(21)
    paths = ["system.slice/job@1.service", "system.slice/job@2.service", "new.slice/job@3.service"]
    monitor = unit(tree, "job@*")

    async def run():
        async with attached(monitor) as called:
            monitor.arm()
            sleepers = []
            believed = monitor.look(clocks.now())
            for step in range(150):
                for _ in range(chance.choice((1, 1, 2, 3))):
                    if sleepers and chance.random() < 0.55:
                        sleeper, path = sleepers.pop(chance.randrange(len(sleepers)))
                        tree.end(sleeper)
                        if chance.random() < 0.5 and all(other != path for _sleeper, other in sleepers):
                            tree.remove(path)
                    else:
                        path = chance.choice(paths)
                        sleepers.append((tree.run(path), path))
                    if chance.random() < 0.3:
                        await asyncio.sleep(0)
                deadline = time.monotonic() + 10
                while believed.active_now != bool(sleepers):
                    assert believed.calls, f"step {step}: it will not be called"
                    try:
                        await asyncio.wait_for(called.wait(), deadline - time.monotonic())
                    except asyncio.TimeoutError:
                        pytest.fail(f"step {step}: {believed.detail}, but {len(sleepers)} run: the call is missing")
                    called.clear()
                    believed = monitor.look(clocks.now())
                if called.is_set():
                    called.clear()
                    believed = monitor.look(clocks.now())

    asyncio.run(run())
