# SPDX-License-Identifier: GPL-3.0-or-later
"""scapy, for `powerwake trace` alone: it decodes frames, reads and writes pcap files. It is not part of PowerNap."""

from __future__ import annotations

import logging
import sys

from powernap.shared.errors import PowernapError


class NoScapy(PowernapError):
    """scapy is not installed."""


def need_scapy() -> None:
    """Raises NoScapy with the packages that have it."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns of what concerns its own routing table
    try:
        import scapy.packet  # noqa: F401  found, or not
    except ImportError:
        raise NoScapy(
            f"powerwake trace needs scapy, which {sys.executable} does not find: run 'apt install python3-scapy', or "
            "'pip install scapy' for a Python of your own"
        ) from None
