# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap-hands: a real server and a real client on a Unix socket, in this process; and a client that finds nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from powernap.config.sections.powersave import PowersaveSettings
from powernap.machine import containers, hands, rtc, views, wakeupcount
from powernap.machine.hands import HandsError
from powernap.nap import actions, setup
from powernap.nap.actions.by_hands import ByHands
from powernap.nap.hands.means import Means
from powernap.nap.hands.server import Server
from powernap.nap.jobs import JobFiles
from powernap.nap.monitors.by_hands import visible

ME = frozenset({os.getuid()})
CONFIG = """
[nap]
virtualization = "none"
[steps.lamps]
after_seconds = 60
action = "exec"
command = "{program}"
[monitors.work]
kind = "lock"
held = []
exists = ["{folder}/work"]
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Where a configuration is, with a program that notes what it is called with."""
    program = tmp_path / "lamps"
    program.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/called\n')
    program.chmod(0o755)
    (tmp_path / "powernapd.toml").write_text(CONFIG.format(program=program, folder=tmp_path))
    monkeypatch.setattr(hands, "SOCKET", str(tmp_path / "socket"))
    monkeypatch.setattr(hands, "STATE", tmp_path / "state")
    (tmp_path / "state").mkdir()
    return tmp_path


@contextlib.asynccontextmanager
async def serving(site, allowed=None):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(hands.SOCKET)
        listener.listen()
        server = Server(Means(site / "powernapd.toml", site / "state"), allowed or ME)
        task = asyncio.ensure_future(server.serve(listener))
        try:
            yield server
        finally:
            server.end()
            await task
            Path(hands.SOCKET).unlink()


def refused(site, verb, **words):
    """What is said instead of doing it."""

    async def play():
        async with serving(site):
            with pytest.raises(HandsError) as error:
                await hands.asked(verb, **words)
            return str(error.value)

    return asyncio.run(play())


def called(site):
    file = site / "called"
    return file.read_text().split() if file.exists() else []


def action(site, command=""):
    means = actions.Means(None, site, PowersaveSettings(), command=command or str(site / "lamps"))
    return ByHands(means, "exec")


def test_who_is_not_allowed_gets_nothing_whatever_it_asks(site):
    async def play():
        async with serving(site, allowed=frozenset({4711})):
            with pytest.raises(HandsError, match="does nothing for user"):
                await hands.asked("jobs")

    asyncio.run(play())


def test_a_step_of_the_configuration_is_begun_noted_and_ended(site):
    async def play():
        async with serving(site):
            mine = action(site)
            assert not mine.left()
            assert await mine.act() == []
            assert called(site) == ["true"] and mine.left()
            assert await mine.undo() == []
            assert called(site) == ["true", "false"] and not mine.left()

    asyncio.run(play())


def test_the_program_that_drains_is_run_only_as_configured(site):
    async def play():
        async with serving(site):
            means = actions.Means(None, site, PowersaveSettings(), command=str(site / "lamps"))
            with pytest.raises(HandsError, match="no step"):
                await ByHands(means, "drain").act()
            with (site / "powernapd.toml").open("a") as stream:
                stream.write(f'[sleep]\ndrain = "{site}/lamps"\n')
            assert await ByHands(means, "drain").act() == []
            left = ByHands(actions.Means(None, site, PowersaveSettings()), "drain")
            assert left.left() and await left.undo() == [] and not left.left()
            assert called(site) == ["true", "false"]

    asyncio.run(play())


def test_hands_that_die_between_leave_it_noted_and_others_end_it(site):
    async def play():
        async with serving(site):
            await action(site).act()
        async with serving(site):
            await action(site).undo()
        assert called(site) == ["true", "false"]

    asyncio.run(play())


def test_hands_that_are_away_for_a_moment_are_asked_again_to_undo(site):
    async def play():
        async with serving(site):
            await action(site).act()
        undoing = asyncio.ensure_future(action(site).undo())
        await asyncio.sleep(0.1)
        assert called(site) == ["true"]
        async with serving(site):
            assert await undoing == []
        assert called(site) == ["true", "false"]

    asyncio.run(play())


