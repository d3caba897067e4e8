# SPDX-License-Identifier: GPL-3.0-or-later
"""Every frame that we build is dissected by scapy as it is meant, and what scapy builds is read as it is meant."""

from __future__ import annotations

import ipaddress

import pytest

from powernap.net import arp, ethernet, frames, ip, magic, ndp
from powernap.net.checksum import UDP

scapy = pytest.importorskip("scapy.all")

PROXY, OWNER, DESK = (bytes.fromhex(text) for text in ("024c00000001", "024c00000003", "024c00000009"))
WEB4, DESK4 = bytes([198, 18, 0, 3]), bytes([198, 18, 0, 9])
WEB6, DESK6, LL6 = (ipaddress.ip_address(text).packed for text in ("fd4c::3", "fd4c::9", "fe80::4c:ff:fe00:1"))


def mac(raw: bytes) -> str:
    return raw.hex(":")


def test_arp_request_and_probe_and_announcement() -> None:
    seen = scapy.Ether(arp.request(PROXY, DESK4, WEB4))
    assert (seen.dst, seen.src, seen[scapy.ARP].op) == ("ff:ff:ff:ff:ff:ff", mac(PROXY), 1)
    assert (seen[scapy.ARP].hwsrc, seen[scapy.ARP].psrc, seen[scapy.ARP].pdst) == (
        mac(PROXY),
        "198.18.0.9",
        "198.18.0.3",
    )
    assert scapy.Ether(arp.request(PROXY, arp.NO_ADDRESS, WEB4))[scapy.ARP].psrc == "0.0.0.0"
    back = scapy.Ether(arp.announcement(PROXY, OWNER, WEB4))
    assert (back.src, back[scapy.ARP].op, back[scapy.ARP].hwsrc) == (mac(PROXY), 1, mac(OWNER))
    assert back[scapy.ARP].psrc == back[scapy.ARP].pdst == "198.18.0.3"


def test_arp_answer_goes_to_the_asker_alone() -> None:
    seen = scapy.Ether(arp.answer(PROXY, WEB4, DESK, DESK4))
    assert (seen.dst, seen[scapy.ARP].op, seen[scapy.ARP].hwdst, seen[scapy.ARP].pdst) == (
        mac(DESK),
        2,
        mac(DESK),
        "198.18.0.9",
    )
    assert (seen[scapy.ARP].hwsrc, seen[scapy.ARP].psrc) == (mac(PROXY), "198.18.0.3")


def _right_checksum(frame: bytes, layer: object, field: str = "cksum") -> bool:
    seen = scapy.Ether(frame)
    given = getattr(seen[layer], field)
    delattr(seen[layer], field)
    return bool(getattr(scapy.Ether(bytes(seen))[layer], field) == given)


def test_neighbour_solicitation() -> None:
    frame = ndp.solicitation(PROXY, LL6, WEB6)
    seen = scapy.Ether(frame)
    assert (seen.dst, seen[scapy.IPv6].dst, seen[scapy.IPv6].hlim) == ("33:33:ff:00:00:03", "ff02::1:ff00:3", 255)
    assert seen[scapy.ICMPv6ND_NS].tgt == "fd4c::3"
    assert seen[scapy.ICMPv6NDOptSrcLLAddr].lladdr == mac(PROXY)
    assert _right_checksum(frame, scapy.ICMPv6ND_NS)
    assert scapy.Ether(ndp.solicitation(PROXY, LL6, WEB6, OWNER)).dst == mac(OWNER)
    assert scapy.ICMPv6NDOptSrcLLAddr not in scapy.Ether(ndp.solicitation(PROXY, ndp.UNSPECIFIED, WEB6))


