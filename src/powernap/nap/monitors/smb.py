# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while somebody uses a share of this machine (SMB, of Samba or the kernel's ksmbd)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from powernap.machine.flows import SMB, Flows
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option

PORTS = ((139, 139), (445, 445))


class SmbMonitor(Monitor):
    """The bytes of each open connection, which the kernel counts. A share that is only mounted is idle, although its
    client calls every minute (SMB2 ECHO); so is a file that is open and not read. A client that comes and goes between
    two looks is not seen: add a monitor "tcp" where that matters. Samba's own databases are not read: they are mapped
    to memory, so their times do not move.
    """

    kind = "smb"
    summary = "an SMB client uses a share of this machine"
    options = (
        Option("ports", "ports", PORTS, "ports of the server", example=[445]),
        Option("loopback", "bool", False, "count clients on this machine, too"),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        self._flows = Flows(values.get("ports", PORTS), SMB, values.get("loopback", False))
        self._last: float | None = None

    def look(self, now: float) -> Reading:
        use = self._flows.look(now)
        detail = f"{self._flows.open} open, none used since the last look"
        if use is not None:
            self._last = use.last
            detail = f"{use.remote} moved {use.moved} bytes since the last look"
        return self.reading(last_active=self._last, detail=detail, source="bytes of connections", counts=True)
