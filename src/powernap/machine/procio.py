# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes read and wrote: /proc/PID/io, proc_pid_io(5)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from powernap.machine.proctable import A_TURN, SHOWN, command_line

#: (read, written): by system calls (files, pipes, terminals, most sockets) or from and to storage only.
CALLS, STORAGE = ("rchar", "wchar"), ("read_bytes", "write_bytes")
_EFFECTIVE_USER = re.compile(r"^Uid:\s+\d+\s+(\d+)", re.MULTILINE)


def matching(proc: Path, pattern: re.Pattern[bytes], uid: int | None) -> Iterator[tuple[int, str] | None]:
    """Yield (pid, command line) of every process that matches, and None now and then, for others to get their turn.

    Kernel threads and this process itself never match, nor what nobody may read. Raises OSError without /proc.
    """
    own = os.getpid()
    with os.scandir(proc) as entries:
        processes = [entry.name for entry in entries if entry.name.isdigit()]
    for number, entry in enumerate(processes, 1):
        if number % A_TURN == 0:
            yield None
        if int(entry) == own:
            continue
        try:
            line, owner = command_line(f"{proc}/{entry}")
            if line and pattern.search(line) and (uid is None or uid == (owner or _effective_user(proc / entry))):
                yield int(entry), line[:SHOWN].decode(errors="replace")
        except OSError:
            continue  # it has gone, or a container hides it


def _effective_user(folder: Path) -> int:
    """Files in /proc of a process that may not be dumped are root's, whoever's it is (proc(5))."""
    found = _EFFECTIVE_USER.search((folder / "status").read_text(errors="replace"))
    return int(found[1]) if found else 0


def counters(proc: Path, pid: int, keys: tuple[str, str]) -> tuple[str, int, int]:
    """Return the process with its start, as numbers are used again, and the bytes that it read and wrote so far.

    Raises FileNotFoundError or ProcessLookupError where it has gone, PermissionError without CAP_SYS_PTRACE, and
    ValueError where the files have another form.
    """
    folder = proc / str(pid)
    try:
        start = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[19]
        fields = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
        return f"{pid} {start}", int(fields[keys[0]]), int(fields[keys[1]])
    except (KeyError, IndexError) as error:
        raise ValueError(f"{folder}/io or stat lacks {error}") from None
