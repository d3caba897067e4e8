# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine says of itself when it asks to be known, or says hello: read strictly. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from powernap.shared.errors import BadMac
from powernap.shared.mac import format_mac, mac_bytes
from powernap.wake.registration import BadBody, parse_address

_HEX64 = re.compile(r"\A[0-9a-f]{64}\Z")
#: Such as a host name (RFC 1123), with the underscore that some have.
_NAME = re.compile(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")
_BOOT = re.compile(r"\A[0-9a-f-]{1,64}\Z")
_MOST_CARDS = 64
_LONGEST_TOKEN = 200
_LONGEST_VERSION = 64
_NO_CARD = (bytes(6), b"\xff" * 6)


@dataclass(frozen=True)
class Shown:
    """What a machine shows of itself. `machine`, `board`: HMAC-SHA256 of the machine id and the DMI UUID, or ""."""

    machine: str = ""
    board: str = ""
    boot: str = ""
    hostname: str = ""
    macs: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """`ca`: the fingerprint that the machine sees, or ""; `token`: or ""."""

    name: str
    key: str
    shown: Shown
    token: str = ""
    version: str = ""
    ca: str = ""


def asked(data: Mapping[str, Any]) -> Asked:
    """Of the body of POST /api/v1/enrol. Raises BadBody, which names the field."""
    key = data.get("key")
    if not isinstance(key, str) or not _HEX64.match(key):
        raise BadBody("key: give the key that the machine has made, 64 hex digits")
    cards = data.get("cards")
    if not isinstance(cards, list) or not cards:
        raise BadBody("cards: give a list of the machine's cards, each with name, mac and addresses")
    seen = shown(data)
    if not seen.macs:
        raise BadBody("cards: none of them has a MAC address of its own")
    return Asked(
        host_name(data.get("name")),
        key,
        seen,
        _text(data, "token", _LONGEST_TOKEN),
        _text(data, "version", _LONGEST_VERSION),
        _hex(data, "ca"),
    )


def host_name(value: object) -> str:
    """Raises BadBody."""
    if not isinstance(value, str) or not _NAME.match(value):
        said = f"{str(value)[:40]!r} is no host name"
        raise BadBody(f"name: {said}: give letters, digits, dots and hyphens, such as web1")
    return value


def shown(data: Mapping[str, Any]) -> Shown:
    """Of a hello's or an enrolment's object. Raises BadBody."""
    identity = data.get("identity") or {}
    if not isinstance(identity, dict):
        raise BadBody("identity: give an object with machine and board")
    boot = data.get("boot_id") or ""
    if not isinstance(boot, str) or (boot and not _BOOT.match(boot)):
        raise BadBody("boot_id: give the kernel's (/proc/sys/kernel/random/boot_id)")
    hostname = data.get("hostname") or ""
    if hostname and (not isinstance(hostname, str) or not _NAME.match(hostname)):
        hostname = ""  # of the machine's own making, and nothing depends on it
    macs, addresses = _cards(data.get("cards") or [])
    return Shown(_hex(identity, "machine"), _hex(identity, "board"), boot, hostname, macs, addresses)


def _cards(cards: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(cards, list) or len(cards) > _MOST_CARDS:
        raise BadBody(f"cards: give a list of at most {_MOST_CARDS} cards, each with name, mac and addresses")
    macs: list[str] = []
    addresses: list[str] = []
    for number, card in enumerate(cards):
        if not isinstance(card, dict):
            raise BadBody(f"cards[{number}]: give an object with name, mac and addresses")
        try:
            mac = mac_bytes(card.get("mac"))
        except BadMac as error:
            raise BadBody(f"cards[{number}].mac: {error}") from None
        own = card.get("addresses") or []
        if not isinstance(own, list) or len(own) > _MOST_CARDS:
            raise BadBody(f"cards[{number}].addresses: give a list of at most {_MOST_CARDS} addresses with prefix")
        if mac not in _NO_CARD and not mac[0] & 1:
            macs.append(format_mac(mac))
        for address in own:
            ip = parse_address(address, f"cards[{number}].addresses")
            if not (ip.is_multicast or ip.is_loopback or ip.is_unspecified):
                addresses.append(address)
    return tuple(dict.fromkeys(macs)), tuple(dict.fromkeys(addresses))


def _hex(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field) or ""
    if not isinstance(value, str) or (value and not _HEX64.match(value)):
        raise BadBody(f"{field}: give 64 hex digits, or leave it out")
    return value


def _text(data: Mapping[str, Any], field: str, longest: int) -> str:
    value = data.get(field) or ""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise BadBody(f"{field}: give a text of at most {longest} characters, or leave it out")
    return value
