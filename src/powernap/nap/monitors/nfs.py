# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while this machine serves NFS to somebody who uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from powernap.machine import nfsd
from powernap.machine.flows import NFS, Flows
from powernap.nap.evidence import Reading
from powernap.nap.monitors.rate import RateMonitor, rate_options
from powernap.shared.schema import Option

PORT = 2049


class NfsMonitor(RateMonitor):
    """The counters of the kernel's server; a mount that nobody uses is idle, for what only keeps it open is left out.

    Where the kernel's server was never started, the connections to port 2049 are watched: bytes beyond those that
    keep a mount open are activity, whatever the threshold.
    """

    kind = "nfs"
    summary = "an NFS client reads, writes or looks something up here"
    source: ClassVar[str] = f"/{nfsd.COUNTERS}"
    options = (
        Option("count", "str", "operations", "what is counted", choices=("operations", "bytes")),
        *rate_options(0, "operations/s or bytes/s", 10),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self._root = root
        self.unit = "bytes/s" if self.values["count"] == "bytes" else "operations/s"
        self._flows = Flows(((PORT, PORT),), NFS)
        self._last: float | None = None

    def counters(self) -> Mapping[str, float]:
        found = nfsd.served(self._root)
        return {"NFS": float(found.moved_bytes if self.values["count"] == "bytes" else found.operations)}

    def look(self, now: float) -> Reading:
        try:
            reading = super().look(now)
        except FileNotFoundError:
            return self._of_connections(now)
        clients = nfsd.clients(self._root)
        return replace(reading, detail=reading.detail + ("" if clients is None else f"; clients of NFSv4: {clients}"))

    def _of_connections(self, now: float) -> Reading:
        use = self._flows.look(now)
        detail = f"the kernel's NFS server does not run; {self._flows.open} open to port {PORT}"
        if use is not None:
            self._last = use.last
            detail = f"{use.remote} moved {use.moved} bytes since the last look"
        return self.reading(last_active=self._last, detail=detail, source="bytes of connections", counts=True)
