# SPDX-License-Identifier: GPL-3.0-or-later
"""What powersave did and must take back, on disk before it is done: a restart after kill -9 completes the recovery.

One JSON object a line. Some name the boot of those after them: knobs are the kernel's and fresh after the next one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
BOOT_ID = "proc/sys/kernel/random/boot_id"


class Journal:
    """Appended to before each act. A line that a kill cut short belongs to an act that had not begun."""

    def __init__(self, file: Path, root: Path = Path("/")) -> None:
        self.file = file
        self._root = root
        self._lock = threading.Lock()

    def add(self, entries: Iterable[Entry]) -> None:
        """Add what is to be done next; it is on disk afterwards. Raises OSError: then the file is as it was."""
        entries = list(entries)
        if not entries:
            return
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            stream = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            before = 0
            try:
                before = self._repaired(stream)
                _write(stream, _lines([self._header(), *entries]))
                os.fsync(stream)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(stream, before)
                raise
            finally:
                os.close(stream)
            if not before:
                self._sync_directory()

    def read(self) -> tuple[list[Entry], list[str]]:
        """Return what is to be taken back, the newest last, and what is wrong with the file, one sentence each.

        Of another boot only what lasts across boots is returned.
        """
        try:
            whole = self.file.read_text().rpartition("\n")[0].splitlines()
        except FileNotFoundError:
            return [], []
        except (OSError, ValueError) as error:
            return [], [f"{self.file}: cannot be read ({error}), so nothing is put back: a reboot does"]
        entries, problems = [], []
        boot, same_boot = self._boot_id(), False
        for number, line in enumerate(whole, 1):
            try:
                entry = dict(json.loads(line))
            except (ValueError, TypeError):
                problems.append(f"{self.file}: line {number} is spoilt, so what it says is not put back: a reboot does")
                continue
            if "boot" in entry:
                same_boot = entry["boot"] == boot
            elif same_boot or entry.get("lasting"):
                entries.append(entry)
        return entries, problems

    def replace(self, entries: Iterable[Entry]) -> None:
        """Keep only these. Raises OSError: then the file is as it was."""
        entries = list(entries)
        with self._lock:
            if not entries:
                with suppress(FileNotFoundError):
                    self.file.unlink()
                return
            new = self.file.with_suffix(".new")
            stream = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write(stream, _lines([self._header(), *entries]))
                os.fsync(stream)
            finally:
                os.close(stream)
            new.replace(self.file)
            self._sync_directory()

    def _repaired(self, stream: int) -> int:
        """Cut off a line that a kill left unfinished; return the length."""
        content = self.file.read_bytes()
        length = content.rfind(b"\n") + 1
        if length != len(content):
            os.ftruncate(stream, length)
        return length

    def _header(self) -> Entry:
        return {"boot": self._boot_id()}

    def _boot_id(self) -> str:
        try:
            return (self._root / BOOT_ID).read_text().strip()
        except OSError:
            return ""

    def _sync_directory(self) -> None:
        directory = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _lines(entries: Iterable[Entry]) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


def _write(stream: int, content: bytes) -> None:
    while content:
        content = content[os.write(stream, content) :]
