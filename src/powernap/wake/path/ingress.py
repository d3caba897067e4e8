# SPDX-License-Identifier: GPL-3.0-or-later
"""The program at an interface's ingress: it answers questions for sleepers, and sends the first magic packet.

It rewrites the very frame that it answers and sends it back by the same interface; such a frame goes no further. What
it does not handle goes on untouched.
"""

from __future__ import annotations

from powernap.machine import ebpf_assembler as asm
from powernap.machine.ebpf_assembler import BYTE, DOUBLE, HALF, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, WORD
from powernap.wake.path import layout
from powernap.wake.path.code import FRAME, INTERFACE, KEY, L4, NOW, SECOND, VALUE, VERDICT, wire
from powernap.wake.path.reading import Reading

#: Verdicts of tcx and tc: the next program, or the network stack; the end of the frame. bpf_redirect gives a third one.
NEXT, DROP = -1, 2
_SEGMENT, _MAGIC = -280, -408
_HEADER = 14
_PATTERN = 6 + 16 * 6
_PASSWORD = 6
#: The frame has the pattern twice: where the asking frame's checksum is left to the card, which then writes two bytes
#: into what was TCP or UDP, one of the two stays whole.
MAGIC_BYTES = _HEADER + 2 * (_PATTERN + _PASSWORD)
_NS_BYTES = 86
_TTL = 64


