# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while something waits to be printed, or is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from powernap.nap.monitors.groups import Found, GroupMonitor
from powernap.shared.schema import Option

SPOOL = "var/spool/cups"
#: A control file is an IPP message (RFC 8010 section 3.1): tag of an enum, length and name, length and value.
STATE = re.compile(rb"\x23\x00\x09job-state\x00\x04\x00\x00\x00(.)", re.DOTALL)
#: job-state, RFC 8011 section 5.3.7; what is beyond "stopped" is over.
STATES = {3: "pending", 4: "held", 5: "processing", 6: "stopped"}


class PrintMonitor(GroupMonitor):
    """The control files of the CUPS spool, which stay after the job: each is read once for every change of it.

    A job that is held or stopped waits for somebody, and is idle unless ``states`` names it. CUPS writes a new state
    to the disk up to 30 s later (DirtyCleanInterval).
    """

    kind = "print"
    summary = "something is printed (CUPS)"
    source: ClassVar[str] = f"/{SPOOL}"
    options = (
        Option(
            "states",
            "strs",
            ("pending", "processing"),
            "jobs in these states count",
            choices=tuple(STATES.values()),
            example=["processing"],
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values, root)
        self._states = tuple(values.get("states", ("pending", "processing")))
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}

    def find(self) -> Found:
        known = {}
        for path in (self.root / SPOOL).glob("c[0-9]*[0-9]"):
            try:
                status = path.stat()
                version = (status.st_mtime_ns, status.st_ino)
                before = self._known.get(path)
                known[path] = before if before and before[0] == version else (version, _state(path.read_bytes()))
            except FileNotFoundError:
                continue  # gone meanwhile
        self._known = known
        files = {path: f"job {path.name[1:].lstrip('0')} ({state})" for path, (_version, state) in known.items()}
        folders = (self.root / SPOOL,) if (self.root / SPOOL).is_dir() else ()
        return Found(
            files={path: text for path, text in files.items() if known[path][1] in self._states}, folders=folders
        )

    def none(self, found: Found) -> str:
        return "nothing is printed" if found.folders else "CUPS does not run here"


def _state(message: bytes) -> str:
    """Return the state of a job, "" where it is over. A file that does not say counts as pending."""
    found = STATE.search(message)
    return "pending" if found is None else STATES.get(found[1][0], "")
