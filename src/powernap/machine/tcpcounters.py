# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts of TCP (RFC 4022), over IPv4 and IPv6 alike, in this network namespace."""

from __future__ import annotations

from pathlib import Path

_FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")


def accepted(root: Path = Path("/")) -> int | None:
    """Return how many connections were accepted since boot (PassiveOpens); None where that cannot be read.

    A half-open one, as of a scan, is none; one over loopback is.
    """
    try:
        lines = [line.split() for line in (root / "proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")]
        names, values = lines
        return int(values[names.index("PassiveOpens")])
    except (OSError, ValueError, IndexError):
        return None


def forwards(root: Path = Path("/")) -> bool:
    """Tell whether connections may be passed on to a container or guest, whose namespace counts them by itself."""
    try:
        return any((root / "proc/sys/net" / name).read_text().strip() != "0" for name in _FORWARDING)
    except OSError:
        return True
