# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while processes whose command line matches read or write."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from powernap.machine import hands, procio
from powernap.machine.users import user_id
from powernap.nap.evidence import Reading
from powernap.nap.monitors.processes import WHICH
from powernap.nap.monitors.rate import DIRECTION, RateMonitor, rate_options
from powernap.shared.schema import Option

GONE = (FileNotFoundError, ProcessLookupError)


class IoMonitor(RateMonitor):
    """The sum over the processes that match at a look. The processes of a service: the monitor of its control group.

    What one that begins and ends between two looks moved is its parent's from then on, so it is seen where the parent
    matches, too.
    """

    kind = "io"
    summary = "processes whose command line matches read or write"
    source = "/proc/PID/io"
    options = (
        *WHICH,
        Option("direction", "str", "both", "what counts", choices=DIRECTION),
        Option("storage", "bool", False, "only what goes to or comes from storage, not caches, pipes and terminals"),
        *rate_options(1000, "bytes/s", 20000),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self._proc = root / "proc"
        self._pattern = re.compile(self.values["pattern"].encode())
        self._uid = user_id(self.values["user"])
        self._keys = procio.STORAGE if self.values["storage"] else procio.CALLS
        self._processes: list[tuple[int, str]] = []
        self._before: dict[str, int] | None = None
        self._sum = 0
        self._told: hands.Answer | None = None

    async def ask(self) -> None:
        """There may be 50,000 processes: others get their turn."""
        if hands.needed():
            self._told = await hands.asked("io", monitor=self.name)
            return
        processes = []
        for found in procio.matching(self._proc, self._pattern, self._uid):
            if found is None:
                await asyncio.sleep(0)
            else:
                processes.append(found)
        self._processes = processes

    def counters(self) -> Mapping[str, float]:
        """One counter for all: what the processes present now added to it; who has gone takes nothing away."""
        present = self.moved()
        if self._before is not None:
            self._sum += sum(max(0, value - self._before.get(key, 0)) for key, value in present.items())
        self._before = present
        return {"they move": float(self._sum)}

    def moved(self) -> dict[str, int]:
        """Return what each process that matches read or wrote so far. Raises OSError."""
        if self._told is None:
            return dict(filter(None, map(self._moved, self._processes)))
        if "failed" in self._told:
            raise OSError(self._told["failed"])
        return {str(key): int(value) for key, value in self._told["moved"].items()}

    def look(self, now: float) -> Reading:
        reading = super().look(now)
        count = len(self._before or ())
        return replace(reading, detail=f"{count} process{'' if count == 1 else 'es'} match; {reading.detail}")

    def none(self) -> str:
        return ""

    def _moved(self, process: tuple[int, str]) -> tuple[str, int] | None:
        pid, command = process
        try:
            key, read, written = procio.counters(self._proc, pid, self._keys)
        except GONE:
            return None
        except PermissionError as error:
            raise OSError(
                f"what process {pid} ({command}) reads and writes cannot be known ({error.strerror}): powernap-hands "
                "needs CAP_SYS_PTRACE; where a container forbids it even so, use a monitor of kind process"
            ) from None
        except ValueError as error:
            raise OSError(f"process {pid} ({command}): {error}: use a monitor of kind process") from None
        return key, {"read": read, "write": written, "both": read + written}[self.values["direction"]]
