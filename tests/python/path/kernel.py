# SPDX-License-Identifier: GPL-3.0-or-later
"""The two programs, run by the kernel on frames that are on no network, and what Python says of the same frames."""

from __future__ import annotations

import struct
import time

from powernap.machine import ebpf
from powernap.machine.ebpf_links import try_out
from powernap.net import arp, echo, ethernet, frames, ip, ndp
from powernap.net.checksum import is_valid
from powernap.shared.ports import contains
from powernap.wake.path import layout
from powernap.wake.path.base import Done, Entry, Key
from powernap.wake.path.ingress import MAGIC_BYTES, NEXT, Ingress
from powernap.wake.path.sieve import Sieve
from powernap.wake.path.tables import Tables
from powernap.wake.path.tap import Tap

#: A frame that is tried out comes from the loopback interface, whose own MAC is zeros.
LOOPBACK = 1
HERE = bytes(6)
OURS = bytes.fromhex("024c00000001")
OWNER, ASKER, OTHER = (bytes.fromhex(f"024c0000000{number}") for number in (3, 9, 8))
SLEEPER4, ASKER4, OTHER4 = bytes((198, 18, 0, 3)), bytes((198, 18, 0, 9)), bytes((198, 18, 0, 8))
SLEEPER6, ASKER6 = bytes.fromhex("fd4c" + 13 * "00" + "03"), bytes.fromhex("fd4c" + 13 * "00" + "09")
HOST = 7
ENTRY = Entry(HOST, OWNER, True, True, False, True, ((22, 22), (8000, 8099)), ((53, 53),), b"secret")
REDIRECT = 7
_SHORTEST = {b"\x08\x00": 34, b"\x86\xdd": 54}


def forbidden() -> str:
    """Why eBPF cannot be used here; "" where it can."""
    try:
        Tables(None).close()
    except OSError as error:
        return f"eBPF: {error.strerror}"
    return ""


