# SPDX-License-Identifier: GPL-3.0-or-later
"""May the kernel wake a host for this frame? Gates of groups, sources that are refused, limits of sources."""

from __future__ import annotations

from powernap.machine.ebpf_assembler import DOUBLE, HALF, R0, R1, R2, R3, R4, R7, R8, R10, WORD
from powernap.wake.path import layout
from powernap.wake.path.code import ASKER, FLOW, FLOW_KIND, FLOW_PORTS, KEY, MAC, NOW, SECOND, TRUSTED, VALUE, Code

# Places on the stack: the first where something else will be later
_REFUSED, _FIRST_ASKED = TRUSTED, -448
_SAME_WAKE = 30 * SECOND


class Permission(Code):
    """All of it wants NOW, KEY and FLOW."""

    #: It counts for each source what was refused: one of the two programs does, as both see the same frame.
    tells = False

    def close_gates(self) -> None:
        """r8 loses FIRES where the gate of all, or the entry's own, is shut. Wants NOW."""
        shut, after = self.fresh(), self.fresh()
        self.copy(R1, R8)
        self.alu("and", R1, layout.FIRES)
        self.jump("jeq", R1, 0, after)
        self.mov(R1, 0)
        for last in (False, True):
            self.here(WORD, VALUE, R1)
            self.find("gates", VALUE)
            self.jump("jeq", R0, 0, shut)
            self.load(DOUBLE, R1, R0, 0)
            self.at(DOUBLE, R2, NOW)
            self.jump_register("jgt", R1, R2, shut)
            if not last:
                self.load(HALF, R1, R7, layout.GATE_AT)
        self.jump("ja", to=after)
        self.label(shut)
        self.alu("and", R8, ~layout.FIRES)
        self.label(after)

    def if_refused(self, to: str) -> None:
        """On to the label where the source is not welcome with this, or with anything. Wants NOW, KEY and FLOW."""
        for anything in (False, True):
            after = self.fresh()
            self.copy_bytes(_REFUSED, FLOW, 16)
            if anything:
                self.store_value(WORD, R10, _REFUSED + 16, layout.ANY)
                self.store_value(HALF, R10, _REFUSED + 20, 0)
            else:
                self.at(WORD, R1, FLOW_KIND)
                self.here(WORD, _REFUSED + 16, R1)
                self.copy_bytes(_REFUSED + 20, FLOW_PORTS + 2, 2)
            self.copy_bytes(_REFUSED + 22, KEY + 6, 2)
            self.find("refused", _REFUSED)
            self.jump("jeq", R0, 0, after)
            self.load(DOUBLE, R1, R0, 0)
            self.at(DOUBLE, R2, NOW)
            self.jump_register("jlt", R1, R2, after)
            self._ignored()
            self.jump("ja", to=to)
            self.label(after)

    def allow(self, over: str) -> None:
        """A wake is wanted: on to the label where its source has wanted too many. Wants NOW, KEY and FLOW.

        What follows for the same host, such as SYNs that are repeated while it resumes, is part of the same wake.
        """
        allowed, fresh = self.fresh(), self.fresh()
        self.at(DOUBLE, R1, NOW)
        self.load(DOUBLE, R2, R7, layout.ASKED_AT)
        self.alu_register("sub", R1, R2)
        self.load_number(R2, _SAME_WAKE)
        self.jump_register("jlt", R1, R2, allowed)
        self.load_map_value(R1, self.tables["settings"])
        self.load(DOUBLE, R1, R1, 0)
        self.jump("jeq", R1, 0, fresh)
        self._if_trusted(fresh)
        self._spend(over)
        self.label(fresh)
        self.at(DOUBLE, R1, NOW)
        self.store(DOUBLE, R7, layout.ASKED_AT, R1)
        self.label(allowed)

    def _ignored(self) -> None:
        """Note it in the source's value, at r0."""
        if not self.tells:
            return
        self.mov(R1, 1)
        self.add_atomically(DOUBLE, R0, layout.IGNORED, R1)
        self.at(DOUBLE, R1, NOW)
        self.store(DOUBLE, R0, layout.LAST_AT, R1)
        self.load(DOUBLE, R1, R7, layout.HOST)
        self.store(DOUBLE, R0, layout.LAST_HOST, R1)
        self.at(WORD, R1, FLOW_KIND)
        self.store(WORD, R0, layout.LAST_KIND, R1)
        self.at(HALF, R1, FLOW_PORTS + 2)
        self.store(HALF, R0, layout.LAST_PORT, R1)

    def _if_trusted(self, to: str) -> None:
        """Leaves ASKER as the source's address."""
        family = self.fresh()
        self.store_value(WORD, R10, TRUSTED, 32 + 48)
        self.store_value(WORD, R10, ASKER, 1)
        self.copy_bytes(ASKER + 4, MAC, 8)
        self.zero(ASKER + 12, 8)
        self.find("trusted", TRUSTED)
        self.jump("jne", R0, 0, to)
        self.store_value(WORD, R10, TRUSTED, 32 + 128)
        self.at(HALF, R1, KEY + 6)
        self.jump("jne", R1, 16, family)
        self.mov(R1, 6)
        self.label(family)
        self.here(WORD, ASKER, R1)
        self.copy_bytes(ASKER + 4, FLOW, 16)
        self.find("trusted", TRUSTED)
        self.jump("jne", R0, 0, to)

    def _spend(self, over: str) -> None:
        """A bucket that leaks: the table has the time until which the source has spent its wakes."""
        new, later, spent, within = self.fresh(), self.fresh(), self.fresh(), self.fresh()
        self.find("askers", ASKER)
        self.at(DOUBLE, R1, NOW)
        self.jump("jeq", R0, 0, new)
        self.load(DOUBLE, R2, R0, 0)
        self.jump_register("jlt", R2, R1, later)
        self.load_map_value(R3, self.tables["settings"])
        self.load(DOUBLE, R4, R3, 8)
        self.alu_register("add", R4, R1)
        self.jump_register("jle", R2, R4, within)
        self._ignored()
        self.jump("ja", to=over)
        self.label(within)
        self.copy(R1, R2)
        self.label(later)
        self.load_map_value(R3, self.tables["settings"])
        self.load(DOUBLE, R4, R3, 0)
        self.alu_register("add", R1, R4)
        self.store(DOUBLE, R0, 0, R1)
        self.jump("ja", to=spent)
        self.label(new)
        self.load_map_value(R3, self.tables["settings"])
        self.load(DOUBLE, R4, R3, 0)
        self.alu_register("add", R1, R4)
        self.here(DOUBLE, _FIRST_ASKED, R1)
        self.zero(_FIRST_ASKED + layout.IGNORED, layout.UNTIL.size - layout.IGNORED)
        self.enter("askers", ASKER, _FIRST_ASKED)
        self.label(spent)
