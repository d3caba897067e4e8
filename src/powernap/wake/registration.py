# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says before it sleeps: read strictly, and laid on the segments that this server hears. Pure."""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

from powernap.net.interfaces import Interface, Network, segment_of
from powernap.shared import ports
from powernap.shared.errors import BadMac, BadPorts, PowernapError
from powernap.shared.mac import format_mac, mac_bytes, magic_packet
from powernap.wake.model import Address, Sleep

ACTIONS = ("suspend", "suspend-then-hibernate", "hibernate", "hybrid-sleep", "poweroff")
_MOST = 64
_LONGEST_NAME = 64
_ALL_HOSTS = ipaddress.ip_address("255.255.255.255")
_LEASE = (60, 400 * 86400)
_WAKE_EARLIER = (0.1, 600.0)
_NO_MAC = bytes(6)
_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadBody(PowernapError):
    """A request's body that cannot be understood."""


class NoSegment(PowernapError):
    """A host that cannot be stood in for from here."""


@dataclass(frozen=True)
class Card:
    name: str
    mac: bytes
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Registration:
    """`pings`: echo requests are to be answered. `used`: whether the host was of use since it woke; None: unknown."""

    action: str
    cards: tuple[Card, ...]
    tcp: ports.Ranges
    udp: ports.Ranges
    lease_seconds: float
    password: str | None
    pings: bool = False
    used: bool | None = None


def parse(body: str | bytes) -> Registration:
    """Raises BadBody, which names the field."""
    data = parse_object(body)
    cards = data.get("interfaces")
    if not isinstance(cards, list) or not 1 <= len(cards) <= _MOST:
        raise BadBody(f"interfaces: give a list of 1 to {_MOST} interfaces, each with name, mac and addresses")
    lease = _needed(data, "lease_seconds", "the longest sleep, after which the host is woken")
    if not is_number(lease) or not _LEASE[0] <= lease <= _LEASE[1]:
        raise BadBody(f"lease_seconds: {lease!r} is no lease: give {_LEASE[0]} to {_LEASE[1]} seconds")
    action = _needed(data, "action", "what the host is about to do, such as suspend")
    if action not in ACTIONS:
        raise BadBody(f"action: {action!r} is not known: say one of {', '.join(ACTIONS)}")
    password = data.get("password")
    return Registration(
        action=action,
        cards=tuple(_card(card, number) for number, card in enumerate(cards)),
        tcp=_ports(data, "tcp_ports"),
        udp=_ports(data, "udp_ports"),
        lease_seconds=float(lease),
        password=_password(password),
        pings=bool(_flag(data, "answer_ping")),
        used=_flag(data, "used"),
    )


def parse_object(body: str | bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"the body is no JSON ({error}): send a JSON object") from error
    if not isinstance(data, dict):
        raise BadBody("the body is no JSON object: send one in braces")
    return data


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _needed(data: Mapping[str, Any], field: str, what: str) -> Any:
    """No default: a guess would let a host sleep that nobody can wake."""
    if field not in data:
        raise BadBody(f"{field}: missing: give {what}")
    return data[field]


def _flag(data: Mapping[str, Any], field: str) -> bool | None:
    value = data.get(field)
    if value is not None and not isinstance(value, bool):
        raise BadBody(f"{field}: {value!r} is neither true nor false: give one of the two, or leave it out")
    return value


def _ports(data: Mapping[str, Any], field: str) -> ports.Ranges:
    value = _needed(data, field, 'the ports that wake the host, such as "22,8000-8099", or "" for none')
    try:
        return _ranges(value) if isinstance(value, str) else ports.parse_ports(value)
    except BadPorts as error:
        raise BadBody(f"{field}: {error}") from error


@lru_cache(maxsize=256)
def _ranges(text: str) -> ports.Ranges:
    return ports.parse_ports(text)


