# SPDX-License-Identifier: GPL-3.0-or-later
"""How keys and values lie in the kernel's tables. Pure. Numbers in the machine's order, addresses as on the wire."""

from __future__ import annotations

import functools
import ipaddress
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace

from powernap.shared.ports import Ranges
from powernap.wake.path.base import Alike, Done, Entry, Ignored, Key, Unwelcome

#: Of all that follows and of what the programs mean by it. Pins of another version are thrown away.
VERSION = 4

# Flags of an entry
ANSWERS, FIRES, ON_QUESTION, PINGS, MORE_TCP, MORE_UDP = 1, 2, 4, 8, 16, 32
#: Above them: the password's bytes.
_PASSWORD_LENGTH = 8
# Flags of a card
OWN = 1

KEY = struct.Struct("=IHH16s")
_IP_AT = KEY.size - 16
#: Port ranges of each protocol that fit; where there are more, the daemon judges.
RANGES = 8
TOLD = 4
_NO_RANGE = (0xFFFF, 0)
_RANGES = struct.Struct(f"={2 * RANGES}H")
_DID = struct.Struct(f"=QQQQQQII{8 * TOLD}s")  # host, since, answered, fired, asked, window, count, told
_MAC, _PASSWORD = struct.Struct("=6sH"), struct.Struct("=6sH")
# The same but for what is done: what differs from host to host, and what follows it.
_OWN, _FLAGS = struct.Struct(f"=QQ{_DID.size - 16}x6s"), struct.Struct("=H")
ENTRY_BYTES = _DID.size + _MAC.size + _PASSWORD.size + 2 * _RANGES.size

# Places in an entry
HOST, SINCE, ANSWERED, FIRED_AT, ASKED_AT, WINDOW_AT, WINDOW_COUNT, TOLD_COUNT, TOLD_AT = (
    0,
    8,
    16,
    24,
    32,
    40,
    48,
    52,
    56,
)
MAC_AT = _DID.size
FLAGS_AT = MAC_AT + 6
PASSWORD_AT = MAC_AT + _MAC.size
GATE_AT = PASSWORD_AT + 6
TCP_AT = PASSWORD_AT + _PASSWORD.size
UDP_AT = TCP_AT + _RANGES.size

#: Keys of cards and of the presence ledger: a MAC address.
MAC = struct.Struct("=6s2x")
CARD = struct.Struct("=QQII")  # host, window, count, flags
CARD_WINDOW_AT, CARD_COUNT, CARD_FLAGS = 8, 16, 20
STAMP = struct.Struct("=Q")
#: Of a segment: our MAC there, and the IPv6 address that advertisements come from (zeros: the sleeper's own).
SEGMENT = struct.Struct("=6s2x16s")
INDEX = struct.Struct("=I")
#: The sieve: a bit for each address that has an entry, shared with others.
SIEVE_BITS = 24
SIEVE_BYTES = 1 << (SIEVE_BITS - 3)
SIEVE_4, SIEVE_6_HIGH, SIEVE_6 = 0x9E377, 0x1B873593CC9E2D51, 0x1E3779B97F4A7C15
_SIEVE_MASK, _64_BITS = (1 << SIEVE_BITS) - 1, (1 << 64) - 1
#: Who asks: 4 or 6 and an address; or 1 and a MAC. In the trie of those who are trusted a prefix length comes first.
ASKER = struct.Struct("=I16s")
TRUSTED = struct.Struct("=II16s")
#: Who is refused: source, kind of a flow (or ANY), port as on the wire, bytes of the address.
REFUSED = struct.Struct("=16sI2sH")
#: Of those who are refused until then, or have spent their wakes until then (ns); what of theirs was ignored: how
#: often, and of the last time: when, the host, kind and port as on the wire.
UNTIL = struct.Struct("=QQQQI2s2x")
IGNORED, LAST_AT, LAST_HOST, LAST_KIND, LAST_PORT = 8, 16, 24, 32, 36
ANY = 255
_KINDS = {"question": 0, "tcp": 6, "udp": 17, "": ANY}
_PROTOCOLS = {kind: protocol for protocol, kind in _KINDS.items()}
_FOR_EVER = (1 << 63) - 1
#: A flow: source, destination, both ports as on the wire, kind.
FLOW = struct.Struct("=16s16s4sI")
#: Nanoseconds for one more wake by a source, and those that it may have saved; 0: no limit.
SETTINGS = struct.Struct("=QQ")

