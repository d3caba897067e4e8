# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor of magic packets, against real ones between two network namespaces."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from pathlib import Path

import pytest

from powernap.machine import clocks, magicledger
from powernap.nap.monitors.wol import MOST_EVENTS, WolMonitor
from powernap.net import ethernet
from powernap.shared.mac import magic_packet

OTHER = "02:99:99:99:99:99"
ROUTES = {
    "broadcast to port 9": (socket.AF_INET, ("198.18.255.255", 9)),
    "broadcast to port 7": (socket.AF_INET, ("255.255.255.255", 7)),
    "to the address": (socket.AF_INET, ("198.18.0.1", 9)),
    "IPv6 to the address": (socket.AF_INET6, ("fd4c::1", 9)),
    "IPv6 to all nodes": (socket.AF_INET6, ("ff02::1%eth0", 9)),
}


@pytest.fixture
def monitor(segment):
    made = []

    def make(**values):
        with segment.on("here"):
            made.append(WolMonitor("magic", values))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def mac(segment):
    return mac_of(segment, "eth0")


def mac_of(segment, name):
    command = ["ip", "netns", "exec", segment.names["here"], "cat", f"/sys/class/net/{name}/address"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def look(segment, monitor):
    time.sleep(0.02)
    with segment.on("here"):
        return monitor.look(clocks.now())


def send(segment, payload, route="broadcast to port 9", port=None):
    family, (address, usual) = ROUTES[route]
    with segment.on("there"), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        target = socket.getaddrinfo(address, port or usual, family, socket.SOCK_DGRAM)[0][4]
        end = time.monotonic() + 3
        while True:
            try:
                sock.sendto(payload, target)
            except OSError:  # IPv6 multicast has no route in the first moments of an interface
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return


def send_frame(segment, payload, destination=ethernet.BROADCAST):
    with segment.on("there"), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.bind(("eth0", 0))
        sock.send(ethernet.header(destination, b"\2\0\0\0\0\7", ethernet.MAGIC) + payload)


@pytest.mark.parametrize("route", ROUTES)
def test_a_magic_packet_for_this_machine_is_activity_and_the_port_stays_free(segment, monitor, mac, route):
    watcher = monitor()
    assert look(segment, watcher).last_active is None
    send(segment, magic_packet(mac), route)
    reading = look(segment, watcher)
    assert reading.last_active == pytest.approx(clocks.now(), abs=2)
    assert reading.detail.startswith("a magic packet since the last look to one of 1 own addresses (UDP port 7,9 or")
    for port in (7, 9):
        with segment.on("here"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("0.0.0.0", port))


@pytest.mark.parametrize("password", [None, "01:02:03:04:05:06", "10.0.0.1"])
def test_ethertype_0842_and_a_secureon_password_are_understood(segment, monitor, mac, password):
    watcher = monitor()
    send_frame(segment, magic_packet(mac, password))
    assert look(segment, watcher).last_active is not None


def test_a_packet_for_another_machine_is_no_activity(segment, monitor):
    watcher = monitor()
    send(segment, magic_packet(OTHER))
    send_frame(segment, magic_packet(OTHER))
    assert look(segment, watcher).last_active is None


def test_a_frame_that_only_passes_by_is_no_activity(segment, monitor, mac):
    watcher = monitor()
    send_frame(segment, magic_packet(mac), destination=bytes.fromhex("029999999999"))
    assert look(segment, watcher).last_active is None


def broken(packet, at):
    return packet[:at] + bytes([packet[at] ^ 1]) + packet[at + 1 :]


@pytest.mark.parametrize("at", [0, 5, 6, 11, 12, 50, 55, 96, 101])
def test_a_packet_with_one_wrong_bit_is_no_magic_packet(segment, monitor, mac, at):
    watcher = monitor()
    send(segment, broken(magic_packet(mac), at))
    send_frame(segment, broken(magic_packet(mac), at))
    assert look(segment, watcher).last_active is None


def test_a_packet_that_is_cut_short_or_goes_to_another_port_is_no_activity(segment, monitor, mac):
    watcher = monitor()
    send(segment, magic_packet(mac)[:101])
    send(segment, magic_packet(mac), port=10)
    assert look(segment, watcher).last_active is None


def test_other_ports_and_ranges_can_be_named(segment, monitor, mac):
    watcher = monitor(ports=((9, 9), (40000, 40009)))
    send(segment, magic_packet(mac), port=40005)
    assert look(segment, watcher).last_active is not None
    send(segment, magic_packet(mac), port=40010)
    before = clocks.now()
    assert look(segment, watcher).last_active < before


def test_interfaces_of_any_name_count_also_those_that_appear_later(segment, monitor):
    watcher = monitor()
    here = segment.names["here"]
    command = ["ip", "-n", here, "link", "add", "lan-7", "type", "veth", "peer", "name", "lan-8"]
    subprocess.run(command, check=True, timeout=5)
    assert "one of 3 own addresses" in look(segment, watcher).detail
    send(segment, magic_packet(mac_of(segment, "lan-7")))
    assert look(segment, watcher).last_active is not None


def test_a_hundred_interfaces_are_no_trouble(segment, monitor):
    here = segment.names["here"]
    lines = "".join(f"link add many{number} type veth peer name peer{number}\n" for number in range(50))
    subprocess.run(["ip", "-n", here, "-batch", "-"], input=lines, text=True, check=True, timeout=20)
    watcher = monitor(ports=tuple((port, port) for port in range(1000, 1100)))
    send(segment, magic_packet(mac_of(segment, "many49")), port=1099)
    assert look(segment, watcher).last_active is not None


def test_the_time_of_a_packet_is_known_and_an_armed_monitor_is_called(segment, monitor, mac):
    watcher = monitor()

    async def run():
        calls = []
        watcher.attach(asyncio.get_running_loop(), lambda: calls.append(clocks.now()))
        reading = look(segment, watcher)
        assert reading.calls and not reading.counts
        send(segment, magic_packet(mac))
        sent = clocks.now()
        await asyncio.sleep(1)
        assert calls == []
        assert look(segment, watcher).last_active == pytest.approx(sent, abs=0.7)
        watcher.arm()
        send(segment, magic_packet(mac))
        await asyncio.sleep(0.1)
        assert len(calls) == 1

    asyncio.run(run())


def test_a_packet_between_the_look_and_the_arming_calls_at_once(segment, monitor, mac):
    watcher = monitor()

    async def run():
        calls = []
        watcher.attach(asyncio.get_running_loop(), lambda: calls.append(1))
        look(segment, watcher)
        send(segment, magic_packet(mac))
        await asyncio.sleep(0.1)
        watcher.arm()
        assert calls == [1]

    asyncio.run(run())


def test_a_flood_wakes_only_a_few_times_and_is_counted_on(segment, monitor, mac, monkeypatch):
    watcher = monitor()
    events = []
    real = watcher._event
    monkeypatch.setattr(watcher, "_event", lambda: (events.append(1), real()))

    async def run():
        watcher.attach(asyncio.get_running_loop(), lambda: None)
        for _ in range(5 * MOST_EVENTS):
            send(segment, magic_packet(mac))
            await asyncio.sleep(0.002)
        assert len(events) <= MOST_EVENTS + 3  # one call for each of the three sockets may already be under way
        reading = look(segment, watcher)
        assert reading.last_active == pytest.approx(clocks.now(), abs=2)
        assert reading.calls

    asyncio.run(run())


def test_without_the_right_to_packet_sockets_it_counts_as_active_and_the_remedy_is_named(segment, monitor, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(magicledger, "_attach", refuse)
    watcher = monitor()
    with pytest.raises(OSError, match=r"cannot be seen \(Operation not permitted\): powernapd needs CAP_NET_RAW"):
        look(segment, watcher)
    monkeypatch.undo()
    assert look(segment, watcher).last_active is None


def test_addresses_that_cannot_be_filtered_count_as_active_and_the_remedy_is_named(segment, monitor, monkeypatch):
    watcher = monitor()
    many = frozenset(number.to_bytes(6, "big") for number in range(1, 2000))
    monkeypatch.setattr(magicledger, "own_macs", lambda: many)  # the real kernel refuses a filter of that length
    with pytest.raises(OSError, match=r"cannot be filtered \(.+\): use a monitor of kind udp"):
        look(segment, watcher)


def test_a_real_card_tells_its_permanent_address():
    cards = [folder for folder in Path("/sys/class/net").iterdir() if (folder / "device").exists()]
    if not cards:
        pytest.skip("this machine has no real NIC")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert {len(magicledger._permanent(sock, card.name)) for card in cards} <= {0, 6}
    assert bytes.fromhex((cards[0] / "address").read_text().strip().replace(":", "")) in magicledger.own_macs()