@pytest.mark.parametrize(
    ("asker", "to_mac", "to", "solicited"),
    [(DESK6, mac(DESK), "fd4c::9", 1), (ndp.UNSPECIFIED, "33:33:00:00:00:01", "ff02::1", 0)],
)
def test_neighbour_advertisement_as_answer(asker: bytes, to_mac: str, to: str, solicited: int) -> None:
    frame = ndp.answer(PROXY, LL6, WEB6, DESK, asker)
    seen = scapy.Ether(frame)
    advertisement = seen[scapy.ICMPv6ND_NA]
    assert (seen.dst, seen[scapy.IPv6].dst, seen[scapy.IPv6].hlim) == (to_mac, to, 255)
    assert (advertisement.tgt, advertisement.R, advertisement.S, advertisement.O) == ("fd4c::3", 0, solicited, 1)
    assert seen[scapy.ICMPv6NDOptDstLLAddr].lladdr == mac(PROXY)
    assert _right_checksum(frame, scapy.ICMPv6ND_NA)


def test_an_ipv6_address_given_back_names_the_owner_but_comes_from_the_proxy() -> None:
    seen = scapy.Ether(ndp.announcement(PROXY, LL6, OWNER, WEB6))
    assert (seen.src, seen.dst) == (mac(PROXY), "33:33:00:00:00:01")
    assert seen[scapy.ICMPv6NDOptDstLLAddr].lladdr == mac(OWNER)
    assert (seen[scapy.ICMPv6ND_NA].S, seen[scapy.ICMPv6ND_NA].O) == (0, 1)


def test_magic_frames() -> None:
    payload = b"\xff" * 6 + OWNER * 16
    raw = scapy.Ether(magic.ethernet_frame(payload, PROXY, OWNER))
    assert (raw.dst, raw.src, raw.type, bytes(raw.payload)) == (mac(OWNER), mac(PROXY), 0x0842, payload)
    frame = magic.udp_frame(payload, PROXY, DESK4, 9)
    seen = scapy.Ether(frame)
    assert (seen.dst, seen[scapy.IP].dst, seen[scapy.UDP].dport) == ("ff:ff:ff:ff:ff:ff", "255.255.255.255", 9)
    assert bytes(seen[scapy.UDP].payload) == payload
    assert _right_checksum(frame, scapy.IP, "chksum")
    assert _right_checksum(frame, scapy.UDP, "chksum")


def test_what_we_build_we_read() -> None:
    assert frames.parse(arp.request(DESK, DESK4, WEB4)) == arp.Arp(
        DESK, ethernet.BROADCAST, arp.REQUEST, DESK, DESK4, ethernet.ZERO, WEB4
    )
    assert frames.parse(ndp.solicitation(DESK, DESK6, WEB6)) == ndp.Solicitation(DESK, DESK6, WEB6, DESK)
    assert frames.parse(ndp.answer(PROXY, LL6, WEB6, DESK, DESK6)) == ndp.Advertisement(
        PROXY, LL6, WEB6, PROXY, True, True
    )


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_and_udp_of_scapy(version: int) -> None:
    layer = scapy.IP(src="198.18.0.9", dst="198.18.0.3") if version == 4 else scapy.IPv6(src="fd4c::9", dst="fd4c::3")
    ether = scapy.Ether(src=mac(DESK), dst=mac(PROXY))
    syn = frames.parse(bytes(ether / layer / scapy.TCP(sport=50000, dport=80, flags="S")))
    assert isinstance(syn, ip.Packet)
    assert syn.opens and (syn.source_port, syn.port, syn.eth_source) == (50000, 80, DESK)
    assert syn.destination == (WEB4 if version == 4 else WEB6)
    for flags in ("SA", "A", "SR", "SF", "F", "R"):
        other = frames.parse(bytes(ether / layer / scapy.TCP(sport=50000, dport=80, flags=flags)))
        assert isinstance(other, ip.Packet) and not other.opens
    udp = frames.parse(bytes(ether / layer / scapy.UDP(sport=5, dport=161) / b"\xff"))
    assert isinstance(udp, ip.Packet)
    assert (udp.protocol, udp.port, udp.payload) == (UDP, 161, b"\xff")


def test_an_ethernet_trailer_is_no_payload() -> None:
    packet = scapy.Ether(src=mac(DESK), dst=mac(PROXY)) / scapy.IP(src="198.18.0.9") / scapy.UDP(dport=5) / b"x"
    read = frames.parse(bytes(packet) + bytes(18))
    assert isinstance(read, ip.Packet) and read.payload == b"x"
