# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket filter in eBPF: what of a segment's frames reaches the daemon. Chatter costs nothing.

A tap hears a frame before the program at the ingress does, so a wake that this one lets through is allowed there, too.
"""

from __future__ import annotations

from collections.abc import Mapping

from powernap.machine.ebpf_assembler import BYTE, DOUBLE, HALF, R0, R1, R2, R6, R7, R8, R9, WORD
from powernap.wake.path import layout
from powernap.wake.path.code import (
    CARD,
    FLOW,
    FLOW_KIND,
    FRAME,
    HOLD,
    MAC,
    NOW,
    PACKET_OUTGOING,
    PACKET_TYPE,
    SECOND,
    wire,
)
from powernap.wake.path.reading import ICMPV6, QUESTION, Reading

_WHOLE = 0x40000
#: Most frames of each second that pass: for one address of a host at rest, for one that is watched, from one card,
#: and from one card with its ARP frames.
FOR_ADDRESS, FOR_WATCHED, FROM_CARD, FROM_CARD_ARP = 64, 256, 200, 400


class Tap(Reading):
    """`acts`: the program at the ingress is there too, and answers."""

    claims = True
    tells = True

    def __init__(self, tables: Mapping[str, int], acts: bool) -> None:
        super().__init__(tables)
        self._acts = acts
        self.marks = self.echoes = not acts

    def build(self) -> bytes:
        self.copy(R6, R1)
        self.load(WORD, R1, R6, PACKET_TYPE)
        self.jump("jeq", R1, PACKET_OUTGOING, "outgoing")
        self.sender()
        self.label("whom")
        self.by_ethertype()
        self._outgoing()
        self.read()
        self._questions()
        self._demand()
        self._windows()
        self._others()
        return super().build()

    def leave(self) -> None:
        self.mov(R0, 0)
        self.exit()

    def stamp(self) -> None:
        """Where the card is known its time is written in place, which costs a third of an update."""
        done, new = self.fresh(), self.fresh()
        self.if_outgoing(done)
        self.now()
        self.find("seen", MAC)
        self.jump("jeq", R0, 0, new)
        self.at(DOUBLE, R1, NOW)
        self.store(DOUBLE, R0, 0, R1)
        self.jump("ja", to=done)
        self.label(new)
        self.enter("seen", MAC, NOW)
        self.label(done)

    def if_outgoing(self, to: str) -> None:
        self.load(WORD, R1, R6, PACKET_TYPE)
        self.jump("jeq", R1, PACKET_OUTGOING, to)

    def _outgoing(self) -> None:
        """This machine's own frames. A question to one card only verifies an entry that the kernel still has."""
        self.label("outgoing")
        self.load_bytes(0, FRAME, 14, "truncated")
        self.zero(CARD, 8)
        self.zero(MAC, 8)
        self.copy_bytes(MAC, FRAME + 6, 6)
        self.at(HALF, R1, FRAME + 12)
        self.jump("jne", R1, wire(0x0806), "whom")
        self.at(BYTE, R1, FRAME)
        self.jump("jset", R1, 1, "whom")
        self.jump("ja", to="leave")

    def _questions(self) -> None:
        self.label("question6")
        self.if_outgoing("own question")
        if self._acts:
            self.jump("jeq", R9, 0, "demand of the daemon")
        self.label("question4")
        self.if_outgoing("own question")
        self.copy(R1, R8)
        self.alu("and", R1, layout.ON_QUESTION)
        self.jump("jne", R1, 0, "demand")
        if self._acts:
            self.copy(R1, R8)
            self.alu("and", R1, layout.ANSWERS)
            self.jump("jne", R1, 0, "nothing")
        if self.echoes:
            self.label("echo4")
            self.label("echo6")
            self.if_outgoing("leave")
        self.label("demand of the daemon")
        self.alu("and", R8, ~layout.FIRES)
        self.jump("ja", to="demand")
        self.label("own question")
        self.at(BYTE, R1, FRAME)
        self.jump("jset", R1, 1, "demand of the daemon")
        self.leave()

    def _demand(self) -> None:
        new, known, welcome = self.fresh(), self.fresh(), self.fresh()
        self.label("demand")
        self.now()
        self.at(WORD, R1, FLOW_KIND)
        self.jump("jeq", R1, QUESTION, welcome)
        self.if_refused("refused")
        self.label(welcome)
        self.find("flows", FLOW)
        self.at(DOUBLE, R1, NOW)
        self.jump("jeq", R0, 0, new)
        self.load(DOUBLE, R2, R0, 0)
        self.store(DOUBLE, R0, 0, R1)
        self.alu_register("sub", R1, R2)
        self.jump("jge", R1, HOLD, known)
        self.store(DOUBLE, R0, 0, R2)
        self.jump("ja", to="held off")
        self.label(new)
        self.enter("flows", FLOW, NOW)
        self.label(known)
        if self._acts:
            self.close_gates()
            self.copy(R1, R8)
            self.alu("and", R1, layout.FIRES)
            self.jump("jeq", R1, 0, "may pass")
            self.if_outgoing("may pass")
            self.allow("over the limit")
        self.label("may pass")
        self.mov(R9, FOR_ADDRESS)
        self.jump("ja", to="window")

    def _windows(self) -> None:
        self.label("watched")
        to_all = self.fresh()
        self.load(WORD, R1, R6, PACKET_TYPE)
        self.jump("jne", R1, PACKET_OUTGOING, "for the daemon")
        self.at(BYTE, R1, FRAME)
        self.jump("jset", R1, 1, "for the daemon")
        self.at(HALF, R1, FRAME + 12)
        self.jump("jne", R1, wire(0x86DD), to_all)
        self.at(BYTE, R1, FRAME + 20)
        self.jump("jeq", R1, ICMPV6, "leave")
        self.label(to_all)
        self.jump("ja", to="for the daemon")
        self.label("claim")
        self.label("probe")
        self.if_outgoing("leave")
        self.label("for the daemon")
        self.now()
        self.mov(R9, FOR_WATCHED)
        self.label("window")
        self._window(R7, layout.WINDOW_AT, layout.WINDOW_COUNT, "held off")
        self.label("pass")
        self.count("passed")
        self.mov(R0, _WHOLE)
        self.exit()

    def _window(self, base: int, began: int, counted: int, full: str) -> None:
        """r9: how many in a second. Wants NOW."""
        same = self.fresh()
        self.at(DOUBLE, R1, NOW)
        self.load(DOUBLE, R2, base, began)
        self.alu_register("sub", R1, R2)
        self.jump("jlt", R1, SECOND, same)
        self.at(DOUBLE, R1, NOW)
        self.store(DOUBLE, base, began, R1)
        self.store_value(WORD, base, counted, 0)
        self.label(same)
        self.load(WORD, R1, base, counted)
        self.jump_register("jge", R1, R9, full)
        self.alu("add", R1, 1)
        self.store(WORD, base, counted, R1)

    def _others(self) -> None:
        """Frames that matter only where a watched card sent them."""
        self.label("refused")
        self.count("refused")
        self.jump("ja", to="nothing")
        self.label("held off")
        self.count("held off")
        for label in ("nothing", "owner", "other"):
            self.label(label)
        self.at(DOUBLE, R1, CARD)
        self.jump("jeq", R1, 0, "leave")
        self.find("cards", MAC)
        self.jump("jeq", R0, 0, "leave")
        self.copy(R7, R0)
        self.now()
        many = self.fresh()
        self.mov(R9, FROM_CARD)
        self.at(HALF, R1, FRAME + 12)
        self.jump("jne", R1, wire(0x0806), many)
        self.mov(R9, FROM_CARD_ARP)
        self.label(many)
        self._window(R7, layout.CARD_WINDOW_AT, layout.CARD_COUNT, "leave")
        self.jump("ja", to="pass")
        for counter in ("truncated", "malformed", *(("over the limit",) if self._acts else ())):
            self.ends(counter, counter)
        self.label("leave")
        self.leave()