class Ingress(Reading):
    echoes = True

    def build(self) -> bytes:
        self.copy(R6, R1)
        self.store_value(WORD, R10, VERDICT, NEXT)
        self.sender()
        self.by_ethertype()
        self.read()
        self._solicited()
        self._asked()
        self._wake()
        self._echoes()
        for counter in ("truncated", "malformed", "over the limit", "not sent"):
            self.ends(counter, counter)
        for label in ("leave", "nothing", "owner", "probe", "watched", "other"):
            self.label(label)
        self.leave()
        return super().build()

    def leave(self) -> None:
        self.at(WORD, R0, VERDICT)
        self.exit()

    def check_header4(self) -> None:
        """One with options is left to the daemon."""
        self.jump("jne", R9, 20, "leave")
        self._add_up(FRAME + 14, 20, None)
        self._fold()
        self.jump("jne", R0, 0xFFFF, "malformed")

    def _segment(self) -> None:
        """_SEGMENT = our MAC there and the address that advertisements come from."""
        self.load(WORD, R1, R6, INTERFACE)
        self.here(WORD, VALUE, R1)
        self.find("segments", VALUE)
        self.jump("jeq", R0, 0, "leave")
        for offset in range(0, layout.SEGMENT.size, 8):
            self.load(DOUBLE, R1, R0, offset)
            self.here(DOUBLE, _SEGMENT + offset, R1)

    def _write(self, place: int, offset: int, length: int) -> None:
        self.copy(R1, R6)
        self.mov(R2, offset)
        self.stack_address(R3, place)
        self.mov(R4, length)
        self.mov(R5, 0)
        self.call(asm.SKB_STORE_BYTES)
        self.jump("jne", R0, 0, "not sent")

    def _send(self) -> None:
        """Out by the interface it came from."""
        self.load(WORD, R1, R6, INTERFACE)
        self.mov(R2, 0)
        self.call(asm.REDIRECT)
        self.exit()

    def _answered(self, card: int) -> None:
        """Note who was told, the newest first; a card that is there already is not noted again."""
        known = self.fresh()
        self.mov(R1, 1)
        self.add_atomically(DOUBLE, R7, layout.ANSWERED, R1)
        self.zero(VALUE, 8)
        self.copy_bytes(VALUE, card, 6)
        self.at(DOUBLE, R1, VALUE)
        for number in range(layout.TOLD):
            self.load(DOUBLE, R2, R7, layout.TOLD_AT + 8 * number)
            self.jump_register("jeq", R1, R2, known)
        for number in reversed(range(1, layout.TOLD)):
            self.load(DOUBLE, R2, R7, layout.TOLD_AT + 8 * (number - 1))
            self.store(DOUBLE, R7, layout.TOLD_AT + 8 * number, R2)
        self.store(DOUBLE, R7, layout.TOLD_AT, R1)
        self.load(WORD, R1, R7, layout.TOLD_COUNT)
        self.alu("add", R1, 1)
        self.store(WORD, R7, layout.TOLD_COUNT, R1)
        self.label(known)
        self.count("answered")

    def _asked(self) -> None:
        self.label("question4")
        self._if_not(layout.ANSWERS, "question")
        self._segment()
        self._answered(FRAME + 22)
        self.copy_bytes(FRAME, FRAME + 22, 6)
        self.copy_bytes(FRAME + 32, FRAME + 22, 6)
        self.copy_bytes(L4, FRAME + 28, 4)
        self.copy_bytes(FRAME + 28, FRAME + 38, 4)
        self.copy_bytes(FRAME + 38, L4, 4)
        self.copy_bytes(FRAME + 6, _SEGMENT, 6)
        self.copy_bytes(FRAME + 22, _SEGMENT, 6)
        self.store_value(HALF, R10, FRAME + 20, wire(2))
        self._write(FRAME, 0, 42)
        self.jump("ja", to="reply")
        self.label("reply")
        # Where the question is demand the answer goes out as a copy, and the frame becomes the magic packet.
        self._if_not(layout.ON_QUESTION, "send")
        self._if_not(layout.FIRES, "send")
        self.store_value(WORD, R10, VERDICT, DROP)
        self.copy(R1, R6)
        self.load(WORD, R2, R6, INTERFACE)
        self.mov(R3, 0)
        self.call(asm.CLONE_REDIRECT)
        self.jump("ja", to="demand")
        self.label("send")
        self._send()
        self.label("question")
        self._if_not(layout.ON_QUESTION, "leave")
        self.jump("ja", to="demand")

    def _if_not(self, flag: int, to: str) -> None:
        self.copy(R1, R8)
        self.alu("and", R1, flag)
        self.jump("jeq", R1, 0, to)

    def _solicited(self) -> None:
        """The advertisement comes from our own link-local address, where we have one (RFC 4861 section 7.2.4)."""
        own, sent = self.fresh(), self.fresh()
        self.label("question6")
        self.jump("jeq", R9, 0, "leave")
        self._sum(FRAME + 54, 32)
        self.jump("jne", R0, 0xFFFF, "malformed")
        self._if_not(layout.ANSWERS, "question")
        self._segment()
        self._answered(FRAME + 80)
        self.copy_bytes(FRAME, FRAME + 80, 6)
        self.copy_bytes(FRAME + 6, _SEGMENT, 6)
        self.copy_bytes(FRAME + 80, _SEGMENT, 6)
        self.copy_bytes(FRAME + 38, FRAME + 22, 16)
        self.copy_bytes(FRAME + 22, _SEGMENT + 8, 16)
        self.at(WORD, R1, FRAME + 22)
        self.jump("jne", R1, 0, own)
        self.copy_bytes(FRAME + 22, FRAME + 62, 16)
        self.label(own)
        # Of no traffic class and no flow: those of the question are none of ours.
        for place, value in ((14, 0x6000), (16, 0), (54, 136 << 8), (56, 0), (58, 0x6000), (60, 0), (78, 0x0201)):
            self.store_value(HALF, R10, FRAME + place, wire(value))
        self._sum(FRAME + 54, 32)
        self.alu("xor", R0, 0xFFFF)
        self.here(HALF, FRAME + 56, R0)
        self.copy(R1, R6)
        self.mov(R2, _NS_BYTES)
        self.mov(R3, 0)
        self.call(asm.SKB_CHANGE_TAIL)
        self.jump("jne", R0, 0, "not sent")
        self.label(sent)
        self._write(FRAME, 0, _NS_BYTES)
        self.jump("ja", to="reply")

    def _sum(self, place: int, length: int) -> None:
        """r0 = the sum of ICMPv6's pseudo-header (in FRAME) and the bytes at the place, folded to 16 bits."""
        self._add_up(FRAME + 22, 32, None)
        self.copy(R5, R0)
        # upper-layer length and next header, as numbers of 16 bits on the wire
        self.alu("add", R5, wire(length))
        self.alu("add", R5, wire(58))
        self._add_up(place, length, R5)
        self._fold()

    def _add_up(self, place: int, length: int, seed: int | None) -> None:
        if seed is None:
            self.mov(R5, 0)
        self.mov(R1, 0)
        self.mov(R2, 0)
        self.stack_address(R3, place)
        self.mov(R4, length)
        self.call(asm.CSUM_DIFF)

    def _fold(self) -> None:
        for _turn in range(3):
            self.copy(R1, R0)
            self.alu("rsh", R1, 16)
            self.alu("and", R0, 0xFFFF)
            self.alu_register("add", R0, R1)

    def _wake(self) -> None:
        self.label("demand")
        self.now()
        self.close_gates()
        self._if_not(layout.FIRES, "leave")
        self.if_refused("leave")
        self.at(DOUBLE, R1, NOW)
        self.load(DOUBLE, R2, R7, layout.FIRED_AT)
        self.alu_register("sub", R1, R2)
        self.jump("jlt", R1, SECOND, "leave")
        self._segment()
        self.allow("over the limit")
        self.at(DOUBLE, R1, NOW)
        self.store(DOUBLE, R7, layout.FIRED_AT, R1)
        self._magic()
        self.copy(R1, R6)
        self.mov(R2, MAGIC_BYTES)
        self.mov(R3, 0)
        self.call(asm.SKB_CHANGE_TAIL)
        self.jump("jne", R0, 0, "not sent")
        first = _HEADER + _PATTERN + _PASSWORD
        self._write(_MAGIC, 0, first)
        self._write(_MAGIC + _HEADER, first, _PATTERN + _PASSWORD)
        self.count("fired")
        self._send()

    def _magic(self) -> None:
        """Its header is where the pattern behind it lies on eight bytes."""
        self.store_value(WORD, R10, _MAGIC, -1)
        self.store_value(HALF, R10, _MAGIC + 4, 0xFFFF)
        self.copy_bytes(_MAGIC + 6, _SEGMENT, 6)
        self.store_value(HALF, R10, _MAGIC + 12, wire(0x0842))
        for place in (14, 16, 18):
            self.store_value(HALF, R10, _MAGIC + place, 0xFFFF)
        for offset in (0, 2, 4):
            self.load(HALF, R1, R7, layout.MAC_AT + offset)
            for number in range(16):
                self.here(HALF, _MAGIC + 20 + 6 * number + offset, R1)
        for offset in (0, 2, 4):
            self.load(HALF, R1, R7, layout.PASSWORD_AT + offset)
            self.here(HALF, _MAGIC + _HEADER + _PATTERN + offset, R1)

    def _echoes(self) -> None:
        self.label("echo4")
        self._swap(26, 30, 4)
        self.store_value(BYTE, R10, FRAME + 22, _TTL)
        self.store_value(HALF, R10, FRAME + 24, 0)
        self._add_up(FRAME + 14, 20, None)
        self._fold()
        self.alu("xor", R0, 0xFFFF)
        self.here(HALF, FRAME + 24, R0)
        self._reply(34, 0x0000, 0x0800)
        self.label("echo6")
        self._swap(22, 38, 16)
        self.store_value(BYTE, R10, FRAME + 21, _TTL)
        self._reply(54, 0x8100, 0xFEFF)

    def _swap(self, source: int, target: int, length: int) -> None:
        self.copy_bytes(KEY, FRAME + source, length)
        self.copy_bytes(FRAME + source, FRAME + target, length)
        self.copy_bytes(FRAME + target, KEY, length)

    def _reply(self, at: int, kind: int, change: int) -> None:
        """ICMP is at byte `at`. Its checksum changes by as much as type and code do (RFC 1624), in one's complement."""
        self._segment()
        self.copy_bytes(FRAME, FRAME + 6, 6)
        self.copy_bytes(FRAME + 6, _SEGMENT, 6)
        self.at(HALF, R0, L4 + 2)
        self.alu("add", R0, wire(change))
        self._fold()
        self.here(HALF, L4 + 2, R0)
        self.store_value(HALF, R10, L4, wire(kind))
        self._write(FRAME, 0, at)
        self._write(L4, at, 4)
        self.count("pings answered")
        self._send()
