# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of 20 ms between two looks, against the real kernel: by eBPF, by the proc connector, by neither."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from powernap.machine import clocks, ebpf_assembler, ledgers, portfilter, portledger, procconnector
from powernap.nap.monitors.process import ProcessMonitor
from powernap.nap.sources import Sources

#: The ledgers count the processes of the whole machine.
pytestmark = pytest.mark.alone

JOB = f"pnjob{os.getpid()}"


def ledger_or_skip():
    try:
        ledgers.ProcessLedger().close()
    except OSError as error:
        pytest.skip(f"no eBPF ledger here: {error}")


def connector_or_skip():
    async def open_and_close():
        procconnector.ProcConnector(asyncio.get_running_loop(), lambda pid: None, lambda: None).close()

    try:
        asyncio.run(open_and_close())
    except OSError as error:
        pytest.skip(f"no proc connector here: {error}")


@pytest.fixture
def program(tmp_path):
    """A program of an own name that runs for as many seconds as it is told."""
    path = tmp_path / JOB
    shutil.copy(shutil.which("sleep"), path)
    return str(path)


def run(*command):
    subprocess.run(command, check=True, timeout=20)


def run_job(program, seconds="0.02"):
    run(program, seconds)


class FakeSources(Sources):
    """Sources of a machine where the kernel refuses eBPF."""

    def process_book(self):
        raise PermissionError(errno.EPERM, "Operation not permitted")


def with_monitor(work, sources=None, **values):
    """Run ``work(monitor, calls)`` with an attached monitor of the job's name."""

    async def watch():
        calls = []
        shared = sources or Sources()
        monitor = ProcessMonitor("job", {"pattern": rf"(^|/){JOB}\b", **values})
        monitor.attach(asyncio.get_running_loop(), lambda: calls.append(clocks.now()), shared)
        try:
            return await work(monitor, calls)
        finally:
            monitor.close()
            shared.close()

    return asyncio.run(watch())


async def beside(program, seconds="0.02"):
    """Run the job while the event loop serves."""
    job = await asyncio.create_subprocess_exec(program, seconds)
    assert await asyncio.wait_for(job.wait(), 20) == 0


async def look(monitor):
    await monitor.ask()
    return monitor.look(clocks.now())


def test_the_ledger_sees_60_of_60_short_processes_without_a_wakeup(program):
    ledger_or_skip()

    async def work(monitor, calls):
        seen = 0
        assert (await look(monitor)).last_active is None
        for _turn in range(60):
            run_job(program)
            ended = clocks.now()
            reading = await look(monitor)
            seen += ended - 0.02 < reading.last_active <= ended
        assert "eBPF ledger of names" in reading.source
        assert reading.detail == f"{JOB} began or ended"
        assert not reading.counts and calls == []
        return seen

    assert with_monitor(work) == 60


def test_the_proc_connector_sees_60_of_60_short_processes(program):
    connector_or_skip()

    async def work(monitor, calls):
        seen = 0
        for _turn in range(60):
            began = clocks.now()
            await beside(program)
            reading = await look(monitor)
            seen += reading.last_active is not None and reading.last_active >= began
            await asyncio.sleep(0.05)  # a patient rate: more are not looked at one by one
        assert "proc connector (no eBPF: Operation not permitted)" in reading.source
        return seen

    assert with_monitor(work, FakeSources()) == 60


def test_with_neither_the_reading_says_what_is_missed():
    class NoConnector(FakeSources):
        def executions(self, loop):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    async def work(monitor, calls):
        return await look(monitor)

    source = with_monitor(work, NoConnector()).source
    assert "none of what runs between looks" in source
    assert "Operation not permitted" in source and "Connection refused" in source


def test_the_end_of_a_process_that_ran_between_two_looks_is_its_last_activity(program):
    ledger_or_skip()

    async def work(monitor, calls):
        await look(monitor)
        run_job(program, "0.5")
        ended = clocks.now()
        await asyncio.sleep(1)
        assert (await look(monitor)).last_active == pytest.approx(ended, abs=0.7)

    with_monitor(work)


