# SPDX-License-Identifier: GPL-3.0-or-later
"""The action powersave on a machine made of files; its parts have tests of their own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import replace

import pytest

from powernap.config.sections.powersave import PowersaveSettings
from powernap.machine import outside
from powernap.nap.actions import ActionError, Means
from powernap.nap.actions import powersave as module
from powernap.nap.actions.powersave import Powersave
from powernap.nap.powersave import check, scripts
from powernap.nap.powersave.media import MEDIA


@pytest.fixture(autouse=True)
def no_system_bus(monkeypatch, tmp_path):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    monkeypatch.setattr(outside, "SYSTEMD", tmp_path / "nothing")


@pytest.fixture
def means(tmp_path):
    governor = tmp_path / "root/sys/devices/system/cpu/cpufreq/policy0"
    governor.mkdir(parents=True)
    (governor / "scaling_governor").write_text("schedutil\n")
    (governor / "scaling_available_governors").write_text("schedutil powersave performance\n")
    boot = tmp_path / "root/proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("first\n")
    return Means(None, tmp_path / "state", PowersaveSettings(), root=tmp_path / "root")


def governor(means):
    return (means.root / "sys/devices/system/cpu/cpufreq/policy0/scaling_governor").read_text().strip()


def script(means, name, text):
    folder = means.root / "etc/powernap/action.d"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def by_us(action):
    """Scripts of a test belong to whoever runs it."""
    action._scripts = scripts.Scripts(action._journal, 5, action.means.root, os.geteuid())
    return action


def test_it_is_taken_back_exactly(means):
    async def nap():
        action = Powersave(means)
        assert await action.act() == []
        assert governor(means) == "powersave"
        assert await action.undo() == []
        assert governor(means) == "schedutil"

    asyncio.run(nap())


def test_after_a_kill_the_next_start_puts_it_back(means):
    asyncio.run(Powersave(means).act())
    assert asyncio.run(Powersave(means).undo()) == []  # another process: it knows only the journal
    assert governor(means) == "schedutil"


def test_acting_twice_remembers_the_first_values(means):
    async def naps():
        action = Powersave(means)
        await action.act()
        await action.act()
        await action.undo()

    asyncio.run(naps())
    assert governor(means) == "schedutil"


def test_where_the_journal_cannot_be_written_nothing_is_touched(means):
    means.state_dir.parent.joinpath("state").write_text("a file where the directory should be")
    with pytest.raises(ActionError, match="knobs are left alone"):
        asyncio.run(Powersave(means).act())
    assert governor(means) == "schedutil"


def test_undoing_nothing_does_nothing(means):
    assert asyncio.run(Powersave(means).undo()) == []


def test_knobs_that_are_excepted_are_left_alone(means):
    means = replace(means, powersave=PowersaveSettings(except_knobs=("gov*",)))
    asyncio.run(Powersave(means).act())
    assert governor(means) == "schedutil"


def test_activity_does_not_wait_for_a_slow_script_and_finds_the_knobs_back_at_once(means, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.2)
    log = means.root / "log"
    script(means, "slow", f'echo $1 >> {log}; [ "$1" = false ] || exec sleep 30')

    async def nap():
        action = by_us(Powersave(means))
        assert await action.act() == []
        begun = time.monotonic()
        undoing = asyncio.ensure_future(action.undo())
        while governor(means) != "schedutil" and time.monotonic() - begun < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert time.monotonic() - begun < 15
        assert await undoing == []
        assert time.monotonic() - begun < 20

    asyncio.run(nap())
    assert log.read_text().split() == ["true", "false"], "it was cut off, and told so by its call with false"


def test_it_is_settled_when_the_scripts_that_go_on_beside_are_done_or_cut_off(means, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    log = means.root / "log"
    script(means, "slow", f'[ "$1" = false ] || sleep 0.5; echo $1 >> {log}')

    async def nap():
        action = by_us(Powersave(means))
        await action.settled()
        await action.act()
        assert not log.exists()
        await action.settled()
        assert log.read_text() == "true\n"
        await action.act()
        waiting = asyncio.ensure_future(action.settled())
        await action.undo()
        await asyncio.wait_for(waiting, 2)

    asyncio.run(nap())


def test_a_script_that_hangs_in_the_recovery_holds_nothing_up_for_ever(means, monkeypatch):
    monkeypatch.setattr(module, "REST_SECONDS", 0.3)
    script(means, "hangs", '[ "$1" = true ] || exec sleep 30')

    async def nap():
        action = by_us(Powersave(means))
        assert await action.act() == []
        (problem,) = await action.undo()
        assert "the scripts of action.d are not all back" in problem
        assert governor(means) == "schedutil"
        script(means, "hangs", "true")
        assert await action.undo() == [], "it is tried again"
        assert not (means.state_dir / module.JOURNAL).exists()

    asyncio.run(nap())


class Hanging:
    """A fake driver: the write to one knob hangs until it is let go."""

    def __init__(self):
        self.go_on = threading.Event()

    def read(self, path):
        return path.read_text().strip()

    def write(self, path, value):
        if "scaling_governor" in str(path) and value == "powersave":
            self.go_on.wait(20)
        path.write_text(value)


def test_a_driver_that_hangs_holds_neither_the_nap_nor_the_recovery_up(means, monkeypatch):
    hanging = Hanging()
    monkeypatch.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": hanging})
    monkeypatch.setattr(module, "KNOBS_SECONDS", 0.3)
    later = means.root / "proc/sys/vm/laptop_mode"  # turned after the governor
    later.parent.mkdir(parents=True)
    later.write_text("0")

    async def nap():
        action = Powersave(means)
        assert await action.act() == ["the knobs are not all down after 0.3 s"]
        (problem,) = await action.undo()
        assert problem.endswith("scaling_governor: its driver hangs: put back at the next nap or start")
        hanging.go_on.set()
        await asyncio.sleep(0.3)
        assert later.read_text() == "0", "what hung does not go on after the recovery"
        assert governor(means) == "powersave"
        assert await action.undo() == []
        assert governor(means) == "schedutil"

    asyncio.run(nap())


def test_who_comes_after_a_change_of_the_configuration_takes_back_what_goes_on(means, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    log = means.root / "log"
    script(means, "slow", f'echo $1 >> {log}; [ "$1" = false ] || exec sleep 30')

    async def nap():
        await by_us(Powersave(means)).act()
        begun = time.monotonic()
        assert await by_us(Powersave(means)).undo() == []
        assert time.monotonic() - begun < 20
        assert log.read_text().split() == ["true", "false"]

    asyncio.run(nap())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"knobs": ("*", "gouvernor")}, "there is no knob 'gouvernor'; did you mean governor?"),
        ({"values": ("governor",)}, "'governor' gives no value"),
        ({"values": ("gov=1",)}, "there is no knob 'gov'"),
        ({"services": ("ssh",)}, "ssh.service is never stopped"),
        ({"services": ("systemd-networkd.service",)}, "never stopped"),
        ({"services": ("powernapd",)}, "never stopped"),
        ({"modules": ("e1000e.ko",)}, "'e1000e.ko' is no name of a kernel module"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(settings, sentence):
    ((key, text),) = check.problems(PowersaveSettings(**settings))
    assert [key] == list(settings)
    assert sentence in text


def test_a_right_section_has_no_problems():
    settings = PowersaveSettings(knobs=("*", "smt"), values=("governor=conservative",), services=("cups",))
    assert list(check.problems(settings)) == []
