# SPDX-License-Identifier: GPL-3.0-or-later
"""The real tuned and power-profiles-daemon on a private bus; both change nothing of this machine here.

tuned has profiles without content, on a file system of its own over /etc/tuned, and power-profiles-daemon its own fake
driver; polkit is a fake.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_logind import CONFIG
from fake_service import connected

from powernap.machine.dbus import Bus, BusError
from powernap.nap.powersave.journal import Journal
from powernap.nap.powersave.profiles import TUNED, Profiles

DAEMON = "/usr/libexec/power-profiles-daemon"
PPD = ("net.hadess.PowerProfiles", "/net/hadess/PowerProfiles", "net.hadess.PowerProfiles")
PREPARE_TUNED = """
mount -t tmpfs none /etc/tuned
for profile in ours theirs other; do mkdir /etc/tuned/$profile; echo '[main]' >/etc/tuned/$profile/tuned.conf; done
printf 'reapply_sysctl = 0\\ndynamic_tuning = 0\\n' >/etc/tuned/tuned-main.conf
echo theirs >/etc/tuned/active_profile
echo manual >/etc/tuned/profile_mode
exec tuned --no-socket
"""


class PrivateBus:
    """A bus and the daemons on it."""

    def __init__(self, folder):
        config = folder / "bus.conf"
        config.write_text(CONFIG.format(path=folder / "bus"))
        self.address = f"unix:path={folder}/bus"
        self.log = (folder / "log").open("w")
        self.processes = []
        self.start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
        connected(self.address).close()

    def start(self, *argv, **environment):
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address, **environment}
        process = subprocess.Popen(argv, env=environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def ready(self, name):
        self.until(lambda: asyncio.run(_has(name)))

    @staticmethod
    def until(condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                self.end(process)
        self.log.close()


async def _has(name):
    try:
        bus = Bus()
    except BusError:
        return False
    try:
        (there,) = await bus.call(("org.freedesktop.DBus", "/", "org.freedesktop.DBus"), "NameHasOwner", "s", (name,))
        return there
    finally:
        bus.close()


@pytest.fixture
def bus(tmp_path, monkeypatch):
    made = PrivateBus(tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    made.close()


@pytest.fixture
def tuned(bus):
    if shutil.which("tuned") is None:
        pytest.skip("tuned is not installed: apt-get install tuned")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("a file system over /etc/tuned needs root and a mount namespace")
    bus.start("unshare", "-m", "sh", "-c", PREPARE_TUNED)
    bus.ready("com.redhat.tuned")
    bus.until(lambda: asyncio.run(profile()) == "theirs")
    return bus


@pytest.fixture
def ppd(bus):
    if not Path(DAEMON).exists():
        pytest.skip("power-profiles-daemon is not installed: apt-get install power-profiles-daemon")
    bus.start(sys.executable, str(Path(__file__).with_name("fake_polkit.py")))
    bus.ready("org.freedesktop.PolicyKit1")
    bus.daemon = bus.start(DAEMON, POWER_PROFILE_DAEMON_FAKE_DRIVER="1")
    bus.ready(PPD[0])
    return bus


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "state" / "powersave.journal")


async def profile():
    bus = Bus()
    try:
        return (await bus.call(TUNED, "active_profile"))[0]
    finally:
        bus.close()


async def switch(name):
    bus = Bus()
    try:
        await bus.call(TUNED, "switch_profile", "s", (name,))
    finally:
        bus.close()


async def active(prop="ActiveProfile"):
    bus = Bus()
    try:
        return await bus.get(PPD, prop)
    finally:
        bus.close()


async def take(profiles):
    await profiles.survey()
    return await profiles.take()


async def give_back(profiles, journal):
    entries, problems = journal.read()
    settled = set()
    problems += await profiles.give_back(entries, settled)
    journal.replace(entry for place, entry in enumerate(entries) if place not in settled)
    return problems


def test_tuned_switches_and_back(tuned, journal):
    async def nap():
        profiles = Profiles("auto", "ours", journal)
        assert await take(profiles) == []
        assert [tuner.name for tuner in profiles.running] == ["tuned"]
        assert profiles.note == "tuned saves power with its profile ours"
        assert await profile() == "ours"
        assert await give_back(profiles, journal) == []
        assert await profile() == "theirs"

    asyncio.run(nap())


def test_after_a_kill_and_even_a_reboot_tuned_gets_its_profile_back(tuned, journal):
    """Unlike the kernel, tuned remembers its profile across boots."""

    async def nap():
        await take(Profiles("auto", "ours", journal))
        lines = journal.file.read_text().splitlines(keepends=True)
        journal.file.write_text("".join('{"boot": "another"}\n' if '"boot"' in line else line for line in lines))
        assert await give_back(Profiles("auto", "ours", journal), journal) == []
        assert await profile() == "theirs"

    asyncio.run(nap())


def test_a_profile_that_somebody_else_chose_meanwhile_is_left(tuned, journal):
    async def nap():
        profiles = Profiles("auto", "ours", journal)
        await take(profiles)
        await switch("other")
        assert await give_back(profiles, journal) == [
            "tuned: somebody switched to the profile 'other' meanwhile: left so"
        ]
        assert await profile() == "other"

    asyncio.run(nap())


def test_tuned_without_such_a_profile_is_told_and_stays_as_it_was(tuned, journal):
    async def nap():
        profiles = Profiles("auto", "nonsense", journal)
        (problem,) = await take(profiles)
        assert "it does not switch to 'nonsense'" in problem
        assert await give_back(profiles, journal) == []
        assert await profile() == "theirs"

    asyncio.run(nap())


def test_knobs_that_tuned_manages_are_left_to_it(tuned, journal):
    foreign = asyncio.run(Profiles("knobs", "ours", journal).survey())
    assert {"governor", "laptop-mode"} <= set(foreign)
    assert asyncio.run(take(Profiles("knobs", "ours", journal))) == []
    assert asyncio.run(profile()) == "theirs"


def test_when_tuned_is_gone_its_profile_is_put_back_another_time(tuned, journal):
    async def nap():
        await take(Profiles("auto", "ours", journal))
        tuned.end(tuned.processes[-1])
        (problem,) = await give_back(Profiles("auto", "ours", journal), journal)
        assert "tuned's profile 'theirs' is not put back" in problem
        assert journal.file.exists()

    asyncio.run(nap())


def test_power_profiles_daemon_holds_and_lets_go(ppd, journal):
    async def nap():
        profiles = Profiles("auto", "ours", journal)
        assert await take(profiles) == []
        assert profiles.note == "power-profiles-daemon holds power-saver"
        assert await active() == "power-saver"
        assert await give_back(profiles, journal) == []
        assert await active() == "balanced"
        assert not journal.file.exists(), "there is nothing to remember: the hold ends with us"

    asyncio.run(nap())


def test_who_comes_after_a_change_of_the_configuration_lets_go(ppd, journal):
    async def nap():
        assert await take(Profiles("auto", "ours", journal)) == []
        assert await give_back(Profiles("knobs", "ours", journal), journal) == []
        assert await active() == "balanced"

    asyncio.run(nap())


def test_the_hold_ends_by_itself_when_we_die(ppd, journal):
    async def held():
        assert await take(Profiles("auto", "ours", journal)) == []
        assert await active() == "power-saver"
        os.kill(os.getpid(), signal.SIGKILL)

    child = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(held()))
    child.start()
    child.join(10)
    assert child.exitcode == -signal.SIGKILL, "it did not come as far as the hold"
    ppd.until(lambda: asyncio.run(active()) == "balanced")


def test_a_restart_of_power_profiles_daemon_meanwhile_does_no_harm(ppd, journal):
    async def nap():
        profiles = Profiles("auto", "ours", journal)
        assert await take(profiles) == []
        await asyncio.to_thread(ppd.end, ppd.daemon)
        ppd.start(DAEMON, POWER_PROFILE_DAEMON_FAKE_DRIVER="1")
        await asyncio.to_thread(ppd.until, lambda: asyncio.run(_has(PPD[0])))
        assert await give_back(profiles, journal) == []
        assert await active() == "balanced"

    asyncio.run(nap())


def test_a_tuner_that_is_asked_for_but_does_not_run_is_told(bus, journal):
    for backend in ("tuned", "power-profiles-daemon"):
        (problem,) = asyncio.run(take(Profiles(backend, "ours", journal)))
        assert problem.startswith(f"{backend} does not save power: ")


def test_where_no_tuner_runs_nothing_is_foreign(bus, journal):
    profiles = Profiles("auto", "ours", journal)
    assert asyncio.run(profiles.survey()) == ()
    assert profiles.chosen() == "knobs"
    assert asyncio.run(profiles.take()) == []
