# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that knows its sleepers, run by this machine's own kernel."""

from __future__ import annotations

import ctypes
import socket
import struct

import pytest

from powernap.net import arp, bpf, bpfset, ndp

OURS, ASKER, OWNER = (bytes.fromhex(f"024c0000000{number}") for number in (1, 9, 3))
OWN4, ASKER4 = bytes((198, 18, 0, 1)), bytes((198, 18, 0, 9))


def ip4(number: int) -> bytes:
    return bytes((10,)) + number.to_bytes(3, "big")


def ip6(number: int) -> bytes:
    return bytes.fromhex("fd4c") + bytes(10) + number.to_bytes(4, "big")


class Filter:
    """A socket pair takes the same programs as a raw socket; what goes through it is of packet type 0, to this host."""

    def __init__(self, sleepers: list[bytes], cards: list[bytes]) -> None:
        program = bpfset.program((OWN4,), (), sleepers, cards)
        assert program is not None
        self.end, self.filtered = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        code = ctypes.create_string_buffer(bpf.to_bytes(program))
        self.filtered.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(program), ctypes.addressof(code)))
        self.filtered.setblocking(False)

    def passes(self, frame: bytes) -> bool:
        self.end.send(frame)
        try:
            return self.filtered.recv(65536) == frame
        except BlockingIOError:
            return False


@pytest.fixture(scope="module")
def many() -> Filter:
    sleepers = [ip4(3 * number) for number in range(600)] + [ip6(3 * number) for number in range(600)]
    return Filter(sleepers, [b"\x02\x4c" + (5 * number).to_bytes(4, "big") for number in range(600)])


@pytest.mark.parametrize("number", range(0, 1801, 61))
def test_questions_for_sleepers_pass_and_others_do_not(many: Filter, number: int):
    asleep = number % 3 == 0 and number < 1800
    assert many.passes(arp.request(ASKER, ASKER4, ip4(number))) == asleep
    assert many.passes(arp.answer(ASKER, ip4(number), OURS, OWN4)) == asleep
    assert many.passes(ndp.solicitation(ASKER, ip6(9999), ip6(number))) == asleep
    assert many.passes(ndp.announcement(ASKER, ip6(number), ASKER, ip6(number))) == asleep


@pytest.mark.parametrize("number", [0, 5, 6, 295, 300, 2995, 3000])
def test_what_watched_cards_ask_passes(many: Filter, number: int):
    mac = b"\x02\x4c" + number.to_bytes(4, "big")
    assert many.passes(arp.request(mac, ASKER4, OWN4)) == (number % 5 == 0 and number < 3000)


def test_knocks_at_sleepers_pass_and_others_do_not(many: Filter):
    scapy = pytest.importorskip("scapy.all")

    def knock(number: int, layer: object) -> bytes:
        address = ".".join(map(str, ip4(number)))
        return bytes(scapy.Ether(src=ASKER.hex(":"), dst=OURS.hex(":")) / scapy.IP(dst=address) / layer)

    assert many.passes(knock(300, scapy.TCP(dport=80, flags="S")))
    assert many.passes(knock(300, scapy.UDP(dport=53)))
    assert many.passes(knock(300, scapy.TCP(dport=22, flags="A")))
    assert not many.passes(knock(300, scapy.TCP(dport=80, flags="A")))
    assert not many.passes(knock(300, scapy.ICMP()))
    assert not many.passes(knock(301, scapy.TCP(dport=80, flags="S")))


def test_with_no_sleeper_nothing_passes():
    empty = Filter([], [])
    assert not empty.passes(arp.request(ASKER, ASKER4, OWN4))


def test_too_many_are_refused():
    assert bpfset.program((), (), [ip4(number) for number in range(2048)], []) is None
