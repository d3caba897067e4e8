# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while something waits to be printed, or is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from powernap.nap.monitors.groups import Found, GroupMonitor
from powernap.shared.schema import Option

SPOOL = "var/spool/cups"
#: A control file is an IPP message (RFC 8010 section 3.1): tag of an enum, length and name, length and value.
STATE = re.compile(rb"\x23\x00\x09job-state\x00\x04\x00\x00\x00(.)", re.DOTALL)
#: The queue is the last part of this URI.
QUEUE = re.compile(rb"\x45\x00\x0fjob-printer-uri(..)", re.DOTALL)
#: Queues that are stopped, printers.conf(5): what waits there waits for somebody.
PRINTERS = "etc/cups/printers.conf"
STOPPED = re.compile(r"^<(?:Default)?Printer ([^>]+)>(?:(?!^</).)*?^State Stopped$", re.MULTILINE | re.DOTALL)
#: job-state, RFC 8011 section 5.3.7; what is beyond "stopped" is over.
STATES = {3: "pending", 4: "held", 5: "processing", 6: "stopped"}


class PrintMonitor(GroupMonitor):
    """The control files of the CUPS spool, which stay after the job: each is read once for every change of it.

    A job that is held or stopped waits for somebody, and is idle unless ``states`` names it; one that is pending for a
    printer that is stopped is idle, too. CUPS writes a new state to the disk up to 30 s later (DirtyCleanInterval).
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
        self._known: dict[Path, _Job] = {}

    def places(self) -> tuple[str, ...]:
        return (f"/{SPOOL}/c*",)

    def find(self) -> Found:
        known = {}
        for path in (self.root / SPOOL).glob("c[0-9]*[0-9]"):
            try:
                status = path.stat()
                version = (status.st_mtime_ns, status.st_ino)
                before = self._known.get(path)
                known[path] = before if before and before.version == version else _job(version, path.read_bytes())
            except FileNotFoundError:
                continue  # gone meanwhile
        self._known = known
        counted = {path: job for path, job in known.items() if job.state in self._states}
        if any(job.state == "pending" for job in counted.values()):
            stopped = self._stopped()
            counted = {path: job for path, job in counted.items() if job.state != "pending" or job.queue not in stopped}
        files = {path: f"job {path.name[1:].lstrip('0')} ({job.state})" for path, job in counted.items()}
        folders = (self.root / SPOOL,) if (self.root / SPOOL).is_dir() else ()
        return Found(files=files, folders=folders)

    def _stopped(self) -> set[str]:
        try:
            return set(STOPPED.findall((self.root / PRINTERS).read_text(errors="replace")))
        except OSError:
            return set()  # whatever waits counts

    def none(self, found: Found) -> str:
        return "nothing is printed" if found.folders else "CUPS does not run here"


@dataclass(frozen=True)
class _Job:
    version: tuple[int, int]
    state: str
    queue: str


def _job(version: tuple[int, int], message: bytes) -> _Job:
    """``state`` is "" where the job is over. A file that does not say counts as pending."""
    state, queue = STATE.search(message), QUEUE.search(message)
    uri = message[queue.end() :][: int.from_bytes(queue[1], "big")] if queue else b""
    return _Job(
        version,
        "pending" if state is None else STATES.get(state[1][0], ""),
        uri.decode(errors="replace").rpartition("/")[2],
    )
