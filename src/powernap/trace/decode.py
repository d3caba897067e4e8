# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to what people want to know of them, by scapy. Pure, and never raises: what makes no sense is OTHER."""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether

from powernap.net import ethernet
from powernap.shared.mac import format_mac
from powernap.trace.seen import Kind, Seen

_NOBODY = ("0.0.0.0", "::")
_REQUEST, _REPLY = 1, 2
_ECHO_REQUEST = 8
_SYN, _ACK = 0x02, 0x10
_SYNCHRONISATION = b"\xff" * 6
_MAGIC_BYTES = 102


def decode(frame: bytes, time: float, interface: str = "") -> Seen:
    """`frame`: from the Ethernet header on, VLAN tags included."""
    told: dict[str, Any] = {"kind": Kind.OTHER, "protocol": "Ethernet"}
    destination, source = frame[:6].ljust(6, b"\0"), frame[6:12].ljust(6, b"\0")
    vlan = 0
    if len(frame) >= ethernet.HEADER:
        ether = Ether(frame)
        vlan = ether[Dot1Q].vlan if Dot1Q in ether else 0
        told = _magic_of_ethernet(frame) or _told(ether) or told
    return Seen(
        time,
        eth_source=format_mac(source),
        eth_destination=format_mac(destination),
        vlan=vlan,
        interface=interface,
        **told,
    )


def _told(ether: Any) -> dict[str, Any] | None:
    if ARP in ether:
        return _arp(ether[ARP])
    if IPv6 in ether:
        ip, ends = ether[IPv6], {"source": ether[IPv6].src, "target": ether[IPv6].dst}
        if ICMPv6ND_NS in ip:
            return _solicitation(ip)
        if ICMPv6ND_NA in ip:
            return _advertisement(ip)
        if ICMPv6EchoRequest in ip:
            return {"kind": Kind.ECHO, "protocol": "ICMPv6", **ends}
    elif IP in ether:
        ip, ends = ether[IP], {"source": ether[IP].src, "target": ether[IP].dst}
        if ICMP in ip:
            kind = Kind.ECHO if ip[ICMP].type == _ECHO_REQUEST else Kind.OTHER
            return {"kind": kind, "protocol": "ICMP", **ends}
    else:
        return None
    if TCP in ip:
        return {**_tcp(ip[TCP]), **ends}
    if UDP in ip:
        return {**_udp(ip[UDP]), **ends}
    return {"kind": Kind.OTHER, "protocol": "IPv6" if IPv6 in ether else "IPv4", **ends}


def _arp(arp: Any) -> dict[str, Any] | None:
    if arp.ptype != ethernet.IPV4 or arp.hwlen != 6 or arp.plen != 4 or arp.op not in (_REQUEST, _REPLY):
        return None
    told = {"protocol": "ARP", "source": arp.psrc, "target": arp.pdst, "mac": arp.hwsrc}
    if arp.psrc == arp.pdst:
        return {**told, "kind": Kind.ANNOUNCEMENT, "source": ""}
    if arp.op == _REPLY:
        return {**told, "kind": Kind.ANSWER, "source": arp.pdst, "target": arp.psrc}
    if arp.psrc in _NOBODY:
        return {**told, "kind": Kind.PROBE, "source": "", "mac": ""}
    return {**told, "kind": Kind.QUESTION, "mac": ""}


def _solicitation(ip: Any) -> dict[str, Any]:
    probe = ip.src in _NOBODY
    return {
        "kind": Kind.PROBE if probe else Kind.QUESTION,
        "protocol": "NS",
        "source": "" if probe else ip.src,
        "target": ip[ICMPv6ND_NS].tgt,
    }


def _advertisement(ip: Any) -> dict[str, Any]:
    asked = ip[ICMPv6ND_NA].S or not ip.dst.startswith("ff")
    return {
        "kind": Kind.ANSWER if asked else Kind.ANNOUNCEMENT,
        "protocol": "NA",
        "source": ip.dst if asked else "",
        "target": ip[ICMPv6ND_NA].tgt,
        "mac": ip[ICMPv6NDOptDstLLAddr].lladdr if ICMPv6NDOptDstLLAddr in ip else "",
    }


def _tcp(tcp: Any) -> dict[str, Any]:
    opens = int(tcp.flags) & (_SYN | _ACK) == _SYN
    return {
        "kind": Kind.SYN if opens else Kind.SEGMENT,
        "protocol": "TCP",
        "source_port": tcp.sport,
        "port": tcp.dport,
        "size": len(bytes(tcp.payload)),
    }


def _udp(udp: Any) -> dict[str, Any]:
    payload = bytes(udp.payload)
    told = {"protocol": "UDP", "source_port": udp.sport, "port": udp.dport, "size": len(payload)}
    return {**told, **(_magic(payload) or {"kind": Kind.DATAGRAM})}


def _magic_of_ethernet(frame: bytes) -> dict[str, Any] | None:
    at = 12
    while int.from_bytes(frame[at : at + 2], "big") in ethernet.VLAN_TAGS:
        at += 4
    if int.from_bytes(frame[at : at + 2], "big") != ethernet.MAGIC:
        return None
    return {**(_magic(frame[at + 2 :]) or {"kind": Kind.OTHER}), "protocol": "EtherType 0x0842"}


def _magic(payload: bytes) -> dict[str, Any] | None:
    """The packet may begin anywhere in the payload (AMD publication 20213)."""
    at = payload.find(_SYNCHRONISATION)
    while at >= 0:
        card = payload[at + 6 : at + 12]
        if len(card) == 6 and payload[at + 6 : at + _MAGIC_BYTES] == card * 16:
            rest = len(payload) - at - _MAGIC_BYTES
            return {"kind": Kind.MAGIC, "mac": format_mac(card), "size": len(payload), "secured": rest in (4, 6)}
        at = payload.find(_SYNCHRONISATION, at + 1)
    return None
