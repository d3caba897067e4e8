# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's NFS server: what it was asked for so far, and by how many clients (fs/nfsd/stats.c, nfs4state.c)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

COUNTERS = "proc/net/rpc/nfsd"
CLIENTS = "proc/fs/nfsd/clients"
#: Operations of NFSv4 that a client sends although nobody uses its mount (RFC 8881 section 18, RFC 7530 section 16):
#: opening and renewing leases and sessions, and what only goes before another operation (PUTFH, PUTROOTFH).
HOUSEKEEPING = frozenset({0, 1, 2, 22, 24, 30, 35, 36, 40, 41, 42, 43, 44, 53, 55, 57, 58})


@dataclass(frozen=True)
class Served:
    """``operations``: NFSv3 calls and NFSv4 operations beyond housekeeping; ``moved_bytes``: read and written."""

    operations: int
    moved_bytes: int


def served(root: Path = Path("/")) -> Served:
    """Return what was counted. Raises FileNotFoundError where the server was never started."""
    return parse((root / COUNTERS).read_text())


def parse(text: str) -> Served:
    """Return the sums. Versions 2 and 3 have a line with one counter per call, the first of NULL."""
    operations = moved = 0
    for line in text.splitlines():
        name, *values = line.split()
        if name == "io":
            moved = sum(int(value) for value in values[:2])
        elif name in ("proc2", "proc3"):
            operations += sum(int(value) for value in values[2:])
        elif name == "proc4ops":
            counters = enumerate(int(value) for value in values[1:])
            operations += sum(counter for number, counter in counters if number not in HOUSEKEEPING)
    return Served(operations, moved)


def clients(root: Path = Path("/")) -> int | None:
    """Return how many NFSv4 clients there are, None where the kernel does not say (before Linux 5.3)."""
    try:
        return sum(1 for entry in (root / CLIENTS).iterdir() if entry.is_dir())
    except OSError:
        return None
