# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter against frames that scapy builds, run by a small interpreter of classic BPF.

That the kernel takes it and counts by it is tested in tests/python/nap/test_ports.py.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_network

import pytest

from powernap.machine.portfilter import AD_INTERFACE, AD_PACKET_TYPE, Traffic, program

scapy = pytest.importorskip("scapy.layers.inet")
scapy6 = pytest.importorskip("scapy.layers.inet6")
IP, TCP, UDP, ICMP = scapy.IP, scapy.TCP, scapy.UDP, scapy.ICMP
IPv6 = scapy6.IPv6
PORTS = ((22, 22), (8000, 8099))


def run(code, data: bytes, packet_type: int = 0, interface: int = 2) -> int:
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
            if k == AD_INTERFACE:
                a = interface
                continue
            where = k + (x if operation in (0x48, 0x50) else 0)
            if where + struct.calcsize(sizes[operation]) > len(data):
                return 0
            a = struct.unpack_from(sizes[operation], data, where)[0]
        elif operation == 0xB1:
            x = 4 * (data[k] & 0xF)
        elif operation == 0x01:
            x = k
        elif operation == 0x07:
            x = a
        elif operation == 0x87:
            a = x
        elif operation == 0x61:
            x = memory[k]
        elif operation == 0x60:
            a = memory[k]
        elif operation == 0x02:
            memory[k] = a
        elif operation == 0x54:
            a &= k
        elif operation == 0x74:
            a >>= k
        elif operation == 0x64:
            a = a << k & 0xFFFFFFFF
        elif operation == 0x04:
            a += k
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


def passes(frame, protocol=socket.IPPROTO_TCP, ports=PORTS, loopback=False, traffic=None, **more) -> bool:
    family = socket.AF_INET6 if frame.haslayer(IPv6) else socket.AF_INET
    traffic = Traffic(protocol, ports, loopback, **(traffic or {}))
    return bool(run(program(family, traffic), bytes(frame), **more))


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


def networks(*texts):
    return tuple(ip_network(text) for text in texts)


@pytest.mark.parametrize("allowed", [("198.18.0.0/24", "fd4c::/64"), ("192.0.2.0/24", "198.18.0.1", "fd4c::1")])
def test_only_the_networks_that_are_allowed_pass(ip, allowed):
    frame = ip / TCP(dport=22, flags="PA")
    assert passes(frame, traffic={"networks": networks(*allowed)})
    assert not passes(frame, traffic={"networks": networks("192.0.2.0/24", "2001:db8::/32", "198.18.0.2", "fd4c::2")})


@pytest.mark.parametrize(
    "excluded", [("198.18.0.1", "fd4c::1"), ("0.0.0.0/0", "::/0"), ("198.18.0.0/31", "fd4c::/127")]
)
def test_exceptions_do_not_pass(ip, excluded):
    frame = ip / TCP(dport=22, flags="PA")
    assert not passes(frame, traffic={"exceptions": networks(*excluded)})
    assert passes(frame, traffic={"exceptions": networks("198.18.0.2", "fd4c::2", "198.18.0.3/32")})


def test_networks_of_one_family_let_nothing_of_the_other_pass(ip):
    only = "fd4c::/64" if ip.version == 4 else "198.18.0.0/24"
    assert not passes(ip / TCP(dport=22, flags="PA"), traffic={"networks": networks(only)})


def test_the_ports_may_be_those_of_the_other_side(ip):
    assert passes(ip / TCP(sport=22, dport=50000, flags="PA"), traffic={"remote": True})
    assert not passes(ip / TCP(sport=50000, dport=22, flags="PA"), traffic={"remote": True})


@pytest.mark.parametrize(
    "headers",
    [
        scapy6.IPv6ExtHdrHopByHop(),
        scapy6.IPv6ExtHdrDestOpt(options=[scapy6.PadN(optdata=b"\0" * 12)]),
        scapy6.IPv6ExtHdrHopByHop() / scapy6.IPv6ExtHdrRouting(addresses=["fd4c::9"]) / scapy6.IPv6ExtHdrDestOpt(),
        scapy6.IPv6ExtHdrFragment(offset=0, m=1),
    ],
    ids=["hop-by-hop", "destination", "three", "first fragment"],
)
def test_extension_headers_are_walked_through(headers):
    begin = IPv6(src="fd4c::1", dst="fd4c::2") / headers
    assert passes(begin / TCP(dport=22, flags="PA"))
    assert not passes(begin / TCP(dport=22, flags="A"))
    assert passes(begin / TCP(dport=22, flags="A") / b"x")
    assert not passes(begin / TCP(dport=23, flags="PA"))
    assert passes(begin / UDP(dport=22), protocol=socket.IPPROTO_UDP)
    assert not passes(begin / UDP(dport=22))


def test_a_later_fragment_of_ipv6_has_no_ports():
    assert not passes(IPv6() / scapy6.IPv6ExtHdrFragment(offset=100) / TCP(dport=22, flags="PA"))


def test_more_extension_headers_than_are_walked_through_hide_the_ports():
    begin = IPv6() / scapy6.IPv6ExtHdrDestOpt() / scapy6.IPv6ExtHdrDestOpt()
    begin = begin / scapy6.IPv6ExtHdrDestOpt() / scapy6.IPv6ExtHdrDestOpt()
    assert not passes(begin / TCP(dport=22, flags="PA"))


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
    assert not passes(frame, interface=1)
    assert passes(frame, interface=1, loopback=True)


def test_many_ranges_still_reach_the_end(ip):
    ports = tuple((port, port + 1) for port in range(1000, 5000, 4))
    code = program(socket.AF_INET6, Traffic(socket.IPPROTO_TCP, ports))
    assert len(code) < 4096, "more than the kernel takes"
    for port in (1000, 1001, 3000, 4996, 4997):
        assert passes(ip / TCP(dport=port, flags="PA"), ports=ports)
    for port in (999, 1002, 2999, 4998):
        assert not passes(ip / TCP(dport=port, flags="PA"), ports=ports)


def test_a_truncated_frame_is_dropped(ip):
    whole = bytes(ip / TCP(dport=22, flags="PA") / b"x")
    family = socket.AF_INET if whole[0] >> 4 == 4 else socket.AF_INET6
    header = 20 if family == socket.AF_INET else 40
    code = program(family, Traffic(socket.IPPROTO_TCP, PORTS))
    for length in range(header + 2):
        assert not run(code, whole[:length].ljust(1, b"\0"))
