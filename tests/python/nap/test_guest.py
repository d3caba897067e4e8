# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest monitor: a real QEMU where there is one; libvirt's files are written as libvirt does."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from attached import attached, is_called

from powernap.machine import clocks
from powernap.machine.guests import Guest, guests
from powernap.nap.monitors.guest import GuestMonitor

STATUS = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE.
-->
<domstatus state='{state}' reason='booted' pid='{process}'>
  <taint flag='custom-argv'/>
  <monitor path='/var/lib/libvirt/qemu/domain-1-{name}/monitor.sock' type='unix'/>
  <domain type='kvm' id='1'>
    <name>{name}</name>
    <metadata><other>x</other></metadata>
  </domain>
</domstatus>
"""


@pytest.fixture
def libvirt(tmp_path):
    """Says what libvirt would of a guest."""
    folder = tmp_path / "run/libvirt/qemu"
    folder.mkdir(parents=True)
    (tmp_path / "proc").mkdir()

    def say(name, state="running", process=1):
        (folder / f"{name}.xml.new").write_text(STATUS.format(name=name, state=state, process=process))
        (folder / f"{name}.xml.new").rename(folder / f"{name}.xml")
        return tmp_path

    return say


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_running_guest_of_libvirt_is_active_and_named(libvirt):
    reading = GuestMonitor("guests", {}, libvirt("web&amp;db")).look(clocks.now())
    assert reading.active_now and reading.detail == "web&db (running) runs"


@pytest.mark.parametrize("state", ["paused", "pmsuspended", "crashed", "shutoff"])
def test_a_guest_that_is_paused_is_idle_unless_told_otherwise(libvirt, state):
    root = libvirt("web", state)
    assert not GuestMonitor("guests", {}, root).look(clocks.now()).active_now
    assert GuestMonitor("guests", {"states": (state,)}, root).look(clocks.now()).active_now


def test_guests_can_be_chosen_and_ignored(libvirt):
    root = libvirt("web")
    assert not GuestMonitor("guests", {"ignore": ("w*",)}, root).look(clocks.now()).active_now
    assert not GuestMonitor("guests", {"names": ("db",)}, root).look(clocks.now()).active_now
    assert GuestMonitor("guests", {"names": ("web",)}, root).look(clocks.now()).active_now


def watched(monitor, change, after=lambda: None):
    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            await asyncio.sleep(0.05)
            assert not called.is_set()
            change()
            await is_called(called)
            after()
            return monitor.look(clocks.now())

    return asyncio.run(run())


def test_a_guest_that_is_paused_calls(libvirt, sleeper):
    monitor = GuestMonitor("guests", {}, libvirt("web", process=sleeper.pid))
    reading = watched(monitor, lambda: libvirt("web", "paused", sleeper.pid))
    assert not reading.active_now and reading.last_active == pytest.approx(clocks.now(), abs=1)


def test_the_end_of_a_guests_process_calls(libvirt, sleeper, tmp_path):
    monitor = GuestMonitor("guests", {}, libvirt("web", process=sleeper.pid))
    reading = watched(monitor, sleeper.kill, (tmp_path / "run/libvirt/qemu/web.xml").unlink)
    assert not reading.active_now


def test_an_armed_monitor_is_called_by_a_guest_that_starts_where_only_libvirt_counts(libvirt, sleeper):
    root = libvirt("web", "paused")
    monitor = GuestMonitor("guests", {"processes": False}, root)
    monitor.arm()  # before there is an event loop: nothing to be called on
    assert not monitor.look(clocks.now()).calls
    assert watched(monitor, lambda: libvirt("web", process=sleeper.pid)).active_now


def test_a_guest_whose_process_libvirt_does_not_say_is_looked_at(libvirt):
    monitor = GuestMonitor("guests", {}, libvirt("web", process=0))

    async def run():
        monitor.attach(asyncio.get_running_loop(), lambda: None)
        reading = monitor.look(clocks.now())
        assert reading.active_now and not reading.calls

    asyncio.run(run())


@pytest.mark.parametrize("words", [["-name", "guest=vm7,debug-threads=on"], ["-name", "vm7"]])
def test_a_qemu_that_libvirt_does_not_know_is_seen_by_its_process(words):
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        pytest.skip("this machine has no qemu-system-x86_64")
    options = ["-S", "-display", "none", "-machine", "none", "-nodefaults", *words]
    process = subprocess.Popen([qemu, *options])
    try:
        deadline = time.monotonic() + 10
        wanted = Guest("vm7", "running", process.pid)
        while wanted not in guests(Path("/")) and time.monotonic() < deadline:
            time.sleep(0.05)
        monitor = GuestMonitor("guests", {"names": ("vm7",)})
        reading = watched(monitor, process.kill, process.wait)
        assert not reading.active_now
        assert guests(Path("/"), processes=False) == []
    finally:
        process.kill()
        process.wait()


def test_a_process_of_another_name_is_no_guest(tmp_path):
    for number, comm in ((1, "qemu-img"), (2, "qemu-ga"), (3, "kvm-nx-lpage-re"), (4, "firecracker")):
        folder = tmp_path / f"proc/{number}"
        folder.mkdir(parents=True)
        (folder / "comm").write_text(comm + "\n")
        (folder / "cmdline").write_text("x\0--id\0box1\0")
    assert guests(tmp_path) == [Guest("box1", "running", 4)]


def test_an_unreadable_file_of_libvirt_is_a_failure(libvirt, tmp_path):
    libvirt("web")
    (tmp_path / "run/libvirt/qemu/web.xml").unlink()
    (tmp_path / "run/libvirt/qemu/web.xml").mkdir()
    with pytest.raises(OSError, match="directory"):
        GuestMonitor("guests", {}, tmp_path).look(clocks.now())


def descriptors():
    return sum(1 for _entry in Path("/proc/self/fd").iterdir())


def test_no_descriptor_is_left_behind(libvirt, sleeper):
    before = descriptors()
    monitor = GuestMonitor("guests", {}, libvirt("web", process=sleeper.pid))

    async def run():
        monitor.attach(asyncio.get_running_loop(), lambda: None)
        within = descriptors()
        for _ in range(20):
            monitor.look(clocks.now())
        assert descriptors() == within + 2  # a process and the files
        monitor.close()

    asyncio.run(run())
    assert descriptors() == before
