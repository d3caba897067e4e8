# SPDX-License-Identifier: GPL-3.0-or-later
"""Which traffic counts: brief or open, by side, address, rate; against real traffic between two namespaces."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest
from port_traffic import (  # noqa: F401
    EBPF,
    FAMILIES,
    IPV4,
    brief,
    family_fixture,
    ledger_fixture,
    look,
    monitor_fixture,
    service_fixture,
)

from powernap.machine import clocks
from powernap.nap.monitors.udp import UdpMonitor


@IPV4
def test_60_of_60_connections_of_20_ms_between_two_looks_are_seen(segment, service, monitor):
    watcher = monitor()
    look(segment, watcher)
    seen = 0
    for _turn in range(60):
        began = clocks.now()
        brief(service, 0.02)
        last = look(segment, watcher).last_active
        seen += last is not None and last >= began
    assert seen == 60


def test_several_monitors_share_the_ledger_and_each_sees_its_own(segment, service, monitor):
    watchers = [monitor(ports=((first, last),)) for first, last in ((8000, 8021), (8022, 8022), (8000, 8099))]
    watchers.append(monitor(UdpMonitor))
    brief(service)
    time.sleep(0.05)
    assert [look(segment, watcher).last_active is not None for watcher in watchers] == [False, True, True, False]


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"from": ["198.18.0.0/24", "fd4c::/64"]}, True),
        ({"from": ["192.0.2.0/24", "2001:db8::/32"]}, False),
        ({"except_from": ["198.18.0.2", "fd4c::2"]}, False),
        ({"except_from": ["198.18.0.3", "fd4c::3"]}, True),
        ({"from": ["198.18.0.0/24", "fd4c::/64"], "except_from": ["198.18.0.2", "fd4c::2"]}, False),
    ],
)
def test_the_address_on_the_other_side_decides(segment, service, monitor, values, seen):
    watcher = monitor(**values)
    client, server = service.connect()
    client.sendall(b"x")
    server.recv(1)
    assert (look(segment, watcher).last_active is not None) is seen, "an open connection"
    brief_one = monitor(**values)
    client.close()
    server.close()
    time.sleep(0.05)
    assert (look(segment, brief_one).last_active is not None) is seen, "only frames"


def test_what_this_machine_uses_elsewhere_counts_by_the_other_sides_port(segment, family, monitor):
    far = {socket.AF_INET: "198.18.0.2", socket.AF_INET6: "fd4c::2"}[family]
    watcher, not_mine = monitor(side="remote"), monitor()
    with segment.on("there"):
        listener = socket.create_server((FAMILIES[family][1], 8022), family=family)
    with segment.on("here"):
        client = socket.create_connection((far, 8022), timeout=5)
    server, _address = listener.accept()
    server.sendall(b"x")
    client.recv(1)
    reading = look(segment, watcher)
    assert reading.last_active == pytest.approx(clocks.now(), abs=2)
    assert look(segment, not_mine).last_active is None
    for sock in (client, server):
        sock.close()
    time.sleep(0.05)
    assert look(segment, watcher).last_active is not None, "its farewell"
    listener.close()


@IPV4
@EBPF
def test_a_session_that_only_keeps_itself_alive_is_below_the_rate(segment, service, monitor):
    watcher = monitor(min_bytes_per_second=200)
    client, server = service.connect()
    look(segment, watcher)

    def exchange(size):
        client.sendall(b"k" * size)
        server.recv(size)
        server.sendall(b"k" * size)
        client.recv(size)
        time.sleep(1.05)
        return look(segment, watcher)

    quiet = exchange(50)
    assert quiet.last_active is None and not quiet.active_now
    assert quiet.counts and quiet.unit == "bytes/s" and quiet.threshold == 200
    assert 0 < quiet.value < 200
    busy = exchange(2000)
    assert busy.value > 200
    assert busy.last_active == pytest.approx(clocks.now() - 1.05, abs=0.7)


@IPV4
def test_many_brief_connections_reach_the_rate_too(segment, service, monitor):
    watcher = monitor(min_bytes_per_second=200)
    look(segment, watcher)
    for _turn in range(10):
        brief(service)
    time.sleep(0.8)
    assert look(segment, watcher).last_active is not None


@IPV4
@pytest.mark.parametrize("ledger", ["classic"], indirect=True)
def test_where_only_frames_are_counted_each_may_have_been_a_full_one(segment, service, monitor):
    watcher = monitor(UdpMonitor, min_bytes_per_second=200)
    look(segment, watcher)
    with segment.on("there"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("198.18.0.1", 8001))
    time.sleep(0.1)
    assert look(segment, watcher).value == pytest.approx(1500)


@IPV4
@EBPF
def test_a_rate_is_not_called_for(segment, service, monitor):
    watcher = monitor(min_bytes_per_second=200)
    watcher.arm()
    assert not watcher.armed and not look(segment, watcher).calls


@IPV4
@EBPF
def test_data_on_a_half_closed_connection_counts(segment, service, monitor):
    client, server = service.connect()
    client.shutdown(socket.SHUT_WR)
    time.sleep(1.5)
    watcher = monitor()
    server.sendall(b"x" * 1000)
    client.recv(1000)
    assert look(segment, watcher).last_active == pytest.approx(clocks.now(), abs=1)


@EBPF
def test_frames_of_a_vlan_count(segment, monitor):
    for side, address in (("here", "198.19.0.1/24"), ("there", "198.19.0.2/24")):
        name = segment.names[side]
        for line in (
            "link add link eth0 name eth0.7 type vlan id 7",
            f"addr add {address} dev eth0.7",
            "link set eth0.7 up",
        ):
            made = subprocess.run(["ip", "-n", name, *line.split()], capture_output=True, text=True, check=False)
            if made.returncode:
                pytest.skip(f"no VLAN here: {made.stderr.strip()}")
    watcher = monitor(UdpMonitor)
    with segment.on("there"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("198.19.0.1", 8001))
    time.sleep(0.05)
    assert look(segment, watcher).detail.startswith("1 datagram ")
