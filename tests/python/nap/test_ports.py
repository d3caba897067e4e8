# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitors of TCP and UDP ports against real traffic between two network namespaces."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from powernap.machine import clocks, portledger, sockdiag
from powernap.nap.monitors.tcp import TcpMonitor
from powernap.nap.monitors.udp import UdpMonitor
from powernap.nap.sources import Sources

#: What does not depend on the family, or on the ledger, is tested once.
IPV4 = pytest.mark.parametrize("family", [socket.AF_INET], indirect=True)
EBPF = pytest.mark.parametrize("ledger", ["ebpf"], indirect=True)
FAMILIES = {socket.AF_INET: ("198.18.0.1", "0.0.0.0"), socket.AF_INET6: ("fd4c::1", "::")}


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def family(request):
    return request.param


class Service:
    """A TCP server on port 8022 "here" with clients from "there"."""

    def __init__(self, segment, family):
        self.segment, self.family = segment, family
        with segment.on("here"):
            self.listener = socket.create_server((FAMILIES[family][1], 8022), family=family)
        self.open = [self.listener]

    def connect(self, side="there"):
        with self.segment.on(side):
            client = socket.create_connection((FAMILIES[self.family][0], 8022), timeout=5)
        server, _address = self.listener.accept()
        self.open += [client, server]
        return client, server

    def close(self):
        for sock in self.open:
            sock.close()


@pytest.fixture
def service(segment, family):
    made = Service(segment, family)
    yield made
    made.close()


class FakeOldKernel(portledger.KernelPorts):
    """A kernel that refuses eBPF."""

    def __init__(self, watched):
        raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=["ebpf", "classic"])
def ledger(request, monkeypatch):
    """Which ledger the monitors get."""
    if request.param == "classic":
        monkeypatch.setattr(portledger, "KernelPorts", FakeOldKernel)
    else:
        try:
            portledger.KernelPorts([]).close()
        except OSError as error:
            pytest.skip(f"no eBPF here: {error}")
    return request.param


@pytest.fixture
def monitor(segment, ledger):
    made, shared = [], Sources()
    loop = asyncio.new_event_loop()

    def make(cls=TcpMonitor, **values):
        with segment.on("here"):
            made.append(cls("ports", {"ports": ((8000, 8099),), **values}))
            made[-1].attach(loop, lambda: None, shared)
            shared.start()
        return made[-1]

    yield make
    for each in made:
        each.close()
    shared.close()
    loop.close()


def look(segment, monitor):
    with segment.on("here"):
        return monitor.look(clocks.now())


@EBPF
def test_an_open_connection_tells_when_data_last_moved(segment, service, monitor):
    client, server = service.connect()
    client.sendall(b"x")
    server.recv(1)
    moved = clocks.now()
    watcher = monitor()
    time.sleep(0.5)
    assert look(segment, watcher).last_active == pytest.approx(moved, abs=0.06)


@EBPF
def test_data_sent_by_this_machine_counts(segment, service, monitor):
    client, server = service.connect()
    watcher = monitor()
    time.sleep(0.3)
    server.sendall(b"x")
    client.recv(1)
    sent = clocks.now()
    time.sleep(0.2)
    assert look(segment, watcher).last_active == pytest.approx(sent, abs=0.06)


def test_a_connection_that_came_and_went_between_two_looks_is_noticed(segment, service, monitor, ledger):
    watcher = monitor()
    assert look(segment, watcher).last_active is None
    client, server = service.connect()
    client.sendall(b"GET /")
    server.recv(5)
    for sock in (client, server):
        sock.close()
    ended = clocks.now()
    time.sleep(0.3)
    reading = look(segment, watcher)
    assert reading.last_active == pytest.approx(ended if ledger == "ebpf" else clocks.now(), abs=0.1)
    assert reading.counts == (ledger == "classic")
    again = look(segment, watcher)
    assert again.last_active == (reading.last_active if ledger == "ebpf" else None)


def test_a_scan_by_bare_syns_is_no_activity(segment, service, monitor):
    watcher = monitor()
    service.listener.close()
    with segment.on("there"), pytest.raises(ConnectionRefusedError):
        socket.create_connection((FAMILIES[service.family][0], 8022), timeout=5)
    assert look(segment, watcher).last_active is None


def test_another_port_is_none_of_its_business(segment, service, monitor):
    watcher = monitor(ports=((8023, 8099),))
    client, server = service.connect()
    client.sendall(b"x")
    server.recv(1)
    assert look(segment, watcher).last_active is None


