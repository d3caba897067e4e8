# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to questions whether a machine is there, on all segments: ARP replies and neighbour advertisements alone.

The packet path passes what concerns sleepers; machines that are awake send answers that it need not pass.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from powernap.net import arp, bpf, ethernet, ndp
from powernap.net.bpf import Assembler, Instruction
from powernap.net.checksum import ICMPV6
from powernap.net.frames import parse
from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket

_log = logging.getLogger(__name__)
_BATCH = 256


def program() -> list[Instruction]:
    """What is sent to this machine's card and is an ARP reply or an advertisement (linux/filter.h)."""
    a = Assembler()
    a.put(bpf.LD_W, bpf.PACKET_TYPE)
    a.put(bpf.JEQ, bpf.PACKET_HOST, false="drop")
    a.put(bpf.LD_H, 12)
    a.put(bpf.JEQ, ethernet.ARP, false="not arp")
    a.put(bpf.LD_H, 20)
    a.put(bpf.JEQ, arp.REPLY, true="pass", false="drop")
    a.label("not arp")
    a.put(bpf.JEQ, ethernet.IPV6, false="drop")
    a.put(bpf.LD_B, 20)
    a.put(bpf.JEQ, ICMPV6, false="drop")
    a.put(bpf.LD_B, 54)
    a.put(bpf.JEQ, ndp.ADVERTISEMENT, false="drop")
    a.label("pass")
    a.put(bpf.RET, bpf.WHOLE)
    a.label("drop")
    a.put(bpf.RET, 0)
    return a.program()


class Ear:
    """`answered(segment, ip, mac, how)`: a card says that an address is its own."""

    def __init__(self, answered: Callable[[str, bytes, bytes, str], None]) -> None:
        self._answered = answered
        self._raws: dict[str, tuple[int, RawSocket]] = {}

    def follow(self, interfaces: Iterable[Interface]) -> None:
        """Listen on these, and no others."""
        wanted = {interface.name: interface.index for interface in interfaces}
        for name in [name for name, (index, _raw) in self._raws.items() if wanted.get(name) != index]:
            self._remove(name)
        for name, index in wanted.items():
            if name in self._raws:
                continue
            try:
                raw = RawSocket(name, program())
            except OSError as error:
                _log.warning("%s: cannot hear who answers (%s)", name, error.strerror)
                continue
            self._raws[name] = index, raw
            asyncio.get_running_loop().add_reader(raw.fileno(), self._read, name, raw)

    def close(self) -> None:
        for name in tuple(self._raws):
            self._remove(name)

    def _remove(self, name: str) -> None:
        _index, raw = self._raws.pop(name)
        asyncio.get_running_loop().remove_reader(raw.fileno())
        raw.close()

    def _read(self, name: str, raw: RawSocket) -> None:
        for _turn in range(_BATCH):
            try:
                captured = raw.receive()
            except OSError:
                return  # the interface went down
            if captured is None:
                return
            frame = parse(captured.frame, captured.vlan)
            if isinstance(frame, arp.Arp):
                # Another card's word for it is a wake server's, that gives an address back.
                if frame.sha == frame.eth_source:
                    self._answered(name, frame.spa, frame.sha, "ARP")
            elif isinstance(frame, ndp.Advertisement) and frame.link_address in (None, frame.eth_source):
                self._answered(name, frame.target, frame.eth_source, "ND")