@pytest.mark.parametrize(
    "words",
    [
        {"kind": "exec", "command": "/bin/sh"},
        {"kind": "exec", "command": ["/bin/sh"]},
        {"kind": "suspend"},
        {"kind": "powersave"},
        {"kind": "exec", "profile": "../../etc/passwd"},
    ],
)
def test_what_is_no_step_of_the_configuration_is_not_begun(site, words):
    assert refused(site, "act", **words)
    assert called(site) == []


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("run", {}),
        ("read", {"what": "/etc/shadow"}),
        ("keep", {"what": "server.key_file", "text": "root:x:0:0\n"}),
        ("keep", {"what": "enrolment.token_file", "text": "0" * 64 + "\n"}),
        ("extra", {"monitor": "work"}),
        ("look", {"monitor": "other"}),
        ("look", {"monitor": ["work"]}),
        ("folder", {"name": "proc"}),
        ("folder", {"name": "etc"}),
        ("input", {"node": "event0"}),
        ("warn", {"warning": "wall", "notice": {}}),
        ("order", {"action": "reboot"}),
        ("sleep", {"action": "suspend", "mem_sleep": "x"}),
        ("alarm", {"seconds": "1"}),
        ("alarm-clear", {"others": "1; reboot"}),
        ("wakeup-count", {"count": "-1"}),
        ("wake-switch", {"path": "/etc/passwd"}),
        ("wake-switch", {"path": "/sys/devices/../../etc/power/wakeup"}),
    ],
)
def test_what_the_configuration_does_not_have_is_refused(site, verb, words):
    assert refused(site, verb, **words)


def test_a_monitor_of_the_configuration_is_looked_at(site):
    async def play():
        async with serving(site):
            assert not (await hands.asked("look", monitor="work"))["reading"]["active_now"]
            (site / "work").touch()
            assert (await hands.asked("look", monitor="work"))["reading"]["active_now"]

    asyncio.run(play())


def test_of_a_process_it_is_told_when_it_began_and_whose_it_is(site):
    async def play():
        async with serving(site):
            mine = await hands.asked("process", pid=os.getpid())
            assert (mine["owner"], mine["started"].isdigit()) == (os.getuid(), True)
            none = await hands.asked("process", pid=2**22 + 1)  # more than there can be
            assert (none["owner"], none["started"]) == (-1, "")

    asyncio.run(play())


def test_a_changed_configuration_counts_from_the_next_request_on(site):
    async def play():
        async with serving(site):
            with pytest.raises(HandsError):
                await hands.asked("folder", name="proc")
            with (site / "powernapd.toml").open("a") as stream:
                stream.write('[monitors.sshd]\nkind = "process"\npattern = "sshd"\n')
            folder = (await hands.asked("folder", name="proc")).file()
            assert str(os.getpid()) in {path.name for path in Path(f"/proc/self/fd/{folder}").iterdir()}
            os.close(folder)

    asyncio.run(play())


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"{}\n", b'{"verb": []}\n', b"[" * 60000 + b"\n", b'{"verb": "\xff"}\n']
)
def test_a_line_that_is_no_request_is_answered_and_harms_nobody(site, line):
    async def play():
        async with serving(site):
            reader, writer = await asyncio.open_unix_connection(hands.SOCKET)
            writer.write(line)
            assert b"error" in await asyncio.wait_for(reader.readline(), 20)
            writer.close()
            assert "problems" in await hands.asked("undo", kind="exec")

    asyncio.run(play())


def test_nobody_to_ask_means_no_sleep_and_one_sentence_why(site, monkeypatch):
    monkeypatch.setattr(hands, "needed", lambda: True)
    (site / "sys/class/rtc/rtc0").mkdir(parents=True)
    (site / "sys/class/rtc/rtc0/wakealarm").write_text("")
    with pytest.raises(rtc.NoClock, match=r"powernap-hands.*cannot be asked"):
        rtc.Alarm(site).set(60)
    with pytest.raises(wakeupcount.WakeEvent, match="cannot be asked"):
        wakeupcount.write("1", site)
    with pytest.raises(OSError, match="cannot be asked"):
        views.path("proc")
    with pytest.raises(OSError, match="cannot be asked"):
        containers._told("0" * 64)
    jobs, problems = asyncio.run(JobFiles(site).read(time.time()))
    assert jobs == () and "cannot be asked" in problems[0]
    with pytest.raises(HandsError, match="cannot be asked"):
        asyncio.run(action(site).act())


def test_hands_that_fall_silent_are_waited_for_no_longer_than_said(site):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(hands.SOCKET)
        silent.listen()
        with pytest.raises(HandsError, match=r"no answer for 0\.2 s"):
            hands.ask("jobs", 0.2)
        with pytest.raises(HandsError, match=r"no answer for 0\.2 s"):
            asyncio.run(hands.asked("jobs", 0.2))


def test_monitors_of_files_go_by_hands_only_where_something_is_hidden(site, monkeypatch):
    assert visible(f"{site}/work") and visible(f"{site}/*/x")
    monkeypatch.setattr(os, "access", lambda path, _mode: "hidden" not in str(path))
    (site / "hidden").mkdir()
    assert not visible(f"{site}/hidden/work") and not visible(f"{site}/*/x")
    assert visible(f"{site}/work")
    monkeypatch.setattr(hands, "needed", lambda: True)
    watch = setup.build(setup.load(site / "powernapd.toml")).watch
    _now, (reading,) = asyncio.run(watch.look(time.monotonic))
    assert not reading.active_now and not reading.error
