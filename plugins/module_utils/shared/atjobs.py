# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When at(1) jobs run: the names of their spool files say so (queue, 5 hex digits of number, 8 of minutes, UTC)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("var/spool/cron/atjobs", "var/spool/at", "var/spool/atjobs")
_NAME = re.compile(r"\A[a-zA-Z]([0-9a-f]{5})([0-9a-f]{8})\Z")


def parse(name: str) -> tuple[int, float] | None:
    """Return (job number, seconds since the epoch), or None for what is no waiting job: "=" marks one that runs."""
    match = _NAME.match(name)
    return (int(match[1], 16), int(match[2], 16) * 60.0) if match else None


def read(root: Path = Path("/")) -> tuple[list[tuple[str, float]], list[str]]:
    """Return (name, seconds since the epoch) of all jobs, and what could not be read, one sentence each."""
    found: list[tuple[str, float]] = []
    problems: list[str] = []
    for folder in FOLDERS:
        try:
            found += _jobs(root / folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"/{folder} cannot be read ({error.strerror})")
    return found, problems


def _jobs(folder: Path) -> Iterator[tuple[str, float]]:
    for file in sorted(folder.iterdir()):
        job = parse(file.name)
        if job is not None:
            yield f"at {job[0]}", job[1]