def test_loopback_counts_only_where_asked(segment, service, monitor):
    without, with_it = monitor(), monitor(loopback=True)
    client, server = service.connect("here")  # to its own address: it goes over lo
    client.sendall(b"x")
    server.recv(1)
    assert look(segment, without).last_active is None
    assert look(segment, with_it).last_active is not None


def test_without_the_right_to_packet_sockets_the_looks_remain_and_say_so(segment, service, monitor, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(portledger, "_packet_socket", refuse)
    watcher = monitor()
    client, server = service.connect()
    client.sendall(b"x")
    server.recv(1)
    reading = look(segment, watcher)
    assert reading.last_active is not None
    assert reading.source == "no packet ledger (Operation not permitted), so sock_diag only"
    assert not reading.counts
    with pytest.raises(OSError, match="CAP_NET_RAW"):
        look(segment, monitor(UdpMonitor))


def test_the_ledger_costs_no_wakeup_and_is_not_filled_up_by_many_frames(segment, service, monitor):
    watcher = monitor()
    client, server = service.connect()
    for _ in range(2000):
        client.sendall(b"x")
        server.recv(1)
    with segment.on("here"):
        assert watcher.tally().frames >= 2000


def test_an_armed_monitor_calls_at_the_next_data_and_only_once(segment, service, monitor):
    watcher = monitor()
    client, server = service.connect()
    look(segment, watcher)

    async def run():
        calls = []
        watcher.loop, watcher.call = asyncio.get_running_loop(), lambda: calls.append(time.monotonic())
        with segment.on("here"):
            watcher.arm()
        await asyncio.sleep(0.1)
        assert calls == []
        assert look(segment, watcher).calls
        sent = time.monotonic()
        for _ in range(20):
            client.sendall(b"x")
            server.recv(1)
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert len(calls) == 1
        assert calls[0] - sent < 0.05
        assert not watcher.armed

    asyncio.run(run())


def test_what_came_between_the_look_and_the_arming_calls_at_once(segment, service, monitor):
    watcher = monitor()
    client, server = service.connect()
    look(segment, watcher)
    client.sendall(b"x")
    server.recv(1)

    async def run():
        calls = []
        watcher.loop, watcher.call = asyncio.get_running_loop(), lambda: calls.append(1)
        with segment.on("here"):
            watcher.arm()
        assert calls == [1]

    asyncio.run(run())
    assert look(segment, watcher).last_active is not None


def test_a_datagram_is_noticed_though_nobody_listens_and_the_port_stays_free(segment, family, monitor):
    watcher = monitor(UdpMonitor)
    assert look(segment, watcher).last_active is None
    with segment.on("there"), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (FAMILIES[family][0], 8001))
        sock.sendto(b"x", (FAMILIES[family][0], 9001))
    time.sleep(0.05)
    reading = look(segment, watcher)
    assert reading.last_active is not None
    assert reading.detail.startswith("1 datagram ")
    with segment.on("here"), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((FAMILIES[family][1], 8001))


def test_a_broadcast_datagram_counts(segment, monitor):
    watcher = monitor(UdpMonitor)
    with segment.on("there"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"x", ("198.18.255.255", 8001))
    time.sleep(0.05)
    assert look(segment, watcher).last_active is not None


def test_the_listening_ports_are_known(segment, service):
    with segment.on("here"):
        assert {socket.local_port for socket in sockdiag.listening_tcp()} == {8022}


def test_sock_diag_sees_both_families_by_range(segment, service):
    service.connect()
    with segment.on("here"):
        assert len(sockdiag.established(8022, 8022)) == 1
        assert len(sockdiag.established(8023, 65535)) == 0 or service.family
        (connection,) = sockdiag.established(8000, 8022)
    assert str(connection.local) == FAMILIES[service.family][0]
    assert not connection.inside


def brief(service, seconds=0.005):
    """A connection of so many seconds."""
    client, server = service.connect()
    client.sendall(b"GET /")
    server.recv(5)
    time.sleep(seconds)
    for sock in (client, server):
        sock.close()
        service.open.remove(sock)


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
    assert reading.last_active == pytest.approx(clocks.now(), abs=0.1)
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
    assert busy.last_active == pytest.approx(clocks.now() - 1.05, abs=0.2)


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
    time.sleep(0.3)
    watcher = monitor()
    server.sendall(b"x" * 1000)
    client.recv(1000)
    assert look(segment, watcher).last_active == pytest.approx(clocks.now(), abs=0.2)


@EBPF
def test_frames_of_a_vlan_count(segment, monitor):
    import subprocess

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
