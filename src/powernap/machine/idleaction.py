# SPDX-License-Identifier: GPL-3.0-or-later
"""What logind itself does with an idle machine (logind.conf(5), IdleAction): recognised, so that nobody is surprised.

powernapd does not fight it: a sleep of logind's is one that somebody else began; the next idle period begins afresh.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from powernap.machine.dbus import Bus

MANAGER = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
#: Where logind looks, first found wins; of drop-ins, one of an earlier folder replaces its namesake.
FOLDERS = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
NONE = "ignore"
#: Locking the screens stands in nobody's way.
HARMLESS = (NONE, "lock")
DEFAULT_SECONDS = 1800.0
#: systemd.time(7); months and years are no times to be idle
UNITS = {
    "usec": 1e-6, "us": 1e-6, "msec": 1e-3, "ms": 1e-3,
    "seconds": 1.0, "second": 1.0, "sec": 1.0, "s": 1.0, "": 1.0,
    "minutes": 60.0, "minute": 60.0, "min": 60.0, "m": 60.0,
    "hours": 3600.0, "hour": 3600.0, "hr": 3600.0, "h": 3600.0,
    "days": 86400.0, "day": 86400.0, "d": 86400.0, "weeks": 604800.0, "week": 604800.0, "w": 604800.0,
}  # fmt: skip
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")


@dataclass(frozen=True)
class IdleAction:
    """logind does ``action`` (such as "suspend") when all sessions have been idle for ``seconds``."""

    action: str
    seconds: float

    def __bool__(self) -> bool:
        return self.action != NONE

    def sentence(self, absent_seconds: float) -> str:
        """Return what that means beside a sleep after ``absent_seconds``; "" where logind leaves the machine on."""
        if self.action in HARMLESS:
            return ""
        which = (
            "before powernapd would" if self.seconds <= absent_seconds else "should powernapd not have done so before"
        )
        return (
            f"logind itself does {self.action} after {self.seconds:g} s without input in any session, {which}, "
            "and asks no monitor; to leave it to powernapd, set IdleAction=ignore in a file of "
            "/etc/systemd/logind.conf.d"
        )


async def ask(bus: Bus) -> IdleAction:
    """Return what logind says of itself. Raises BusError."""
    return IdleAction(str(await bus.get(MANAGER, "IdleAction")), float(await bus.get(MANAGER, "IdleActionUSec")) / 1e6)


def configured(root: Path = Path("/")) -> IdleAction:
    """Return what logind's files say: for where it cannot be asked. What cannot be read or understood has no effect."""
    action, seconds = NONE, DEFAULT_SECONDS
    for file in _files(root):
        for key, value in _settings(file):
            if key == "IdleAction":
                action = value or NONE
            elif key == "IdleActionSec":
                seconds = _seconds(value, seconds)
    return IdleAction(action, seconds)


def _files(root: Path) -> Iterator[Path]:
    mains = (root / folder / "logind.conf" for folder in FOLDERS)
    yield from [file for file in mains if file.is_file()][:1]
    drop_ins: dict[str, Path] = {}
    for folder in FOLDERS:
        for file in (root / folder / "logind.conf.d").glob("*.conf"):
            drop_ins.setdefault(file.name, file)
    for name in sorted(drop_ins):
        yield drop_ins[name]


def _settings(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    section = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line
        elif section == "[Login]" and "=" in line and line[0] not in "#;":
            key, _equals, value = line.partition("=")
            yield key.strip(), value.strip()


def _seconds(text: str, otherwise: float) -> float:
    """Return a time span such as "1h 30min" in seconds."""
    if text == "infinity":
        return float("inf")
    seconds, at = 0.0, 0
    while at < len(text):
        match = _SPAN.match(text, at)
        if not match or match.group(2) not in UNITS:
            return otherwise
        seconds, at = seconds + float(match.group(1)) * UNITS[match.group(2)], match.end()
    return seconds if text else DEFAULT_SECONDS