COUNTERS = (
    "answered",
    "pings answered",
    "fired",
    "passed",
    "held off",
    "over the limit",
    "refused",
    "truncated",
    "malformed",
    "not sent",
)
COUNTERS_BYTES = 8 * len(COUNTERS)


def pack_key(key: Key) -> bytes:
    return KEY.pack(key.interface, key.vlan, len(key.ip), key.ip)


def unpack_key(data: bytes) -> Key:
    interface, vlan, length, ip = KEY.unpack(data)
    return Key(interface, vlan, ip[:length])


def sieve_bits(ips: bytes, length: int) -> Iterator[int]:
    """Of addresses of that length, one behind the other."""
    if length != 4:
        return (sieve_bit(ips[at : at + length]) for at in range(0, len(ips), length))
    numbers = array("I", ips)
    if sys.byteorder == "little":
        numbers.byteswap()
    return ((number + (number >> SIEVE_BITS) * SIEVE_4) & _SIEVE_MASK for number in numbers)


def sieve_bit(ip: bytes) -> int:
    """IPv4 addresses of one network lie side by side, and each has a bit of its own."""
    if len(ip) == 4:
        number = int.from_bytes(ip, "big")
        return (number + (number >> SIEVE_BITS) * SIEVE_4) & _SIEVE_MASK
    high, low = int.from_bytes(ip[:8], sys.byteorder), int.from_bytes(ip[8:], sys.byteorder)
    return ((high * SIEVE_6_HIGH + low) * SIEVE_6 & _64_BITS) >> (64 - SIEVE_BITS)


def pack_entry(entry: Entry, now: int) -> bytes:
    """`now`: CLOCK_BOOTTIME, ns: an owner that was seen before does not count."""
    does = entry.answers, entry.fires, entry.on_question, entry.pings
    common = _common(*does, entry.tcp, entry.udp, entry.password, entry.gate)
    return _OWN.pack(entry.host, now, entry.mac) + common


def pack_alike(alike: Alike, now: int) -> tuple[bytes, bytes]:
    """All keys, and all values, one behind the other."""
    count = len(alike.hosts)
    keys = bytearray(pack_key(Key(alike.interface, 0, bytes(alike.length))) * count)
    _spread(keys, KEY.size, _IP_AT, alike.ips, alike.length)
    values = bytearray(pack_entry(replace(alike.entry, host=0, mac=bytes(6)), now) * count)
    _spread(values, ENTRY_BYTES, HOST, _numbers(alike.hosts), 8)
    _spread(values, ENTRY_BYTES, MAC_AT, alike.macs, 6)
    return bytes(keys), bytes(values)


def pack_cards(macs: Sequence[bytes], hosts: Sequence[int]) -> tuple[bytes, bytes]:
    """The same of cards."""
    values = bytearray(CARD.size * len(hosts))
    _spread(values, CARD.size, 0, _numbers(hosts), 8)
    return b"".join(mac + b"\0\0" for mac in macs), bytes(values)


def _numbers(hosts: Sequence[int]) -> bytes:
    return array("Q", hosts).tobytes()


def _spread(into: bytearray, size: int, at: int, pieces: bytes, length: int) -> None:
    """Piece after piece into byte `at` of each record of that size. A slice for each byte: no step for each record."""
    for place in range(length):
        into[at + place :: size] = pieces[place::length]


@functools.lru_cache(maxsize=1024)
def _common(
    answers: bool, fires: bool, on_question: bool, pings: bool, tcp: Ranges, udp: Ranges, password: bytes, gate: int
) -> bytes:
    """What is the same for many hosts: flags, password, gate, ports."""
    flags = answers * ANSWERS | fires * FIRES | on_question * ON_QUESTION | pings * PINGS
    flags |= (len(tcp) > RANGES) * MORE_TCP | (len(udp) > RANGES) * MORE_UDP
    flags |= len(password) << _PASSWORD_LENGTH
    packed_password = _PASSWORD.pack(password, gate)
    return _FLAGS.pack(flags) + packed_password + _pack_ranges(tcp) + _pack_ranges(udp)


