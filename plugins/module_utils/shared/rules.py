# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule about who asks for what: "10.0.0.0/8", "02:00:00:00:00:01", "udp/5000-5100", "10.0.0.0/8 tcp/22", "arp"."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple, Optional, Union

from .errors import BadMac, BadPorts, BadValue
from .mac import format_mac, mac_bytes
from .ports import Ranges, format_ports, parse_ports

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
PROTOCOLS = ("tcp", "udp")
#: The kinds of demand as [demand] names them.
KINDS = ("arp", "neighbour_solicitation", "tcp_syn", "ssh_data", "udp")
FORMS = '"198.18.9.9", "10.0.0.0/8", "02:00:00:00:00:01", "tcp/22", "udp/5000-5100", "10.0.0.0/8 tcp/22" or "arp"'


class Rule(NamedTuple):
    """None or empty: may be anything. At most one of ``mac`` and ``network`` is given, and of ports and ``kind``."""

    mac: Optional[bytes] = None
    network: Optional[Network] = None
    protocol: str = ""
    ports: Ranges = ()
    kind: str = ""

    def __str__(self) -> str:
        """Return the rule in the one form in which it is stored and compared."""
        words = []
        if self.mac is not None:
            words.append(format_mac(self.mac))
        if self.network is not None:
            whole = self.network.prefixlen == self.network.max_prefixlen
            words.append(str(self.network.network_address if whole else self.network))
        if self.protocol:
            words.append(f"{self.protocol}/{format_ports(self.ports)}")
        if self.kind:
            words.append(self.kind)
        return " ".join(words)


def parse_rule(text: str) -> Rule:
    """Read a source, a protocol with ports or a kind of demand, or both with a blank between. Raises BadValue."""
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise BadValue(f"{text!r} is no rule: write such as {FORMS}")
    source, what = (words[0], words[1]) if len(words) == 2 else ("", words[0])
    if what.lower() in KINDS:
        return (parse_source(source) if source else Rule())._replace(kind=what.lower())
    protocol, slash, ports = what.partition("/")
    if protocol.lower() not in PROTOCOLS or not slash:
        if source:
            raise BadValue(
                f"{text!r} is no rule: after the source write tcp/ or udp/ and a port, such as tcp/22, or one of "
                + ", ".join(KINDS)
            )
        return parse_source(what)
    try:
        ranges = parse_ports(ports)
    except BadPorts as error:
        raise BadValue(f"{text!r} is no rule: {error}") from None
    if not ranges:
        raise BadValue(f"{text!r} is no rule: name a port, such as {protocol}/22")
    return (parse_source(source) if source else Rule())._replace(protocol=protocol.lower(), ports=ranges)


def parse_source(text: str) -> Rule:
    """Read an address, a network or a MAC address. Raises BadValue."""
    try:
        return Rule(mac=mac_bytes(text))
    except BadMac:
        pass
    try:
        return Rule(network=ipaddress.ip_network(text))
    except ValueError as error:
        remedy = f"write such as {FORMS}"
        if "has host bits set" in str(error):
            remedy = f"write {ipaddress.ip_network(text, strict=False)}"
        raise BadValue(f"{text!r} is no address, network, MAC address or port: {remedy}") from None
