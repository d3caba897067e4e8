# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes by where machines sleep, and needs none of them: scans, monitoring, discovery, housekeeping.

`python -m tests.net.chatter FILE` writes it as a pcap file. The same machines give the same bytes.
"""

from __future__ import annotations

import ipaddress
import random
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, LLC, STP, Dot3, Ether
from scapy.layers.ntp import NTPHeader
from scapy.layers.snmp import SNMP, SNMPget, SNMPvarbind
from scapy.packet import Packet

ALL = "ff:ff:ff:ff:ff:ff"
SCANNED = (*range(1, 21), 23, 25, 53, 110, 111, 135, 139, 143, 443, 445, 993, 3306, 3389, 5900, 6379, 8443, 9200)
_PCAP, _RECORD = struct.Struct("=IHHiIII"), struct.Struct("=IIII")
_PCAP_HEADER = _PCAP.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)  # microseconds; Ethernet


class Machine(NamedTuple):
    mac: str
    ipv4: str
    ipv6: str


def machine(number: int) -> Machine:
    return Machine(f"02:4c:00:00:00:{number:02x}", f"198.18.0.{number}", f"fd4c::{number:x}")


SERVER, ROUTER = machine(1), machine(254)
SCANNER, MONITOR, DESK, PHONE = (machine(number) for number in (201, 202, 203, 204))
SLEEPERS = tuple(machine(number) for number in (3, 4, 5))


def to_all(source: Machine, group: str = "255.255.255.255") -> Packet:
    """The headers of a broadcast or multicast packet."""
    address = ipaddress.ip_address(group)
    if address.version == 6:
        mac = "33:33:" + address.packed[12:].hex(":")
        return Ether(src=source.mac, dst=mac) / IPv6(src=source.ipv6, dst=group, hlim=255)
    last = address.packed
    mac = f"01:00:5e:{last[1] & 0x7F:02x}:{last[2]:02x}:{last[3]:02x}" if address.is_multicast else ALL
    return Ether(src=source.mac, dst=mac) / IP(src=source.ipv4, dst=group)


def to_sleepers(source: Machine) -> Iterator[tuple[Packet, Packet]]:
    """The headers of packets to each sleeper, which reach the wake server: (IPv4, IPv6)."""
    ether = Ether(src=source.mac, dst=SERVER.mac)
    for sleeper in SLEEPERS:
        yield ether / IP(src=source.ipv4, dst=sleeper.ipv4), ether / IPv6(src=source.ipv6, dst=sleeper.ipv6)


def arp_sweep() -> Iterator[Packet]:
    for host in range(1, 255):
        yield Ether(src=SCANNER.mac, dst=ALL) / ARP(hwsrc=SCANNER.mac, psrc=SCANNER.ipv4, pdst=f"198.18.0.{host}")


def solicitations() -> Iterator[Packet]:
    for host in (*range(2, 30), 200):
        target = ipaddress.ip_address(f"fd4c::{host:x}").packed
        group = ipaddress.ip_address(bytes.fromhex("ff02" + "00" * 9 + "01ff") + target[13:])
        question = ICMPv6ND_NS(tgt=f"fd4c::{host:x}") / ICMPv6NDOptSrcLLAddr(lladdr=SCANNER.mac)
        yield to_all(SCANNER, str(group)) / question


def ping_sweep() -> Iterator[Packet]:
    for number in range(20):
        for four, six in to_sleepers(SCANNER):
            yield four / ICMP(id=7, seq=number) / b"ping"
            yield six / ICMPv6EchoRequest(id=7, seq=number, data=b"ping")


def port_scan() -> Iterator[Packet]:
    """SYNs to closed ports; and to open ones what opens no connection."""
    for four, six in to_sleepers(SCANNER):
        for port in SCANNED:
            yield four / TCP(sport=40000, dport=port, flags="S")
            yield six / TCP(sport=40000, dport=port, flags="S")
        for port in (22, 80):
            for flags in ("", "F", "A", "R", "SA", "FPU"):
                yield four / TCP(sport=40001, dport=port, flags=flags)
        yield four / TCP(sport=40002, dport=80, flags="PA") / b"the rest of an old connection"


def datagrams() -> Iterator[Packet]:
    for four, six in to_sleepers(SCANNER):
        for port in (53, 69, 123, 137, 500, 1900, 5353, 33434):
            yield four / UDP(sport=40003, dport=port) / b"probe"
            yield six / UDP(sport=40003, dport=port) / b"probe"
        yield four / UDP(sport=4500, dport=4500) / b"\xff"  # NAT keepalive (RFC 3948), to a registered port


def poller() -> Iterator[Packet]:
    """A monitoring system that looks every minute: ping, SNMP, and the port of its agent."""
    what = SNMP(community="public", PDU=SNMPget(varbindlist=[SNMPvarbind(oid="1.3.6.1.2.1.1.3.0")]))
    for number in range(30):
        for four, six in to_sleepers(MONITOR):
            yield four / ICMP(id=9, seq=number)
            yield six / ICMPv6EchoRequest(id=9, seq=number)
            yield four / UDP(sport=50000 + number, dport=161) / what
            yield four / TCP(sport=50000 + number, dport=9100, flags="S")


def discovery() -> Iterator[Packet]:
    """mDNS, LLMNR, NetBIOS names, SSDP."""
    for source in (DESK, PHONE):
        for service in ("_ipp._tcp.local", "_ssh._tcp.local", "web1.local"):
            asked = DNS(rd=0, qd=DNSQR(qname=service, qtype="PTR"))
            yield to_all(source, "224.0.0.251") / UDP(sport=5353, dport=5353) / asked
            yield to_all(source, "ff02::fb") / UDP(sport=5353, dport=5353) / asked
        asked = DNS(rd=0, qd=DNSQR(qname="web1"))
        yield to_all(source, "224.0.0.252") / UDP(sport=5355, dport=5355) / asked
        yield to_all(source, "ff02::1:3") / UDP(sport=5355, dport=5355) / asked
        yield to_all(source, "198.18.255.255") / UDP(sport=137, dport=137) / bytes(50)
        search = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nST: ssdp:all\r\n\r\n'
        yield to_all(source, "239.255.255.250") / UDP(sport=50000, dport=1900) / search


def housekeeping() -> Iterator[Packet]:
    """DHCP, NTP, router advertisements and solicitations, MLD, IGMP, spanning tree, and others' own addresses."""
    for number, source in enumerate((DESK, PHONE)):
        nobody = Ether(src=source.mac, dst=ALL) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
        hardware = bytes.fromhex(source.mac.replace(":", ""))
        options = [("message-type", "discover"), ("hostname", "web1"), "end"]
        yield nobody / BOOTP(chaddr=hardware, xid=number) / DHCP(options=options)
        yield to_all(source, "ff02::1:2") / UDP(sport=546, dport=547) / DHCP6_Solicit(trid=number)
        yield to_all(source, "224.0.1.1") / UDP(sport=123, dport=123) / NTPHeader(mode=5, ref=0, orig=0, recv=0, sent=0)
        yield to_all(source, "ff02::2") / ICMPv6ND_RS()
        yield to_all(source, "ff02::16") / ICMPv6MLReport2()
        igmp = Ether(src=source.mac, dst="01:00:5e:00:00:16") / IP(src=source.ipv4, dst="224.0.0.22", proto=2, ttl=1)
        yield igmp / bytes.fromhex("2200ddff00000000")
        yield Ether(src=source.mac, dst=ALL) / ARP(op=1, hwsrc=source.mac, psrc=source.ipv4, pdst=source.ipv4)
        yield Ether(src=source.mac, dst=ALL) / ARP(op=1, hwsrc=source.mac, psrc="0.0.0.0", pdst=source.ipv4)
        own = ICMPv6ND_NA(tgt=source.ipv6, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=source.mac)
        yield to_all(source, "ff02::1") / own
        magic = b"\xff" * 6 + hardware * 16  # somebody wakes another machine than ours
        yield to_all(MONITOR) / UDP(sport=50001, dport=9) / magic
    yield to_all(ROUTER, "ff02::1") / ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=ROUTER.mac)
    yield Dot3(src=ROUTER.mac, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP()


KINDS: Mapping[str, Callable[[], Iterator[Packet]]] = {
    "ARP sweep": arp_sweep,
    "neighbour solicitations": solicitations,
    "ping sweep": ping_sweep,
    "port scan": port_scan,
    "datagrams": datagrams,
    "monitoring": poller,
    "discovery": discovery,
    "housekeeping": housekeeping,
}


def trace(seed: int = 20709) -> list[bytes]:
    """All of it, thrice over and in an order that the seed decides."""
    frames = [bytes(packet) for kind in KINDS.values() for packet in kind()] * 3
    random.Random(seed).shuffle(frames)
    return frames


def write(path: Path, frames: list[bytes]) -> None:
    """A pcap file; one frame each millisecond of its clock."""
    with path.open("wb") as file:
        file.write(_PCAP_HEADER)
        for number, frame in enumerate(frames):
            file.write(_RECORD.pack(number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)


def read(path: Path) -> Iterator[bytes]:
    """The frames of a file of `write`."""
    data, at = path.read_bytes(), _PCAP.size
    while at < len(data):
        size = _RECORD.unpack_from(data, at)[2]
        yield data[at + _RECORD.size : at + _RECORD.size + size]
        at += _RECORD.size + size


if __name__ == "__main__":
    write(Path(sys.argv[1]), trace())
