# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MAC addresses and the magic packet (AMD publication 20213, "Magic Packet Technology")."""

from __future__ import annotations

import re

from .errors import BadMac

_MAC = re.compile(r"\A[0-9A-Fa-f]{2}(?:([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}){5})\Z")
_CISCO = re.compile(r"\A[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\Z")


def mac_bytes(text: object) -> bytes:
    """Return the six bytes of a MAC address written as 02:4c:.., 02-4C-.., 024c.0000.0001 or twelve digits.

    Raises BadMac, also for multicast and all-zero addresses: no NIC has one.
    """
    if not isinstance(text, str) or not (_MAC.match(text) or _CISCO.match(text)):
        raise BadMac(f"{text!r} is no MAC address: write it as 02:4c:00:00:00:01")
    raw = bytes.fromhex(re.sub(r"[:.-]", "", text))
    if raw[0] & 1 or not any(raw):
        raise BadMac(f"{text!r} is not the address of a single NIC: give the machine's own MAC address")
    return raw


def format_mac(raw: bytes) -> str:
    """Return six bytes as 02:4c:00:00:00:01."""
    return raw.hex(":")


def normal_mac(text: object) -> str:
    """Return a MAC address in the one form in which it is stored and compared. Raises BadMac."""
    return format_mac(mac_bytes(text))


def magic_packet(mac: str, password: str | None = None) -> bytes:
    """Return the payload that wakes ``mac``: six bytes FF, the address 16 times, then the SecureOn password if any.

    ``password`` has the form of a MAC address or of an IPv4 address (4 or 6 bytes). Raises BadMac.
    """
    return b"\xff" * 6 + mac_bytes(mac) * 16 + _password_bytes(password)


def _password_bytes(password: str | None) -> bytes:
    if not password:
        return b""
    if re.match(r"\A\d{1,3}(\.\d{1,3}){3}\Z", password):
        parts = [int(part) for part in password.split(".")]
        if max(parts) < 256:
            return bytes(parts)
    elif _MAC.match(password):
        return bytes.fromhex(re.sub(r"[:-]", "", password))
    raise BadMac(
        "the SecureOn password is wrong: write six bytes as a MAC address is written, or four as an IPv4 address"
    )
