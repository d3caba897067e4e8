# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared, by the names that results, tables and plots use; and what figures are made of."""

from __future__ import annotations

from typing import Any

SCAPY = "scapy sniff and sendp (the original's design)"
C = "C, raw socket"
CLASSIC = "powerwaked, classic BPF"
EBPF = "powerwaked, eBPF"
UNPINNED = "powerwaked, eBPF, not pinned"
HELD, LEFT = "powerwaked", "powerwaked, nothing held (addresses restored only)"
ONCE = "the same state machine, one volley only"


def cpu(figures: dict[str, Any], what: str) -> float:
    """ms for 10,000 frames: of the process, and of the kernel for each frame as measured at full speed."""
    flood = what if what.endswith("full speed") else f"{what} at full speed"
    kernel = figures[flood]["sender CPU"] - figures["sender CPU alone"]
    return float(figures[what]["process CPU"] + max(0.0, kernel))
