# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitors of TCP and UDP ports against real traffic between two network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
from fake_monitor import until
from port_traffic import EBPF, FAMILIES, family_fixture, ledger_fixture, look, monitor_fixture, service_fixture  # noqa: F401

from powernap.machine import clocks, portledger, sockdiag
from powernap.nap.monitors.udp import UdpMonitor


@EBPF
def test_an_open_connection_tells_when_data_last_moved(segment, service, monitor):
    client, server = service.connect()
    client.sendall(b"x")
    server.recv(1)
    moved = clocks.now()
    watcher = monitor()
    time.sleep(1)
    assert look(segment, watcher).last_active == pytest.approx(moved, abs=0.7)


@EBPF
def test_data_sent_by_this_machine_counts(segment, service, monitor):
    client, server = service.connect()
    watcher = monitor()
    time.sleep(1)
    server.sendall(b"x")
    client.recv(1)
    sent = clocks.now()
    time.sleep(1)
    assert look(segment, watcher).last_active == pytest.approx(sent, abs=0.7)


def test_a_connection_that_came_and_went_between_two_looks_is_noticed(segment, service, monitor, ledger):
    watcher = monitor()
    assert look(segment, watcher).last_active is None
    client, server = service.connect()
    client.sendall(b"GET /")
    server.recv(5)
    for sock in (client, server):
        sock.close()
    ended = clocks.now()
    time.sleep(1)
    reading = look(segment, watcher)
    assert reading.last_active == pytest.approx(ended if ledger == "ebpf" else clocks.now(), abs=0.7)
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
        for _ in range(20):
            client.sendall(b"x")
            server.recv(1)
            await asyncio.sleep(0)
        await until(lambda: calls)
        await asyncio.sleep(0.1)
        assert len(calls) == 1
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
        assert len(sockdiag.established([(8022, 8022)])) == 1
        assert len(sockdiag.established([(8023, 65535)])) == 0 or service.family
        (connection,) = sockdiag.established([(8000, 8022)])
    assert str(connection.local) == FAMILIES[service.family][0]
    assert not connection.inside


@pytest.mark.parametrize("legacy", [True, False])
def test_sock_diag_sees_sockets_of_any_of_several_ranges_once(segment, service, monkeypatch, legacy):
    if not legacy:
        monkeypatch.setattr(sockdiag, "TCPDIAG_GETSOCK", sockdiag.SOCK_DIAG_BY_FAMILY)  # which refuses the message
    service.connect()
    other = [(1, 8021), (8023, 9000), (9002, 9002)]
    with segment.on("here"):
        assert sockdiag.established(other) == []
        for place in range(4):
            ranges = [*other[:place], (8022, 8022), *other[place:]]
            assert len(sockdiag.established(ranges)) == 1
        assert len(sockdiag.established([(8000, 8100), (8022, 8022), (8001, 8022)])) == 1
        (port,) = {connection.remote_port for connection in sockdiag.established([(8022, 8022)])}
        assert len(sockdiag.established([(8022, 8022), (port, port)], remote=True)) == 1
        assert sockdiag.established([(8022, 8022), (port + 1, port + 1)], remote=True) == []


def test_sockets_of_both_families_come_of_one_question_as_of_two(segment):
    with segment.on("here"), contextlib.ExitStack() as stack:
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            server = stack.enter_context(socket.create_server((address, 8022), family=family))
            stack.enter_context(socket.create_connection(server.getsockname()[:2]))
            stack.enter_context(server.accept()[0])
        code = sockdiag.port_filter([(8022, 8022)])
        both = sockdiag._ask(sockdiag.both_families(sockdiag.OPEN, code))
        each = [sockdiag._ask(sockdiag.request(f, sockdiag.OPEN, code)) for f in (socket.AF_INET, socket.AF_INET6)]
        assert {connection.key for connection in both} == {connection.key for found in each for connection in found}
        assert [len(found) for found in each] == [1, 1] and len(both) == 2
        assert all(connection.moved_bytes is not None for connection in both)
