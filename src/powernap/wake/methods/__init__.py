# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to wake a machine. A new one is a file here and a line in METHODS."""

from powernap.wake.methods.base import Target, WakeMethod
from powernap.wake.methods.magic_packet import MagicPacket

METHODS: dict[str, type[WakeMethod]] = {
    "magic_packet": MagicPacket,
}

__all__ = ["METHODS", "Target", "WakeMethod"]
