# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab leaves nothing behind, however it ends, and does not meet another one."""

import contextlib
import json
import math
import os
import pathlib
import signal
import time

import pytest
from ansible_collections.powernap.lab.plugins.module_utils.client import Lab
from ansible_collections.powernap.lab.plugins.module_utils.errors import LabError

TOPOLOGY = "[hosts.solo]\nnumber = 3\n[hosts.peer]\nnumber = 4\n"
SYSCTLS = ("fs/inotify", "kernel/keys", "net/ipv4/neigh/default", "user")


@pytest.fixture
def second(lab, tmp_path):
    """Another lab beside that of the session, with an address that the other uses too."""
    (tmp_path / "two.toml").write_text(TOPOLOGY)
    folder = pathlib.Path(f"/run/powernap-lab-second-{os.getpid()}")
    yield lambda: Lab.up(tmp_path / "two.toml", folder)
    Lab(folder).down()


def machine():
    """What a lab might leave on the machine that is there for everybody to see."""
    settings = {}
    for folder in SYSCTLS:
        for path in sorted(pathlib.Path("/proc/sys", folder).iterdir()):
            with contextlib.suppress(OSError):
                settings[str(path)] = path.read_text()
    mounts = [line.split(" ", 3)[3] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "settings": settings,
        "mounts": sorted(mounts),
        "links": sorted(path.name for path in pathlib.Path("/sys/class/net").iterdir()),
    }


def namespaces(until=math.inf):
    """Every namespace that some process is in, as the kernel names them. Only of processes that began before until, a
    time of CLOCK_BOOTTIME: the kernel gives the name of one that is gone to the next that somebody makes."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            began = int((process / "stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
            if began < until:
                found |= {str((process / "ns" / kind).readlink()) for kind in ("net", "mnt", "pid", "user")}
    return found


def groups(name):
    roots = [
        line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if "cgroup2" in line
    ]
    return [found for root in roots for found in pathlib.Path(root).rglob(name)]


def end_by_down(lab, _supervisor, _keeper):
    lab.down()


def end_by_killing_the_supervisor(_lab, supervisor, keeper):
    os.kill(supervisor, signal.SIGKILL)
    wait_gone(keeper)


def end_by_killing_the_keeper(_lab, supervisor, keeper):
    os.kill(keeper, signal.SIGKILL)
    wait_gone(supervisor)


def wait_gone(pid):
    until = time.monotonic() + 10
    while pathlib.Path(f"/proc/{pid}/exe").exists():  # a zombie has none
        assert time.monotonic() < until, f"process {pid} is still there"
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)


@pytest.mark.parametrize("end", [end_by_down, end_by_killing_the_supervisor, end_by_killing_the_keeper])
def test_nothing_is_left_behind(second, end):
    before = machine()
    spaces = namespaces()
    lab = second()
    state = json.loads((lab.folder / "lab.json").read_text())
    supervisor = lab.ask("status")["pid"]
    pids = [supervisor, state["keeper"], *(host["pid"] for host in lab.hosts().values())]
    links = [pathlib.Path(f"/proc/{pid}/ns/{kind}") for pid in pids for kind in ("net", "mnt", "pid", "user")]
    made = {str(link.readlink()) for link in links} - spaces
    assert len(made) >= 9  # 3 of net, 4 of mnt, 2 of pid, 1 of user, unless one was shared by chance
    ending = time.clock_gettime(time.CLOCK_BOOTTIME)
    end(lab, supervisor, state["keeper"])
    until = time.monotonic() + 10
    while made & namespaces(ending) and time.monotonic() < until:
        time.sleep(0.02)
    assert made & namespaces(ending) == set()
    left = machine()
    assert left["settings"] == before["settings"]
    assert left["links"] == before["links"]
    new = [mount for mount in left["mounts"] if mount not in before["mounts"]]
    assert [mount for mount in new if any(word in mount for word in (str(lab.folder), "lab-solo", "cgroup2"))] == []
    lab.down()
    assert not lab.folder.exists()
    assert groups(pathlib.Path(state["cgroup"]).name) == []


def test_two_labs_do_not_meet(second, lab):
    with second() as other:
        other.run("solo", "ip addr show eth0 | grep 198.18.0.3")
        assert lab.run("desk", "curl -sS -m 5 http://198.18.0.3/").stdout != ""
        assert other.run("peer", "curl -sS -m 5 http://198.18.0.3/", check=False).returncode != 0
        other.run("solo", "ethtool -s eth0 wol g; systemctl suspend")
        other.wait_state("solo", "asleep", 60)
        assert lab.state("web1") == "awake"


def test_a_folder_that_is_in_use_or_somebody_elses_is_left_alone(lab):
    with pytest.raises(LabError, match=r"is up in .* already"):
        Lab.up(folder=lab.folder)
    with pytest.raises(LabError, match="no lab's folder"):
        Lab.up(folder="/etc")
    with pytest.raises(LabError, match="no lab's folder"):
        Lab(pathlib.Path("/etc")).down()
    assert lab.state("desk") == "awake"


def test_a_service_that_is_not_there_stops_nothing_but_is_seen(lab):
    with pytest.raises(LabError, match="this lab has no host nemo; it has wake1"):
        lab.state("nemo")
    with pytest.raises(LabError, match=r"after 0\.1 s web1 is awake, not off"):
        lab.wait_state("web1", "off", 0.1)
    with pytest.raises(LabError, match="exit status 3"):
        lab.run("web1", "exit 3")
    with pytest.raises(LabError, match=r"no end after 0\.2 s"):
        lab.run("web1", "sleep 60", timeout=0.2)
    assert lab.run("web1", "pgrep -x sleep", check=False).stdout == ""
