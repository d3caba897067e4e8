# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that only grow, over restarts and whatever is done to the clock; one write to the disk for a million."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from powernap.shared.errors import PowernapError

FILE = "link-sequence"
BLOCK = 1_000_000


class Numbers:
    """Each call returns the next. The file holds a number that no message has had yet, nor will before a restart."""

    def __init__(self, state_dir: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._file = state_dir / FILE
        self._wall_ns = wall_ns
        self._last = 0
        self._reserved = 0

    def __call__(self) -> int:
        """Raises PowernapError where the disk cannot be written: then nothing may be sent."""
        if self._last >= self._reserved:
            # the clock: a state directory that was lost must not repeat numbers either
            self._reserve(max(self._last, self._read(), self._wall_ns()))
        self._last += 1
        return self._last

    def above(self, number: int) -> None:
        """The server has seen that number: go on above it."""
        if number > self._last:
            self._reserve(max(number, self._read()))

    def _read(self) -> int:
        try:
            return int(self._file.read_text())
        except (OSError, ValueError):
            return 0

    def _reserve(self, last: int) -> None:
        new = self._file.with_suffix(".new")
        try:
            with new.open("w") as stream:
                stream.write(str(last + BLOCK))
                stream.flush()
                os.fsync(stream.fileno())
            new.replace(self._file)
        except OSError as error:
            raise PowernapError(f"{self._file}: cannot be written ({error.strerror}): free some space") from error
        self._last, self._reserved = last, last + BLOCK