def test_the_proc_connector_holds_what_still_runs_until_its_end(program):
    connector_or_skip()

    async def work(monitor, calls):
        await look(monitor)
        await beside(program, "0.5")
        ended = clocks.now()
        await asyncio.sleep(0.3)
        assert (await look(monitor)).last_active > ended - 0.4  # later where others' processes are too short to read

    with_monitor(work, FakeSources())


def test_a_process_that_renamed_itself_is_known_by_its_first_name():
    ledger_or_skip()
    script = "import time; open('/proc/self/comm', 'w').write('other'); time.sleep(0.3)"

    async def work(monitor, calls):
        ledger = monitor.sources.process_book()
        python = Path(sys.executable).resolve()
        run(str(python), "-I", "-S", "-c", script)
        ended = clocks.now()
        stamps = {each.comm: each.last for each in ledger.read(ended)[0]}
        assert stamps[python.name[:15]] == pytest.approx(ended, abs=0.25)
        assert "other" not in stamps

    with_monitor(work)


def test_only_the_named_user_counts_for_short_processes_too(program):
    ledger_or_skip()

    async def work(monitor, calls):
        run_job(program)
        return (await look(monitor)).last_active

    assert with_monitor(work, user=str(os.getuid())) is not None
    assert with_monitor(work, user="nobody") is None


def test_short_processes_may_be_left_out(program):
    async def work(monitor, calls):
        run_job(program)
        return await look(monitor)

    reading = with_monitor(work, short_lived=False)
    assert reading.last_active is None and reading.source == "one pass of /proc"


def test_a_storm_of_other_processes_does_not_lose_the_match(program):
    ledger_or_skip()

    async def work(monitor, calls):
        await look(monitor)
        run_job(program)
        ended = clocks.now()
        for _turn in range(10):
            run("bash", "-c", "for ((i = 0; i < 100; i++)); do /bin/true; done")
        assert (await look(monitor)).last_active == pytest.approx(ended, abs=0.5)

    with_monitor(work)


def test_more_names_than_the_ledger_keeps_count_as_activity(monkeypatch):
    ledger_or_skip()
    monkeypatch.setattr(ledgers, "MOST_NEW_NAMES", 20)

    async def work(monitor, calls):
        await look(monitor)
        await asyncio.sleep(0.05)
        await look(monitor)
        script = 'for i in {1..50}; do (echo -n "pn$i" > /proc/$BASHPID/comm; exit); done'
        run("bash", "-c", script)
        reading = await look(monitor)
        assert reading.last_active == pytest.approx(clocks.now(), abs=2)
        assert "new names" in reading.detail

    with_monitor(work)


def test_a_storm_makes_the_proc_connector_stop_and_counts_as_activity_until_the_next_look(monkeypatch):
    connector_or_skip()
    monkeypatch.setattr(procconnector, "BURST", 50)
    monkeypatch.setattr(procconnector, "A_SECOND", 300.0)  # others' processes shall not count as a storm

    async def work(monitor, calls):
        await look(monitor)
        storm = await asyncio.create_subprocess_exec("bash", "-c", "for ((i = 0; i < 400; i++)); do /bin/true; done")
        await storm.wait()
        await asyncio.sleep(0.1)
        reading = await look(monitor)
        assert "not each could be looked at" in reading.detail
        assert reading.last_active == pytest.approx(clocks.now(), abs=2)
        for _turn in range(20):  # programs that others on this machine begin count as well, and the budget is used up
            before = reading
            await asyncio.sleep(0.5)
            reading = await look(monitor)
            if reading.last_active == before.last_active or "not each could be looked at" not in reading.detail:
                return
        pytest.fail("it did not begin anew")

    with_monitor(work, FakeSources())


