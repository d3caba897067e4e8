# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet path's eBPF programs have in common: how they read a frame, and find out whom it concerns.

r6 is the frame (struct __sk_buff), r7 the entry, r8 its flags (0 where the owner was seen: then the daemon decides),
r9 where TCP or UDP begins. Nothing is read that was not found to be there. Places on the stack are even with the
frame's fields, as the verifier wants every access aligned.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping

from powernap.machine import ebpf_assembler as asm
from powernap.machine.ebpf_assembler import BYTE, DOUBLE, HALF, R0, R1, R2, R3, R4, R6, R7, R8, R10, WORD
from powernap.wake.path import layout

# struct __sk_buff
LENGTH, PACKET_TYPE, VLAN_PRESENT, VLAN_TCI, INTERFACE = 0, 4, 20, 24, 40
PACKET_HOST, PACKET_OUTGOING = 0, 4
# Places on the stack
FRAME = -94
L4, KEY, FLOW, TRUSTED = -120, -144, -184, -208
NOW, CARD, MAC, VALUE, VERDICT = -216, -224, -232, -240, -248
ASKER = TRUSTED + 4
FLOW_TO, FLOW_PORTS, FLOW_KIND = FLOW + 16, FLOW + 32, FLOW + 36
_SIZES = {8: DOUBLE, 4: WORD, 2: HALF, 1: BYTE}
SECOND = 10**9
#: A frame such as one before is one too many for so long: shorter than the second after which senders repeat theirs.
HOLD = 950_000_000


def wire(value: int, size: int = 2) -> int:
    """The number as which the machine reads what lies as `value` on the wire, as an immediate operand."""
    number = int.from_bytes(value.to_bytes(size, "big"), sys.byteorder)
    return number - (1 << 32) if number >= 1 << 31 else number


