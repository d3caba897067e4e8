# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap's own leases: somebody holds the machine awake, for a reason, and for a limited time.

They end by CLOCK_BOOTTIME, which nobody can set, and with the boot that they were taken in. One that is bound to a
process ends with it: its pidfd tells, without a timer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from powernap.machine import hands
from powernap.nap.hold import Hold
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
FILE = "leases.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: More at once are a mistake, or ill will.
MOST = 100
MOST_WHO, MOST_REASON = 100, 200


class LeaseError(PowernapError):
    """A lease that cannot be."""


@dataclass(frozen=True)
class Lease:
    """``until``: CLOCK_BOOTTIME; ``pid``: the process it is bound to, or 0; ``started``: that one's start time.

    ``ordered``: the wake server has ordered it, and may end it.
    """

    id: str
    who: str
    reason: str
    until: float
    uid: int = 0
    pid: int = 0
    started: str = ""
    ordered: bool = False

    def sentence(self, now: float) -> Hold:
        how = "ordered, at the wake server," if self.ordered else "holds"
        said = f"{self.who} {how} lease {self.id} for another {self.until - now:.0f} s: {self.reason}"
        return Hold(said, self.until)


class Leases:
    """All leases, kept on disk for a restart of the daemon. ``changed`` is called when one ends with its process."""

    def __init__(self, folder: Path, changed: Callable[[], None], boot_id: str = "") -> None:
        self._file = folder / FILE
        self._changed = changed
        self._boot_id = boot_id or BOOT_ID.read_text().strip()
        self._leases: dict[str, Lease] = {}
        self._pidfds: dict[str, int] = {}
        self._numbers = itertools.count(1)

    def load(self, now: float) -> None:
        """Take up the leases of before a restart."""
        try:
            content = json.loads(self._file.read_text())
            leases = [Lease(**entry) for entry in content["leases"]] if content["boot_id"] == self._boot_id else []
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning(
                "%s: cannot be read (%s), so earlier leases hold no longer: take them again", self._file, error
            )
            return
        for lease in leases:
            if lease.until > now and self._bind(lease):
                self._leases[lease.id] = lease
        self._numbers = itertools.count(max((int(lease.id) for lease in leases if lease.id.isdigit()), default=0) + 1)

    def take(
        self,
        who: str,
        reason: str,
        seconds: float,
        limit: float,
        now: float,
        uid: int = 0,
        pid: int = 0,
        ordered: bool = False,
    ) -> Lease:
        """Take a lease; one that is ordered takes the place of that of the same owner and reason. Raises LeaseError."""
        who, reason = _plain(who, MOST_WHO), _plain(reason, MOST_REASON)
        if not who or not reason:
            raise LeaseError("a lease needs an owner and a reason: give --who and --reason")
        if not 0 < seconds <= limit:
            raise LeaseError(f"a lease lasts at most {limit:g} s (inhibitors.max_lease_seconds): ask for less")
        holding = self.current(now)
        former = [each for each in holding if ordered and each.ordered and (each.who, each.reason) == (who, reason)]
        if len(holding) - len(former) >= MOST:
            raise LeaseError(f"there are {MOST} leases: release some (powernap inhibit --list)")
        lease = Lease(str(next(self._numbers)), who, reason, now + seconds, uid, pid, _started(pid), ordered)
        if not self._bind(lease):
            raise LeaseError(f"process {pid} has ended, and the lease with it")
        self._leases[lease.id] = lease
        for each in former:
            self._end(each.id)
        self._save()
        return lease

    def release_ordered(self, now: float, identifier: str = "", reason: str = "") -> tuple[Lease, ...]:
        """End those that the wake server has ordered, of that number and reason where they are given."""
        reason = _plain(reason, MOST_REASON)
        ended = tuple(
            lease
            for lease in self.current(now)
            if lease.ordered and identifier in ("", lease.id) and reason in ("", lease.reason)
        )
        for lease in ended:
            self._end(lease.id)
        if ended:
            self._save()
        return ended

    def release(self, identifier: str, uid: int = 0) -> Lease:
        """End a lease; root may end all, others their own. Raises LeaseError."""
        lease = self._leases.get(identifier)
        if lease is None:
            raise LeaseError(f"there is no lease {identifier}: see powernap inhibit --list")
        if uid not in (0, lease.uid):
            raise LeaseError(f"lease {identifier} is another user's: run this with sudo")
        self._end(identifier)
        self._save()
        return lease

    def current(self, now: float) -> tuple[Lease, ...]:
        """Return the leases that hold; those whose time is over are dropped."""
        over = [lease.id for lease in self._leases.values() if lease.until <= now]
        for identifier in over:
            self._end(identifier)
        if over:
            self._save()
        return tuple(self._leases.values())

    def close(self) -> None:
        """Give everything back; what is on disk stays."""
        for identifier in tuple(self._leases):
            self._end(identifier)

    def _bind(self, lease: Lease) -> bool:
        """Watch the process of a lease; False: it is gone."""
        if not lease.pid:
            return True
        if _started(lease.pid) != lease.started or not lease.started:
            return False
        try:
            pidfd = os.pidfd_open(lease.pid)
        except OSError:
            return False
        self._pidfds[lease.id] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._process_ended, lease.id)
        return True

    def _process_ended(self, identifier: str) -> None:
        lease = self._leases[identifier]
        _log.info("lease %s of %s ends with its process %d", identifier, lease.who, lease.pid)
        self._end(identifier)
        self._save()
        self._changed()

    def _end(self, identifier: str) -> None:
        self._leases.pop(identifier)
        pidfd = self._pidfds.pop(identifier, None)
        if pidfd is not None:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)

    def _save(self) -> None:
        """A disk that is full takes no lease away: it is then only lost with a restart."""
        new = self._file.with_suffix(".new")
        content = {"boot_id": self._boot_id, "leases": [asdict(lease) for lease in self._leases.values()]}
        try:
            with new.open("w") as stream:
                json.dump(content, stream)
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self._file)
        except OSError as error:
            _log.warning("%s cannot be written (%s): leases would not outlive a restart", self._file, error.strerror)


def _plain(text: str, most: int) -> str:
    """On one line, and no longer than it is kept."""
    return " ".join(text.split())[:most]


def _started(pid: int) -> str:
    """Return a process's start time, which no later process of that number shares; "" where there is none."""
    if not pid or not hands.needed():
        return start_of(pid) if pid else ""
    try:
        return str(hands.ask("process", pid=pid)["started"])  # processes of others are hidden from powernapd
    except hands.HandsError:
        return ""


def start_of(pid: int, proc: Path = Path("/proc")) -> str:
    try:
        return (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def owner_of(pid: int, proc: Path = Path("/proc")) -> int:
    """Return whose process that is, or -1."""
    try:
        return (proc / str(pid)).stat().st_uid
    except OSError:
        return -1