def _password(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadBody("password: give the SecureOn password as text, or null")
    try:
        magic_packet("02:00:00:00:00:01", value)
    except BadMac as error:
        raise BadBody(f"password: {error}") from error
    return value


def _card(value: object, number: int) -> Card:
    field = f"interfaces[{number}]"
    if not isinstance(value, dict):
        raise BadBody(f"{field}: give an object with name, mac and addresses")
    try:
        mac = mac_bytes(value.get("mac"))
    except BadMac as error:
        raise BadBody(f"{field}.mac: {error}") from error
    name = value.get("name", "")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise BadBody(f"{field}.name: give the interface's name as text")
    addresses = value.get("addresses", [])
    if not isinstance(addresses, list) or len(addresses) > _MOST:
        raise BadBody(f"{field}.addresses: give a list of at most {_MOST} addresses with prefix, such as 198.18.0.3/16")
    for address in addresses:
        ip = parse_address(address, f"{field}.addresses")
        if ip.is_multicast or ip.is_loopback or ip.is_unspecified or ip == _ALL_HOSTS:
            raise BadBody(f"{field}.addresses: {ip} is no host's own address: leave it out")
    return Card(name, mac, tuple(addresses))


def parse_address(value: object, field: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """`value` may have a prefix length. Raises BadBody."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return _ip(value)
    except ValueError as error:
        raise BadBody(f"{field}: {value!r} is no IP address: write it as 198.18.0.3/16 or fd4c::3/64") from error


@lru_cache(maxsize=256)
def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Each is read several times on its way: checked, laid on a segment, written. Raises ValueError."""
    address, slash, length = text.partition("/")
    ip = ipaddress.ip_address(address)
    if slash and not (length.isascii() and length.isdigit() and int(length) <= ip.max_prefixlen):
        return ipaddress.ip_interface(text).ip  # an IPv4 netmask, or nothing that is understood
    return ip


def resolve(registration: Registration, interfaces: Iterable[Interface], now: float, slept: float = 0.0) -> Sleep:
    """The sleep as it concerns this server; `slept`: seconds of the lease that are over. Raises NoSegment.

    A link-local address lies on every segment: it goes where its card's other addresses are.
    """
    here = tuple(interfaces)
    own, not_hosts = _nobodys(tuple(interface.networks for interface in here))
    found: list[Address] = []
    for card in registration.cards:
        if any(card.mac == interface.mac for interface in here):
            raise NoSegment(f"{format_mac(card.mac)} is this wake server's own card: give the host one of its own")
        ips = [_ip(text) for text in card.addresses]
        for ip in ips:
            if ip in own:
                raise NoSegment(f"{ip} is this wake server's own address: give the host another one")
            if ip in not_hosts:
                raise NoSegment(f"{ip} stands for a whole network and is no host's own: give the host another address")
        found += _lay(card.mac, ips, here)
    if not found:
        theirs = ", ".join(text for card in registration.cards for text in card.addresses) or "it has none"
        ours = "; ".join(f"{i.name}: {', '.join(str(n.network) for n in i.networks)}" for i in here) or "none at all"
        raise NoSegment(
            f"none of its addresses ({theirs}) lies on a segment that this wake server hears ({ours}): give the wake "
            "server an interface there, or the host another wake server"
        )
    wake_by, lease_ends = lease(registration, now, slept)
    return Sleep(
        action=registration.action,
        addresses=tuple(dict.fromkeys(found)),
        macs=tuple(dict.fromkeys(card.mac for card in registration.cards)),
        tcp=registration.tcp,
        udp=registration.udp,
        password=registration.password,
        lease_ends=lease_ends,
        wake_by=wake_by,
        pings=registration.pings,
    )


@lru_cache(maxsize=4)
def _nobodys(networks: tuple[tuple[Network, ...], ...]) -> tuple[frozenset[_Ip], frozenset[_Ip]]:
    """This server's own addresses, and those that stand for whole networks."""
    every = [network for each in networks for network in each]
    nets = [each.network for each in every if each.version == 4 and each.network.prefixlen < 31]
    return (
        frozenset(each.ip for each in every),
        frozenset(ip for net in nets for ip in (net.network_address, net.broadcast_address)),
    )


def lease(registration: Registration, now: float, slept: float = 0.0) -> tuple[float, float]:
    """When the host is to be woken because its lease ends, and when it ends."""
    left = max(0.0, registration.lease_seconds - slept)
    margin = min(registration.lease_seconds * _WAKE_EARLIER[0], _WAKE_EARLIER[1])
    return now + max(0.0, left - margin), now + left


def locate(addresses: Iterable[str], macs: tuple[bytes, ...], interfaces: Iterable[Interface]) -> tuple[Address, ...]:
    """Where the addresses lie that an administrator gave for a host; those that lie nowhere here are left out."""
    ips = [_ip(text) for text in addresses]
    return tuple(_lay(macs[0] if len(macs) == 1 else _NO_MAC, ips, tuple(interfaces)))


def _lay(
    mac: bytes, ips: list[ipaddress.IPv4Address | ipaddress.IPv6Address], interfaces: tuple[Interface, ...]
) -> list[Address]:
    segments = {ip: segment_of(ip.packed, interfaces) for ip in ips}
    main = next((segment for segment in segments.values() if segment is not None), None)
    found = []
    for ip, segment in segments.items():
        where = main if ip.is_link_local else segment
        if where is not None and not ip.is_multicast and not ip.is_loopback:
            found.append(Address(where.name, ip.packed, mac))
    return found