class Kernel:
    def __init__(self) -> None:
        self.tables = Tables(None)
        self.sieve = Sieve(self.tables["sieve"], fresh=True)
        self.sleepers: list[bytes] = []
        files = self.tables.files()
        self.tables["segments"].update(layout.INDEX.pack(LOOPBACK), layout.SEGMENT.pack(OURS, bytes(16)))
        self.tables["cards"].update(layout.MAC.pack(OURS), layout.CARD.pack(0, 0, 0, layout.OWN))
        self._ingress = ebpf.Program(ebpf.SCHED_CLS, Ingress(files).build())
        self._taps = {acts: ebpf.Program(ebpf.SOCKET_FILTER, Tap(files, acts).build()) for acts in (False, True)}

    def put(self, entry: Entry | None, *addresses: bytes) -> None:
        """As if these were the only addresses, and nothing had happened yet."""
        for name in ("entries", "flows", "awake", "askers", "refused"):
            for key, _value in self.tables[name].items():
                self.tables[name].delete(key)
        self.tables["cards"].delete(layout.MAC.pack(OWNER))
        if entry is not None:
            self.tables["cards"].update(layout.MAC.pack(OWNER), layout.CARD.pack(entry.host, 0, 0, 0))
            value = layout.pack_entry(entry, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
            self.sieve.renew(addresses or (SLEEPER4, SLEEPER6))
            for ip_address in addresses or (SLEEPER4, SLEEPER6):
                self.tables["entries"].update(layout.pack_key(Key(LOOPBACK, 0, ip_address)), value)

    def done(self, address: bytes) -> Done:
        value = self.tables["entries"].lookup(layout.pack_key(Key(LOOPBACK, 0, address)))
        assert value is not None
        seen = self.tables["awake"].lookup(value[:8])
        return layout.unpack_done(value, layout.STAMP.unpack(seen)[0] if seen else 0)

    def age(self, address: bytes, seconds: float) -> None:
        """What the kernel noted of the address was so much earlier."""
        key = layout.pack_key(Key(LOOPBACK, 0, address))
        value = bytearray(self.tables["entries"].lookup(key) or b"")
        for place in (layout.FIRED_AT, layout.ASKED_AT, layout.WINDOW_AT):
            (at,) = layout.STAMP.unpack_from(value, place)
            layout.STAMP.pack_into(value, place, max(0, at - int(seconds * 1e9)))
        self.tables["entries"].update(key, bytes(value))

    def ingress(self, frame: bytes) -> bytes | None:
        """What is sent back, None where the frame goes on as it is."""
        if len(frame) < _SHORTEST.get(frame[12:14], 15):  # the kernel makes no trial of those
            return None
        verdict, after, _duration = try_out(self._ingress, frame)
        if verdict == REDIRECT:
            return after
        assert verdict == NEXT & 0xFFFFFFFF, verdict
        assert after == frame
        return None

    def passes(self, frame: bytes, acts: bool = True) -> bool:
        # For a socket filter the kernel takes off an Ethernet header, so it gets another one: to this host.
        verdict, _after, _duration = try_out(self._taps[acts], bytes(12) + b"\x88\xb5" + frame)
        return verdict != 0

    def close(self) -> None:
        self.sieve.close()
        self.tables.close()


def magic_frame(entry: Entry) -> bytes:
    pattern = b"\xff" * 6 + entry.mac * 16 + entry.password.ljust(6, b"\0")
    frame = ethernet.header(ethernet.BROADCAST, OURS, ethernet.MAGIC) + 2 * pattern
    assert len(frame) == MAGIC_BYTES
    return frame


def is_demand(packet: ip.Packet, entry: Entry) -> bool:
    if packet.protocol == 17:
        return contains(entry.udp, packet.port) and (packet.first or packet.payload != b"\xff")
    types = packet.port == 22 and packet.payload and not packet.flags & (ip.SYN | ip.RST | ip.FIN)
    return contains(entry.tcp, packet.port) and bool(packet.opens or types)


def expected(frame: bytes, entry: Entry) -> bytes | None:
    """What the ingress is to send back for a frame, as powernap.net understands it; padding is left off."""
    parsed = frames.parse(frame)
    if isinstance(parsed, arp.Arp):
        asks = parsed.operation == arp.REQUEST and parsed.spa not in (arp.NO_ADDRESS, parsed.tpa)
        if asks and parsed.tpa == SLEEPER4 and parsed.sha != OWNER and parsed.eth_source != OURS:
            return arp.answer(OURS, SLEEPER4, parsed.sha, parsed.spa)
    elif isinstance(parsed, ndp.Solicitation):
        usual = struct.unpack_from("!H", frame, 18) == (32,) and parsed.link_address is not None
        usual = usual and not parsed.link_address[0] & 1 and parsed.source != ndp.UNSPECIFIED
        if usual and parsed.target == SLEEPER6 and parsed.eth_source not in (OWNER, OURS):
            return ndp.answer(OURS, SLEEPER6, SLEEPER6, parsed.link_address, parsed.source)
    elif isinstance(parsed, ip.Packet):
        if parsed.destination in (SLEEPER4, SLEEPER6) and parsed.eth_source not in (OWNER, OURS):
            for_us = parsed.eth_destination in (HERE, OWNER)
            plain = frame[14] == 0x45 or frame[12:14] != b"\x08\x00"
            return magic_frame(entry) if for_us and plain and is_demand(parsed, entry) else None
    elif isinstance(parsed, ip.Echo):
        return _echoed(frame)
    return None


def _echoed(frame: bytes) -> bytes | None:
    if frame[6:12] in (OWNER, OURS) or frame[6] & 1 or frame[:6] not in (HERE, OWNER):
        return None
    plain = frame[14] == 0x45 and frame[30:34] == SLEEPER4 and is_valid(frame[14:34])
    if frame[12:14] == b"\x08\x00" and not plain:
        return None
    if frame[12:14] == b"\x86\xdd" and frame[38:54] != SLEEPER6:
        return None
    return echo.reply(frame, OURS)
