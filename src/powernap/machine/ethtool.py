# SPDX-License-Identifier: GPL-3.0-or-later
"""What powersave asks of a NIC by SIOCETHTOOL (linux/ethtool.h). Wake-on-LAN is not here: see wol.py.

Every function raises OSError: EOPNOTSUPP where the card cannot do it.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from dataclasses import dataclass

SIOCETHTOOL = 0x8946
GET_CHANNELS, SET_CHANNELS = 0x3C, 0x3D
GET_EEE, SET_EEE = 0x44, 0x45
GET_LINK, SET_LINK = 0x4C, 0x4D
#: struct ethtool_link_settings without its masks; the number of 32-bit words in a mask is a byte of it.
LINK = "=IIBBBBBBBbBBBB7I"
LINK_WORDS_AT = struct.calcsize("=IIBBBBBBB")
LINK_AUTONEG_AT = struct.calcsize("=IIBBB")
#: struct ethtool_eee: cmd, supported, advertised, lp_advertised, active, enabled, tx_lpi_enabled, tx_lpi_timer, 2 free.
EEE = "=10I"
#: struct ethtool_channels: cmd, 4 maxima, then rx, tx, other, combined.
CHANNELS = "=9I"


@dataclass(frozen=True)
class Link:
    """Masks of ETHTOOL_LINK_MODE_*_BIT: what the NIC offers, and what its partner does (0: not told)."""

    negotiates: bool
    advertised: int
    partner: int


def eee(interface: str) -> bool:
    """Tell whether Energy-Efficient Ethernet is on."""
    words = struct.unpack(EEE, _ask(interface, struct.pack(EEE, GET_EEE, *[0] * 9)))
    if not words[1]:
        raise OSError(errno.EOPNOTSUPP, "the card has no Energy-Efficient Ethernet")
    return bool(words[5])


def set_eee(interface: str, on: bool) -> None:
    words = list(struct.unpack(EEE, _ask(interface, struct.pack(EEE, GET_EEE, *[0] * 9))))
    words[0], words[5] = SET_EEE, int(on)
    _ask(interface, struct.pack(EEE, *words))


def queues(interface: str) -> tuple[int, ...]:
    """Return the numbers of rx, tx, other and combined queues."""
    return struct.unpack(CHANNELS, _ask(interface, struct.pack(CHANNELS, GET_CHANNELS, *[0] * 8)))[5:]


def set_queues(interface: str, counts: tuple[int, ...]) -> None:
    words = struct.unpack(CHANNELS, _ask(interface, struct.pack(CHANNELS, GET_CHANNELS, *[0] * 8)))
    _ask(interface, struct.pack(CHANNELS, SET_CHANNELS, *words[1:5], *counts))


def link(interface: str) -> Link:
    content, words = _link(interface)
    numbers = struct.unpack_from(f"={3 * words}I", content, struct.calcsize(LINK))
    _supported, advertised, partner = (
        sum(number << 32 * place for place, number in enumerate(numbers[first : first + words]))
        for first in (0, words, 2 * words)
    )
    return Link(bool(content[LINK_AUTONEG_AT]), advertised, partner)


def advertise(interface: str, modes: int) -> None:
    """Offer these modes to the partner: the link is negotiated anew."""
    content, words = _link(interface)
    changed = bytearray(content)
    struct.pack_into("=I", changed, 0, SET_LINK)
    mask = [modes >> 32 * place & 0xFFFFFFFF for place in range(words)]
    struct.pack_into(f"={words}I", changed, struct.calcsize(LINK) + 4 * words, *mask)
    _ask(interface, bytes(changed))


def _link(interface: str) -> tuple[bytes, int]:
    """The kernel first says, as a negative number, how long its masks are."""
    empty = struct.pack("=I", GET_LINK).ljust(struct.calcsize(LINK), b"\0")
    (words,) = struct.unpack_from("=b", _ask(interface, empty), LINK_WORDS_AT)
    words = abs(words)
    asked = bytearray(empty + bytes(3 * words * 4))
    struct.pack_into("=b", asked, LINK_WORDS_AT, words)
    return _ask(interface, bytes(asked)), words


def _ask(interface: str, content: bytes) -> bytes:
    buffer = array.array("B", content)
    address, _length = buffer.buffer_info()
    request = struct.pack("16sP", interface.encode(), address).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        fcntl.ioctl(channel, SIOCETHTOOL, request)
    return buffer.tobytes()
