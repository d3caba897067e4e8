# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from powernap.net.bpf import to_bytes
from powernap.trace.filter import program


def test_the_longest_program_can_be_written_and_loaded() -> None:
    longest = program(
        tuple(bytes([10, 0, 0, n]) for n in range(20)), tuple(bytes([0xFD] * 15 + [n]) for n in range(20))
    )
    assert len(to_bytes(longest)) == 8 * len(longest) <= 8 * 4096  # BPF_MAXINSNS
