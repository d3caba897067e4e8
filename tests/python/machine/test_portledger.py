# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter against frames that scapy builds, run by a small interpreter of classic BPF.

That the kernel takes it and counts by it is tested in tests/python/nap/test_ports.py.
"""

from __future__ import annotations

import socket
import struct

import pytest

from powernap.machine.portledger import AD_HARDWARE_TYPE, AD_PACKET_TYPE, program

scapy = pytest.importorskip("scapy.layers.inet")
scapy6 = pytest.importorskip("scapy.layers.inet6")
IP, TCP, UDP, ICMP = scapy.IP, scapy.TCP, scapy.UDP, scapy.ICMP
IPv6 = scapy6.IPv6
PORTS = ((22, 22), (8000, 8099))


def run(code, data: bytes, packet_type: int = 0, hardware_type: int = 1) -> int:
    """Interpret a classic BPF program; a load outside the frame drops it, as in the kernel."""
    a = x = 0
    memory = [0] * 16
    at = 0
    sizes = {0x20: "!I", 0x28: "!H", 0x30: "!B", 0x48: "!H", 0x50: "!B"}
    while True:
        operation, yes, no, k = code[at]
        at += 1
        if operation in sizes:
            if k == AD_PACKET_TYPE:
                a = packet_type
                continue
            if k == AD_HARDWARE_TYPE:
                a = hardware_type
                continue
            where = k + (x if operation in (0x48, 0x50) else 0)
            if where + struct.calcsize(sizes[operation]) > len(data):
                return 0
            a = struct.unpack_from(sizes[operation], data, where)[0]
        elif operation == 0xB1:
            x = 4 * (data[k] & 0xF)
        elif operation == 0x61:
            x = memory[k]
        elif operation == 0x02:
            memory[k] = a
        elif operation == 0x54:
            a &= k
        elif operation == 0x74:
            a >>= k
        elif operation == 0x0C:
            a += x
        elif operation == 0x05:
            at += k
        elif operation in (0x15, 0x25, 0x35, 0x45, 0x2D):
            taken = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k), 0x2D: a > x}[operation]
            at += yes if taken else no
        elif operation == 0x06:
            return k
        else:
            raise AssertionError(f"unknown instruction {operation:#x}")


def passes(frame, protocol=socket.IPPROTO_TCP, ports=PORTS, loopback=False, **more) -> bool:
    family = socket.AF_INET6 if frame.haslayer(IPv6) else socket.AF_INET
    return bool(run(program(family, protocol, ports, loopback), bytes(frame), **more))


@pytest.fixture(params=["4", "6"])
def ip(request):
    return IP(src="198.18.0.1", dst="198.18.0.2") if request.param == "4" else IPv6(src="fd4c::1", dst="fd4c::2")


@pytest.mark.parametrize("port", [22, 8000, 8050, 8099])
def test_data_to_a_watched_port_passes(ip, port):
    assert passes(ip / TCP(dport=port, flags="A") / b"x")


@pytest.mark.parametrize("port", [21, 23, 7999, 8100, 0, 65535])
def test_data_to_another_port_does_not(ip, port):
    assert not passes(ip / TCP(dport=port, flags="PA") / b"x")


def test_data_from_a_watched_port_is_not_for_it(ip):
    assert not passes(ip / TCP(sport=22, dport=50000, flags="PA") / b"x")


@pytest.mark.parametrize("flags", ["S", "A", "R", "RA", "SA"])
def test_a_segment_without_data_is_no_activity(ip, flags):
    assert not passes(ip / TCP(dport=22, flags=flags, options=[("MSS", 1460), ("NOP", None)]))


@pytest.mark.parametrize("flags", ["FA", "PA"])
def test_a_farewell_or_a_push_is(ip, flags):
    assert passes(ip / TCP(dport=22, flags=flags))


def test_options_are_not_taken_for_data(ip):
    options = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]
    assert not passes(ip / TCP(dport=22, flags="A", options=options))
    assert passes(ip / TCP(dport=22, flags="A", options=options) / b"x")


def test_options_of_the_ipv4_header_are_skipped():
    frame = IP(options=[scapy.IPOption(b"\x94\x04\x00\x00")]) / TCP(dport=22, flags="A")
    assert not passes(frame)
    assert passes(frame / b"x")
    assert not passes(IP(options=[scapy.IPOption(b"\x94\x04\x00\x00")]) / TCP(dport=23, flags="A") / b"x")


def test_a_later_fragment_has_no_ports():
    assert not passes(IP(frag=100) / TCP(dport=22, flags="PA") / b"x")


def test_other_protocols_do_not_pass(ip):
    assert not passes(ip / UDP(dport=22) / b"x")
    assert not passes(ip / TCP(dport=22, flags="PA") / b"x", protocol=socket.IPPROTO_UDP)
    assert passes(ip / UDP(dport=22), protocol=socket.IPPROTO_UDP)
    assert not passes(IP() / ICMP())


def test_frames_for_other_machines_do_not_count(ip):
    assert not passes(ip / TCP(dport=22, flags="PA") / b"x", packet_type=3)


def test_loopback_counts_only_where_asked(ip):
    frame = ip / TCP(dport=22, flags="PA") / b"x"
    assert not passes(frame, hardware_type=772)
    assert passes(frame, hardware_type=772, loopback=True)


def test_many_ranges_still_reach_the_end(ip):
    ports = tuple((port, port + 1) for port in range(1000, 5000, 4))
    code = program(socket.AF_INET, socket.IPPROTO_TCP, ports, False)
    assert len(code) < 4096, "more than the kernel takes"
    for port in (1000, 1001, 3000, 4996, 4997):
        assert passes(ip / TCP(dport=port, flags="PA"), ports=ports)
    for port in (999, 1002, 2999, 4998):
        assert not passes(ip / TCP(dport=port, flags="PA"), ports=ports)


def test_a_truncated_frame_is_dropped(ip):
    whole = bytes(ip / TCP(dport=22, flags="PA") / b"x")
    family = socket.AF_INET if whole[0] >> 4 == 4 else socket.AF_INET6
    header = 20 if family == socket.AF_INET else 40
    code = program(family, socket.IPPROTO_TCP, PORTS, False)
    for length in range(header + 2):
        assert not run(code, whole[:length].ljust(1, b"\0"))
