# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitors of batch jobs and printing: spools laid out as each system does; Slurm's groups are the kernel's own."""

from __future__ import annotations

import asyncio
import struct

import pytest
from attached import attached, is_called
from real_cgroups import groups, settle

from powernap.machine import clocks
from powernap.nap.monitors.jobs import JobsMonitor
from powernap.nap.monitors.printing import PrintMonitor


def put(root, path):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).touch()
    return root / path


@pytest.mark.parametrize(
    "path",
    [
        "var/spool/slurmd/job00123",
        "var/spool/slurmd/node1_123.4294967291",
        "var/lib/slurm/slurmd/job00123",
        "sys/fs/cgroup/freezer/slurm/uid_1000/job_123",
        "var/spool/cron/atjobs/=0000a01c2f3b8",
        "var/spool/at/=0000a01c2f3b8",
        "var/spool/pbs/mom_priv/jobs/12.server.JB",
        "var/lib/condor/execute/dir_4711",
        "var/spool/gridengine/execd/node1/active_jobs/7.1",
    ],
)
def test_a_running_job_of_each_system_is_seen(tmp_path, path):
    file = put(tmp_path, path)
    reading = JobsMonitor("batch", {}, tmp_path).look(100.0)
    assert reading.active_now and file.name in reading.detail


@pytest.mark.parametrize(
    "path",
    [
        "var/spool/cron/atjobs/a0000a01c2f3b8",  # waits for its time
        "var/spool/cron/atjobs/.SEQ",
        "var/spool/slurmd/cred_state",
        "var/spool/slurmd/hwloc_topo_whole.xml",
        "var/spool/pbs/mom_priv/jobs/12.server.SC",
    ],
)
def test_what_waits_or_is_no_job_is_idle(tmp_path, path):
    put(tmp_path, path)
    assert JobsMonitor("batch", {}, tmp_path).look(100.0).last_active is None


def test_only_the_named_systems_count_and_others_can_be_added(tmp_path):
    put(tmp_path, "var/spool/at/=1")
    put(tmp_path, "srv/farm/running/7")
    assert not JobsMonitor("batch", {"systems": ("slurm",)}, tmp_path).look(100.0).active_now
    values = {"systems": ("slurm",), "files": ("/srv/farm/running/*",)}
    assert JobsMonitor("batch", values, tmp_path).look(100.0).detail == "job 7 runs"


@pytest.fixture
def tree(tmp_path):
    with groups(tmp_path) as made:
        yield made


def test_slurms_jobs_are_control_groups_whose_end_calls(tree):
    sleeper = tree.run("system.slice/slurmstepd.scope/job_123/step_0/user/task_0")
    tree.run("system.slice/slurmstepd.scope/system")
    monitor = JobsMonitor("batch", {}, tree.root)

    async def run():
        async with attached(monitor) as called:
            reading = monitor.look(clocks.now())
            assert reading.calls and reading.detail == "slurm job 123 runs"
            tree.end(sleeper)
            await is_called(called)
            assert not monitor.look(clocks.now()).active_now

    asyncio.run(run())


def test_groups_of_another_system_count_where_named(tree):
    tree.run("system.slice/gitlab-job-7.scope")
    assert JobsMonitor("batch", {"groups": ("gitlab-job-*",)}, tree.root).look(clocks.now()).active_now
    assert not JobsMonitor("batch", {}, tree.root).look(clocks.now()).active_now


def test_the_end_of_a_job_of_at_calls_and_the_beginning_of_the_next_one_does_when_armed(tmp_path):
    file = put(tmp_path, "var/spool/at/=1")
    monitor = JobsMonitor("batch", {}, tmp_path)

    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            file.unlink()
            await is_called(called)
            called.clear()
            monitor.arm()
            assert monitor.look(clocks.now()).calls
            waiting = put(tmp_path, "var/spool/at/a2")
            await settle()
            assert not called.is_set()
            waiting.rename(tmp_path / "var/spool/at/=2")
            await is_called(called)
            assert monitor.look(clocks.now()).active_now

    asyncio.run(run())


def attribute(tag, name, value):
    return bytes([tag]) + struct.pack(">H", len(name)) + name + struct.pack(">H", len(value)) + value


def ipp(state):
    """As CUPS saves a job: an IPP message, RFC 8010, with groups of attributes."""
    uri = attribute(0x45, b"job-printer-uri", b"ipp://localhost/printers/paper")
    attributes = attribute(0x21, b"job-id", b"\0\0\0\x0c") + uri
    attributes += attribute(0x23, b"job-state", struct.pack(">i", state)) + attribute(0x41, b"job-name", b"j.txt")
    return b"\x02\x00\x00\x00\x00\x00\x00\x01\x02" + attributes + b"\x03"


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "var/spool/cups"
    folder.mkdir(parents=True)

    def save(state, name="c00012"):
        (folder / f"{name}.N").write_bytes(ipp(state))
        (folder / f"{name}.N").rename(folder / name)  # as CUPS replaces its files
        return tmp_path

    return save


@pytest.mark.parametrize(("state", "text"), [(3, "pending"), (5, "processing")])
def test_a_job_that_waits_or_is_printed_is_active(spool, state, text):
    reading = PrintMonitor("paper", {}, spool(state)).look(100.0)
    assert reading.active_now and reading.detail == f"job 12 ({text}) runs"


@pytest.mark.parametrize("state", [4, 6, 7, 8, 9])
def test_a_job_that_is_held_stopped_or_over_is_idle(spool, state):
    assert not PrintMonitor("paper", {}, spool(state)).look(100.0).active_now


@pytest.mark.parametrize(("queue", "active"), [("paper", False), ("other", True)])
def test_a_job_that_waits_for_a_printer_that_is_stopped_is_idle(spool, queue, active):
    root = spool(3)
    (root / "etc/cups").mkdir(parents=True)
    printers = f"<Printer first>\nState Idle\n</Printer>\n<DefaultPrinter {queue}>\nState Stopped\n</DefaultPrinter>\n"
    (root / "etc/cups/printers.conf").write_text(printers)
    assert PrintMonitor("paper", {}, root).look(100.0).active_now is active
    spool(5)
    assert PrintMonitor("paper", {}, root).look(100.0).active_now


def test_states_can_be_chosen(spool):
    assert PrintMonitor("paper", {"states": ("held",)}, spool(4)).look(100.0).active_now


def test_the_end_of_printing_calls(spool):
    monitor = PrintMonitor("paper", {}, spool(5))

    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            spool(9)
            await is_called(called)
            assert not monitor.look(clocks.now()).active_now
            called.clear()
            monitor.arm()
            spool(3, "c00013")
            await is_called(called)
            assert monitor.look(clocks.now()).detail == "job 13 (pending) runs"

    asyncio.run(run())


def test_a_machine_without_cups_prints_nothing(tmp_path):
    assert PrintMonitor("paper", {}, tmp_path).look(100.0).detail == "CUPS does not run here"
