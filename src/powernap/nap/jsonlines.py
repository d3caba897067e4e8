# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of JSON lines that is only appended to, never larger than it may be, and readable after any crash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class JsonLines:
    """``error``: why the last line could not be written, or ""; ``lost``: how many lines were lost in all.

    At half of ``limit_bytes`` the file becomes FILE.old, in place of the one before. Nothing is synced: a line survives
    the daemon's end at once and the machine's after the kernel's write-back.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self._half = limit_bytes // 2
        self.error = ""
        self.lost = 0

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line. A disk that is full, or away, is noted and costs the line only."""
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        try:
            self._write(line)
            self.error = ""
        except OSError as error:
            self.lost += 1
            self.error = f"{self.path} cannot be written: {error.strerror}"

    def _write(self, line: bytes) -> None:
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size and size + len(line) > self._half:
                os.close(fd)
                fd = -1
                self.path.replace(old(self.path))
                fd, size = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), 0
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = b"\n" + line  # what a crash tore stays a line of its own, which readers pass over
            written = os.write(fd, line)
            if written < len(line):
                os.ftruncate(fd, size)
                raise OSError(28, "No space left on device")
        finally:
            if fd >= 0:
                os.close(fd)


def old(path: Path) -> Path:
    """Return the name of the file before that one."""
    return path.with_name(path.name + ".old")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records, the oldest first; what is no record is passed over. Raises OSError where neither is there."""
    files = [file for file in (old(path), path) if file.exists()] or [path]
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    yield record