class Code(asm.Assembler, ABC):
    """`tables`: file descriptors of the maps, by name."""

    def __init__(self, tables: Mapping[str, int]) -> None:
        super().__init__()
        self.tables = tables
        self._made = 0

    def fresh(self) -> str:
        """A label that nothing else has."""
        self._made += 1
        return f"l{self._made}"

    @abstractmethod
    def leave(self) -> None:
        """End the program for a frame that concerns nobody."""

    # Small things

    def at(self, size: int, register: int, place: int) -> None:
        self.load(size, register, R10, place)

    def here(self, size: int, place: int, register: int) -> None:
        self.store(size, R10, place, register)

    def copy_bytes(self, to: int, source: int, length: int) -> None:
        """On the stack; r1 is lost."""
        done = 0
        while done < length:
            size = next(each for each in _SIZES if not ((to + done) | (source + done)) % each and done + each <= length)
            self.at(_SIZES[size], R1, source + done)
            self.here(_SIZES[size], to + done, R1)
            done += size

    def zero(self, place: int, length: int) -> None:
        done = 0
        while done < length:
            size = next(each for each in _SIZES if not (place + done) % each and done + each <= length)
            self.store_value(_SIZES[size], R10, place + done, 0)
            done += size

    def load_bytes(self, offset: int, place: int, length: int, to: str) -> None:
        """Bytes of the frame to the stack; on to the label where they are not there."""
        self.mov(R2, offset)
        self._load_bytes(place, length, to)

    def load_bytes_at(self, register: int, offset: int, place: int, length: int, to: str) -> None:
        self.copy(R2, register)
        self.alu("add", R2, offset)
        self._load_bytes(place, length, to)

    def _load_bytes(self, place: int, length: int, to: str) -> None:
        self.copy(R1, R6)
        self.stack_address(R3, place)
        self.mov(R4, length)
        self.call(asm.SKB_LOAD_BYTES)
        self.jump("jne", R0, 0, to)

    def find(self, table: str, place: int) -> None:
        """r0 = the value of the key on the stack, 0 where there is none."""
        self.load_map(R1, self.tables[table])
        self.stack_address(R2, place)
        self.call(asm.MAP_LOOKUP)

    def enter(self, table: str, place: int, value: int) -> None:
        self.load_map(R1, self.tables[table])
        self.stack_address(R2, place)
        self.stack_address(R3, value)
        self.mov(R4, 0)
        self.call(asm.MAP_UPDATE)

    def count(self, counter: str) -> None:
        self.load_map_value(R1, self.tables["counters"], 8 * layout.COUNTERS.index(counter))
        self.mov(R2, 1)
        self.add_atomically(DOUBLE, R1, 0, R2)

    def ends(self, label: str, counter: str) -> None:
        self.label(label)
        self.count(counter)
        self.leave()

    def now(self) -> None:
        """r0 and NOW."""
        self.call(asm.KTIME_GET_BOOT_NS)
        self.here(DOUBLE, NOW, R0)

    def half(self, register: int, place: int) -> None:
        """A number of two bytes of the frame."""
        self.at(HALF, register, place)
        self.from_network(register, 16)

    # Who sends

    def sender(self) -> None:
        """CARD = the host whose card sent the frame, 0 for others; MAC = the card. Ends for frames that are our own."""
        unknown, known = self.fresh(), self.fresh()
        self.load_bytes(0, FRAME, 14, "truncated")
        self.at(BYTE, R1, FRAME + 6)
        self.jump("jset", R1, 1, "malformed")
        self.zero(MAC, 8)
        self.copy_bytes(MAC, FRAME + 6, 6)
        self.at(DOUBLE, R1, MAC)
        self.jump("jeq", R1, 0, "malformed")
        self.find("cards", MAC)
        self.jump("jeq", R0, 0, unknown)
        self.load(WORD, R1, R0, layout.CARD_FLAGS)
        self.jump("jset", R1, layout.OWN, "leave")
        self.load(DOUBLE, R1, R0, 0)
        self.here(DOUBLE, CARD, R1)
        self.jump("ja", to=known)
        self.label(unknown)
        self.store_value(DOUBLE, R10, CARD, 0)
        self.label(known)

    def owner_is_awake(self) -> None:
        """Note the time at which a host's own card has sent something."""
        nobody = self.fresh()
        self.at(DOUBLE, R1, CARD)
        self.jump("jeq", R1, 0, nobody)
        self.now()
        self.enter("awake", CARD, NOW)
        self.label(nobody)

    def by_ethertype(self) -> None:
        """On to arp, ipv4, ipv6 or other."""
        self.at(HALF, R1, FRAME + 12)
        for ethertype, to in ((0x0806, "arp"), (0x0800, "ipv4"), (0x86DD, "ipv6")):
            self.jump("jeq", R1, wire(ethertype), to)
        self.jump("ja", to="other")

    # Whom it concerns

    def find_entry(self, place: int, length: int, nobody: str) -> None:
        """r7 = the entry of the address there, r8 = its flags."""
        untagged = self.fresh()
        self.copy_bytes(KEY + 8, place, length)
        self._sift(length, nobody)
        self.load(WORD, R1, R6, INTERFACE)
        self.here(WORD, KEY, R1)
        self.zero(KEY + 4, 2)
        self.load(WORD, R1, R6, VLAN_PRESENT)
        self.jump("jeq", R1, 0, untagged)
        self.load(WORD, R1, R6, VLAN_TCI)
        self.alu("and", R1, 0xFFF)
        self.here(HALF, KEY + 4, R1)
        self.label(untagged)
        self.store_value(HALF, R10, KEY + 6, length)
        self.zero(KEY + 8 + length, 16 - length)
        self.find("entries", KEY)
        self.jump("jeq", R0, 0, nobody)
        self.copy(R7, R0)
        self.load(HALF, R8, R7, layout.FLAGS_AT)
        self._owner_seen()

    def _sift(self, length: int, nobody: str) -> None:
        """On to the label where the address in KEY surely has no entry: see layout.sieve_bit."""
        if length == 4:
            self.at(WORD, R2, KEY + 8)
            self.from_network(R2, 32)
            self.copy(R3, R2)
            self.alu("rsh", R3, layout.SIEVE_BITS)
            self.alu("mul", R3, layout.SIEVE_4)
            self.alu_register("add", R2, R3)
            self.alu("and", R2, (1 << layout.SIEVE_BITS) - 1)
        else:
            self.at(DOUBLE, R2, KEY + 8)
            self.at(DOUBLE, R3, KEY + 16)
            self.load_number(R4, layout.SIEVE_6_HIGH)
            self.alu_register("mul", R2, R4)
            self.alu_register("add", R2, R3)
            self.load_number(R4, layout.SIEVE_6)
            self.alu_register("mul", R2, R4)
            self.alu("rsh", R2, 64 - layout.SIEVE_BITS)
        self.copy(R3, R2)
        self.alu("and", R3, 7)
        self.alu("rsh", R2, 3)
        self.load_map_value(R1, self.tables["sieve"])
        self.alu_register("add", R1, R2)
        self.load(BYTE, R1, R1, 0)
        self.alu_register("rsh", R1, R3)
        self.alu("and", R1, 1)
        self.jump("jeq", R1, 0, nobody)

    def _owner_seen(self) -> None:
        asleep = self.fresh()
        self.load_map(R1, self.tables["awake"])
        self.copy(R2, R7)
        self.call(asm.MAP_LOOKUP)
        self.jump("jeq", R0, 0, asleep)
        self.load(DOUBLE, R1, R0, 0)
        self.load(DOUBLE, R2, R7, layout.SINCE)
        self.jump_register("jlt", R1, R2, asleep)
        self.mov(R8, 0)
        self.label(asleep)

    def if_owner(self, place: int, to: str) -> None:
        """On to the label where the entry's owner sent the frame: the card at that place, or another of its cards."""
        other = self.fresh()
        self.at(DOUBLE, R1, CARD)
        self.load(DOUBLE, R2, R7, layout.HOST)
        self.jump_register("jeq", R1, R2, to)
        self.if_other_mac(place, other)
        self.jump("ja", to=to)
        self.label(other)

    def if_other_mac(self, place: int, to: str) -> None:
        for offset in (0, 2, 4):
            self.at(HALF, R1, place + offset)
            self.load(HALF, R2, R7, layout.MAC_AT + offset)
            self.jump_register("jne", R1, R2, to)

    def if_watched(self, to: str) -> None:
        self.copy(R1, R8)
        self.alu("and", R1, layout.ANSWERS | layout.FIRES)
        self.jump("jeq", R1, 0, to)

    def flow(self, source: int, target: int, length: int, kind: int) -> None:
        """Note who wants what, but for the ports."""
        self.copy_bytes(FLOW, source, length)
        self.zero(FLOW + length, 16 - length)
        self.copy_bytes(FLOW_TO, target, length)
        self.zero(FLOW_TO + length, 16 - length)
        self.store_value(WORD, R10, FLOW_PORTS, 0)
        self.store_value(WORD, R10, FLOW_KIND, kind)

    def in_ranges(self, register: int, at: int, to: str) -> None:
        """On to the label where the port is in one of the entry's ranges; r1 and r2 are lost."""
        for number in range(layout.RANGES):
            after = self.fresh()
            self.load(HALF, R1, R7, at + 4 * number)
            self.load(HALF, R2, R7, at + 4 * number + 2)
            self.jump_register("jlt", register, R1, after)
            self.jump_register("jle", register, R2, to)
            self.label(after)