def keep(value: bytes, before: bytes | None) -> bytes:
    """The value with what was done before, where that was for the same host."""
    if before is None or before[:8] != value[:8]:
        return value
    return value[:ANSWERED] + before[ANSWERED:MAC_AT] + value[MAC_AT:]


def unpack_entry(value: bytes) -> Entry:
    """The entry as it was put, but for port ranges beyond those that fit."""
    mac, flags = _MAC.unpack_from(value, MAC_AT)
    password, gate = _PASSWORD.unpack_from(value, PASSWORD_AT)
    return Entry(
        host=STAMP.unpack_from(value)[0],
        mac=mac,
        answers=bool(flags & ANSWERS),
        fires=bool(flags & FIRES),
        on_question=bool(flags & ON_QUESTION),
        pings=bool(flags & PINGS),
        tcp=_unpack_ranges(value, TCP_AT),
        udp=_unpack_ranges(value, UDP_AT),
        password=password[: flags >> _PASSWORD_LENGTH],
        gate=gate,
    )


def unpack_done(value: bytes, owner_seen: int) -> Done:
    """`owner_seen`: when (ns) a card of the host last sent, 0 for never."""
    _host, since, answered, fired, _asked, _window, _count, told, macs = _DID.unpack_from(value)
    cards = tuple(macs[8 * place : 8 * place + 6] for place in range(min(told, TOLD)))
    return Done(
        answered=answered,
        fired_at=fired / 1e9,
        owner_seen=owner_seen / 1e9 if owner_seen >= since else 0.0,
        told=cards,
        told_more=told > TOLD,
    )


def _pack_ranges(ranges: Ranges) -> bytes:
    fit = ranges[:RANGES]
    return _RANGES.pack(*(port for pair in fit for port in pair), *_NO_RANGE * (RANGES - len(fit)))


def _unpack_ranges(value: bytes, at: int) -> Ranges:
    numbers = _RANGES.unpack_from(value, at)
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(pair for pair in pairs if pair != _NO_RANGE)


def pack_trusted(trusted: str) -> bytes:
    """A key of the trie, of a network, an address or a MAC. Raises ValueError."""
    if ":" in trusted and len(trusted) == 17 and trusted.count(":") == 5:
        return TRUSTED.pack(32 + 48, 1, bytes.fromhex(trusted.replace(":", "")))
    network = ipaddress.ip_network(trusted, strict=False)
    return TRUSTED.pack(32 + network.prefixlen, network.version, network.network_address.packed)


def pack_unwelcome(who: Unwelcome) -> bytes:
    return REFUSED.pack(who.source, _KINDS[who.protocol], who.port.to_bytes(2, "big"), len(who.source))


def unpack_unwelcome(data: bytes) -> Unwelcome:
    source, kind, port, length = REFUSED.unpack(data)
    return Unwelcome(source[:length], _PROTOCOLS[kind], int.from_bytes(port, "big"))


def pack_until(until: float, before: bytes | None) -> bytes:
    """`until`: CLOCK_BOOTTIME seconds or infinity. `before`: what was there, which is kept but for that."""
    stamp = STAMP.pack(max(0, int(until * 1e9)) if until < _FOR_EVER / 1e9 else _FOR_EVER)
    return stamp + (before or bytes(UNTIL.size))[STAMP.size :]


def unpack_ignored(value: bytes) -> Ignored:
    _until, times, last, host, kind, port = UNTIL.unpack(value)
    return Ignored(times, last / 1e9, host, _PROTOCOLS.get(kind, ""), int.from_bytes(port, "big"))


def unpack_asker(key: bytes) -> bytes:
    """A source's address."""
    family, source = ASKER.unpack(key)
    return bytes(source[: 4 if family == 4 else 16])


def pack_limit(per_minute: int) -> bytes:
    """As many new wakes in a minute for one source, and as many at once; 0: no limit."""
    interval = 60 * 10**9 // per_minute if per_minute else 0
    return SETTINGS.pack(interval, interval * max(0, per_minute - 1))
