# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter, run by this machine's own kernel: a socket pair takes the same classic BPF programs as a raw socket."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator

import pytest

from powernap.net import bpf

scapy = pytest.importorskip("scapy.all")

SERVER = "02:4c:00:00:00:01"
OWN4, OWN6 = socket.inet_aton("198.18.0.1"), socket.inet_pton(socket.AF_INET6, "fd4c::1")


@pytest.fixture
def passes() -> Iterator[object]:
    end, filtered = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    program = bpf.program((OWN4,), (OWN6,))
    code = ctypes.create_string_buffer(bpf.to_bytes(program))
    filtered.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(program), ctypes.addressof(code)))
    filtered.setblocking(False)

    def ask(*layers: object) -> bool:
        packet = scapy.Ether(src="02:4c:00:00:00:09", dst=SERVER)
        for layer in layers:
            packet = packet / layer
        raw = bytes(packet)
        end.send(raw)
        try:
            return filtered.recv(65536) == raw
        except BlockingIOError:
            return False

    yield ask
    end.close()
    filtered.close()


def test_questions_about_addresses_pass(passes) -> None:
    assert passes(scapy.ARP(pdst="198.18.0.3"))
    assert passes(scapy.ARP(op=2, psrc="198.18.0.3"))
    assert passes(scapy.IPv6(), scapy.ICMPv6ND_NS(tgt="fd4c::3"))
    assert passes(scapy.IPv6(), scapy.ICMPv6ND_NA(tgt="fd4c::3"))


@pytest.mark.parametrize("version", [4, 6])
def test_knocks_pass_and_the_rest_does_not(passes, version: int) -> None:
    def to(host: int) -> object:
        return scapy.IP(dst=f"198.18.0.{host}") if version == 4 else scapy.IPv6(dst=f"fd4c::{host}")

    assert passes(to(3), scapy.TCP(dport=8080, flags="S"))
    assert passes(to(3), scapy.TCP(dport=8080, flags="SEC"))  # with ECN bits
    assert passes(to(3), scapy.TCP(dport=22, flags="PA"), b"typed")
    assert passes(to(3), scapy.UDP(dport=161))
    for flags in ("SA", "A", "PA", "R", "F", "SR"):
        assert not passes(to(3), scapy.TCP(dport=8080, flags=flags))
    assert not passes(to(1), scapy.TCP(dport=80, flags="S")), "the server's own traffic"
    assert not passes(to(1), scapy.UDP(dport=53)), "the server's own traffic"
    assert not passes(to(3), scapy.ICMP() if version == 4 else scapy.ICMPv6EchoRequest())


def test_tcp_behind_ip_options_is_found(passes) -> None:
    options = scapy.IPOption_NOP() / scapy.IPOption_NOP() / scapy.IPOption_NOP() / scapy.IPOption_EOL()
    assert passes(scapy.IP(dst="198.18.0.3", options=options), scapy.TCP(dport=80, flags="S"))
    assert not passes(scapy.IP(dst="198.18.0.3", options=options), scapy.TCP(dport=80, flags="A"))


def test_later_fragments_and_strange_protocols_stay_in_the_kernel(passes) -> None:
    assert not passes(scapy.IP(dst="198.18.0.3", frag=10), scapy.UDP(dport=161))
    assert not passes(scapy.IPv6(dst="fd4c::3"), scapy.IPv6ExtHdrFragment(offset=10, m=1), scapy.UDP(dport=161))
    assert not passes(scapy.IP(dst="198.18.0.3", proto=89), b"x" * 30)
    assert not passes(b"\x88\xcc" + b"x" * 40)


def test_the_first_fragment_of_a_datagram_passes(passes) -> None:
    assert passes(scapy.IP(dst="198.18.0.3", flags="MF"), scapy.UDP(dport=161))
    assert passes(scapy.IPv6(dst="fd4c::3"), scapy.IPv6ExtHdrFragment(m=1), scapy.UDP(dport=161))
    assert not passes(scapy.IPv6(dst="fd4c::3"), scapy.IPv6ExtHdrFragment(m=1), scapy.TCP(dport=80, flags="S"))


def test_it_takes_own_addresses_up_to_its_limit_and_no_harm_beyond() -> None:
    many4 = tuple(bytes([198, 18, 1, n]) for n in range(40))
    many6 = tuple(bytes(15) + bytes([n]) for n in range(40))
    program = bpf.program(many4, many6)
    assert all(0 <= line.jump_true < 256 and 0 <= line.jump_false < 256 for line in program)
    assert len(bpf.to_bytes(program)) == 8 * len(program)