def test_an_armed_monitor_calls_when_a_matching_process_begins_and_only_then(program):
    connector_or_skip()

    async def work(monitor, calls):
        await look(monitor)
        monitor.arm()
        assert (await look(monitor)).calls
        await beside("/bin/true", "x")
        await asyncio.sleep(0.05)
        assert calls == []
        began = clocks.now()
        await beside(program, "1.5")
        assert calls and calls[0] - began < 1, "it is called at the beginning, not at the end"
        monitor.disarm()
        assert not (await look(monitor)).calls

    with_monitor(work)


def test_what_ran_between_the_look_and_the_arming_calls_at_once(program):
    ledger_or_skip()

    async def work(monitor, calls):
        await look(monitor)
        run_job(program)
        monitor.arm()
        assert len(calls) == 1

    with_monitor(work)


def without(*capabilities, before=()):
    """Run a monitor in a process without these rights; return what it says. ``before``: a command to run it by."""
    if os.geteuid() != 0 or shutil.which("capsh") is None:
        pytest.skip("taking rights away needs root and capsh")
    code = (
        "import asyncio\n"
        "from powernap.nap.monitors.process import ProcessMonitor\n"
        "async def run():\n"
        "    monitor = ProcessMonitor('x', {'pattern': 'nothing-like-it'})\n"
        "    monitor.attach(asyncio.get_running_loop(), lambda: None)\n"
        "    print(monitor.look(1.0).source)\n"
        "asyncio.run(run())\n"
    )
    drop = "--drop=" + ",".join(capabilities)
    command = [*before, "capsh", drop, "--shell=" + sys.executable, "--", "-c", code]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_the_right_to_ebpf_the_proc_connector_takes_over_and_is_named():
    connector_or_skip()
    said = without("cap_bpf", "cap_sys_admin", "cap_perfmon")
    assert said == "one pass of /proc, proc connector (no eBPF: Operation not permitted)"


def test_in_a_network_namespace_without_the_right_only_looks_remain_and_are_named():
    said = without("cap_bpf", "cap_sys_admin", "cap_perfmon", before=("unshare", "--net"))
    assert said.startswith(
        "one pass of /proc, none of what runs between looks (no eBPF: Operation not permitted; no proc"
    )


def test_a_kernel_without_the_tracepoint_says_so():
    ledger_or_skip()
    with pytest.raises(OSError, match="no tracepoint pn_no_such"):
        ledgers.ProcessLedger(("pn_no_such", "sched_process_exit"))


def test_a_kernel_that_cannot_stamp_by_the_clock_that_counts_sleep_stamps_by_the_other(monkeypatch, program):
    ledger_or_skip()
    monkeypatch.setattr(ebpf_assembler, "KTIME_GET_BOOT_NS", 9999)  # as before Linux 5.8
    ports = portledger.KernelPorts([portfilter.Traffic(socket.IPPROTO_UDP, ((53, 53),))])
    ledger = ledgers.ProcessLedger()
    try:
        assert not ports.boottime and not ledger.boottime
        run_job(program)
        (stamp,) = [name.last for name in ledger.names() if name.comm == JOB]
        assert stamp == pytest.approx(clocks.now(), abs=2)
    finally:
        ledger.close()
        ports.close()


def test_a_containers_namespace_of_processes_has_no_ledger():
    if os.geteuid() != 0:
        pytest.skip("making a namespace needs root")
    code = "from powernap.machine import ledgers; ledgers.ProcessLedger()"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=20,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        check=False,
    )
    assert "in a container's namespace of processes" in done.stderr


def test_the_ledger_is_read_quickly():
    ledger_or_skip()
    ledger = ledgers.ProcessLedger()
    try:
        for number in range(2000):
            key = ledgers.KEY.pack(f"name{number}".encode(), 0)
            ledger._names.update(key, ledgers.STAMP.pack(time.time_ns()))
        began = time.process_time()
        assert len(ledger.names()) >= 2000
        assert time.process_time() - began < 0.1
    finally:
        ledger.close()
