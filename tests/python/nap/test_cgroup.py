# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitors of a control group's use, against the running kernel; io.stat is a file of the test's own."""

from __future__ import annotations

import time

import pytest
from real_cgroups import groups

from powernap.machine import clocks
from powernap.nap.monitors.cgroup import CgroupMonitor
from powernap.nap.monitors.cgroup_io import CgroupIoMonitor
from powernap.shared.errors import PowernapError


@pytest.fixture
def tree(tmp_path):
    with groups(tmp_path) as made:
        yield made


def test_a_group_that_computes_is_active_and_one_that_sleeps_is_not(tree):
    tree.run("machine.slice/busy.scope", "sh", "-c", "while :; do :; done")
    tree.run("machine.slice/idle.scope")
    busy = CgroupMonitor("work", {"groups": ("busy.scope",), "threshold": 2}, tree.root)
    idle = CgroupMonitor("work", {"groups": ("idle.scope",), "threshold": 2}, tree.root)
    for monitor in (busy, idle):
        assert not monitor.look(clocks.now()).last_active
    time.sleep(1.5)
    reading = busy.look(clocks.now())
    assert reading.last_active and reading.value > 2 and reading.threshold == 2 and reading.unit == "%"
    assert reading.detail.startswith("machine.slice/busy.scope ")
    assert not idle.look(clocks.now()).last_active


def test_a_pattern_with_a_slash_is_a_path(tree):
    tree.make("a.slice/x.service")
    tree.make("b.slice/x.service")
    monitor = CgroupMonitor("work", {"groups": ("b.slice/*",)}, tree.root)
    assert list(monitor.counters()) == ["b.slice/x.service"]
    assert len(CgroupMonitor("work", {"groups": ("x.service",)}, tree.root).counters()) == 2


def test_a_group_that_does_not_exist_is_idle_and_said_so(tree):
    reading = CgroupMonitor("work", {"groups": ("none.scope",)}, tree.root).look(clocks.now())
    assert not reading.last_active and reading.detail == "no control group none.scope"


def fake_group(root, text):
    group = root / "sys/fs/cgroup/system.slice/db.service"
    group.mkdir(parents=True)
    (root / "sys/fs/cgroup/cgroup.controllers").write_text("io\n")
    if text is not None:
        (group / "io.stat").write_text(text)
    return group / "io.stat"


def test_io_is_the_sum_of_what_was_read_and_written_on_all_disks(tmp_path):
    stat = fake_group(tmp_path, "8:0 rbytes=1000 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n")
    monitor = CgroupIoMonitor("work", {"groups": ("db.service",), "threshold": 100}, tmp_path)
    monitor.look(100.0)
    stat.write_text("8:0 rbytes=2000 wbytes=500 rios=1 wios=0 dbytes=9 dios=0\n8:16 rbytes=1000 wbytes=0\n")
    reading = monitor.look(110.0)
    assert reading.last_active == 110.0 and reading.value == 250.0


def test_where_nobody_counts_io_it_says_what_to_do(tmp_path):
    fake_group(tmp_path, None)
    with pytest.raises(OSError, match="IOAccounting=yes"):
        CgroupIoMonitor("work", {"groups": ("db.service",)}, tmp_path).look(100.0)


def test_without_version_2_it_says_what_to_do(tmp_path):
    with pytest.raises(OSError, match=r"systemd\.unified_cgroup_hierarchy=1"):
        CgroupMonitor("work", {"groups": ("db.service",)}, tmp_path).look(100.0)


def test_no_group_is_refused():
    with pytest.raises(PowernapError, match="groups is empty"):
        CgroupMonitor("work", {"groups": ()})
