# SPDX-License-Identifier: GPL-3.0-or-later
"""action.d: a site's scripts, called with true when powersave begins and false when it ends, as pm-utils' power.d."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from powernap.machine import outside
from powernap.nap.background import beside
from powernap.nap.powersave.journal import Entry, Journal

SCRIPT = "script"
#: The first masks the others.
FOLDERS = ("etc/powernap/action.d", "usr/lib/powernap/action.d")
#: pm-utils' own would turn Wake-on-LAN off.
DISABLE_WOL = "disable_wol"
#: What scripts written for pm-utils ask for, and how they say "not applicable" and "disabled" (its pm-functions).
PM_UTILS = {
    **{"PM_UTILS_LIBDIR": "/usr/lib/pm-utils", "PM_FUNCTIONS": "/usr/lib/pm-utils/functions"},
    **{"NA": "254", "NX": "253", "DX": "252"},
}
NO_FAILURES = (0, 254, 252)
#: What editors and packagers leave behind (run-parts(8) refuses these, too).
LEFTOVERS = ("~", ".bak", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmsave", ".rpmnew", ".swp", ".md")


@dataclass(frozen=True)
class Script:
    """``problem``: why it is refused, a sentence; ``enabled``: it is executable and not masked by /dev/null."""

    name: str
    path: Path
    enabled: bool
    problem: str = ""


def find(root: Path = Path("/"), folders: Iterable[str] = FOLDERS, owner: int = 0) -> list[Script]:
    """Return the scripts in the order of their names. ``owner``: who must own them, root but in tests. Blocks."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in (root / folder).glob("*"):
            if not path.name.startswith(".") and not path.name.endswith(LEFTOVERS):
                found.setdefault(path.name, path)
    return [_judged(found[name], owner) for name in sorted(found)]


def _judged(path: Path, owner: int) -> Script:
    try:
        target = path.resolve(strict=True)
        status = target.stat()
        if target == Path("/dev/null"):
            return Script(path.name, path, False)
        if not stat.S_ISREG(status.st_mode):
            return Script(path.name, path, False, f"{path} is refused: it is no file")
        if not status.st_mode & 0o111:
            return Script(path.name, path, False)
        for place, mode in ((target, status), (target.parent, target.parent.stat()), (path.parent, path.parent.stat())):
            if mode.st_uid != owner:
                return Script(path.name, path, True, f"{path} is refused: {place} belongs to somebody else than root")
            if mode.st_mode & 0o022:
                return Script(path.name, path, True, f"{path} is refused: others may write to {place}: 'chmod go-w' it")
        if DISABLE_WOL in (path.name, target.name):
            return Script(path.name, path, True, f"{path} is refused: it turns Wake-on-LAN off")
    except (OSError, RuntimeError) as error:
        return Script(path.name, path, False, f"{path} is refused: {getattr(error, 'strerror', None) or error}")
    return Script(path.name, path, True)


class Scripts:
    """Each has ``seconds``; what fails is told and holds nothing up."""

    def __init__(self, journal: Journal, seconds: float, root: Path = Path("/"), owner: int = 0) -> None:
        self._journal = journal
        self._seconds = seconds
        self._root = root
        self._owner = owner

    async def begin(self) -> list[str]:
        """Call all with "true"; return what went wrong, one sentence each."""
        scripts = await beside(lambda: find(self._root, owner=self._owner))
        problems = []
        for script in scripts:
            if script.problem:
                problems.append(script.problem)
            if script.problem or not script.enabled:
                continue
            entry = {"what": SCRIPT, "path": str(script.path)}
            try:
                await beside(partial(self._journal.add, [entry]))
            except OSError as error:
                problems.append(f"{script.path} is not called, as it cannot be written down: {error.strerror}")
                continue
            problems += await self._call(script.path, "true")
        return problems

    async def end(self, entries: list[Entry], settled: set[int]) -> list[str]:
        """Call those that were called with "true" with "false", the last first; return what went wrong."""
        problems = []
        for place, entry in reversed(list(enumerate(entries))):
            if entry["what"] != SCRIPT:
                continue
            script = await beside(partial(_judged, Path(entry["path"]), self._owner))
            if script.problem:
                problems.append(script.problem)
            elif script.enabled:
                problems += await self._call(script.path, "false")
            settled.add(place)
        return problems

    async def _call(self, path: Path, argument: str) -> list[str]:
        try:
            done = await outside.run([str(path), argument], seconds=self._seconds, environment=PM_UTILS)
        except outside.ProgramError as error:
            return [str(error)]
        return [] if done.status in NO_FAILURES else [f"{path} {argument} {done.complaint()}"]
