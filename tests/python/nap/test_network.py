# SPDX-License-Identifier: GPL-3.0-or-later
"""The network monitor against real interfaces in namespaces, and against files."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from powernap.nap.monitors.network import NetworkMonitor

HEAD = "Inter-|   Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes ...\n"


@pytest.fixture
def tree(tmp_path):
    """A fake /proc with counters that are set."""
    path = tmp_path / "proc/net/dev"
    path.parent.mkdir(parents=True)

    def write(**interfaces):
        lines = [f"{name:>6}: {rx} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n" for name, (rx, tx) in interfaces.items()]
        path.write_text(HEAD + "".join(lines))
        return tmp_path

    return write


def send(segment, size):
    with segment.on("here"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(bytes(size), ("198.18.0.2", 9999))


@pytest.fixture
def here(segment):
    """The counters are of the namespace of the main thread, as a daemon's are: read them of this one."""
    with segment.on("here"):
        yield segment


def test_real_traffic_above_the_threshold_is_activity_and_below_is_not(here):
    watcher = NetworkMonitor("net", {"threshold": 1000, "learn": False})
    assert watcher.look(100.0).last_active is None
    send(here, 500)
    reading = watcher.look(110.0)
    assert reading.last_active is None and reading.counts and 50 <= reading.value <= 500
    for _ in range(30):
        send(here, 1400)
    reading = watcher.look(120.0)
    assert reading.last_active == 120.0
    assert reading.value > reading.threshold == 1000 and reading.unit == "bytes/s"
    assert reading.detail.startswith("eth0 4.")


def test_a_real_interface_that_comes_and_goes_does_not_fail_the_monitor(here):
    watcher = NetworkMonitor("net", {"interfaces": ("hot*",)})
    assert watcher.look(100.0).detail == "no interface is one of hot*"
    subprocess.run(["ip", "link", "add", "hot0", "type", "veth", "peer", "name", "hot1"], check=True, timeout=5)
    assert watcher.look(110.0).detail.startswith("hot")
    subprocess.run(["ip", "link", "del", "hot0"], check=True, timeout=5)
    assert watcher.look(120.0).error == ""


def test_loopback_does_not_count(here):
    watcher = NetworkMonitor("net", {"threshold": 10})
    watcher.look(100.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(bytes(10000), ("127.0.0.1", 9999))
    assert watcher.look(101.0).last_active is None


@pytest.mark.parametrize(("direction", "rate"), [("rx", 100), ("tx", 20), ("both", 120)])
def test_the_direction_is_chosen(tree, direction, rate):
    watcher = NetworkMonitor("net", {"direction": direction}, tree(eth0=(0, 0)))
    watcher.look(100.0)
    tree(eth0=(1000, 200))
    assert watcher.look(110.0).value == rate


def test_each_interface_has_its_own_noise_in_a_fake_proc(tree):
    watcher = NetworkMonitor("net", {"threshold": 100}, tree(eth0=(0, 0), eth1=(0, 0)))
    for turn in range(14):
        tree(eth0=(turn * 600, 0), eth1=(0, 0))
        watcher.look(turn * 10.0)
    tree(eth0=(13 * 600 + 1500, 0), eth1=(0, 0))
    assert watcher.look(140.0).last_active is None  # 150 B/s where 60 are noise
    tree(eth0=(13 * 600 + 1500, 0), eth1=(1500, 0))
    assert watcher.look(150.0).last_active == 150.0


def test_a_driver_that_is_loaded_anew_counts_only_what_came_since_in_a_fake_proc(tree):
    watcher = NetworkMonitor("net", {}, tree(eth0=(10**9, 0)))
    watcher.look(100.0)
    tree(eth0=(3000, 0))
    assert watcher.look(110.0).value == 300


def test_what_is_no_interface_is_reported(tree):
    root = tree(eth0=(1, 1))
    (root / "proc/net/dev").write_text(HEAD + "eth0: nonsense\n")
    with pytest.raises(OSError, match="eth0: nonsense"):
        NetworkMonitor("net", {}, root).look(1.0)


def test_the_counters_equal_those_of_sysfs():
    counters = NetworkMonitor("net", {"exclude": (), "interfaces": ("lo",), "direction": "rx"}).counters()
    assert int(Path("/sys/class/net/lo/statistics/rx_bytes").read_text()) >= counters["lo"] >= 0
