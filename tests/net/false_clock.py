# SPDX-License-Identifier: GPL-3.0-or-later
"""A process whose CLOCK_REALTIME is wrong; its other clocks are the machine's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DAY = 86400


class FalseClock:
    """``environment`` makes a process see it; ``set(seconds)`` changes by how much it is ahead, at once."""

    def __init__(self, folder: Path, ahead: int) -> None:
        if shutil.which("gcc") is None:
            pytest.skip("no gcc here: apt-get install gcc libc6-dev")
        library = folder / "false_clock.so"
        source = str(Path(__file__).with_suffix(".c"))
        subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), source], check=True)
        self._file = folder / "clock"
        self.set(ahead)
        self.environment = {"LD_PRELOAD": str(library), "FALSE_CLOCK": str(self._file)}

    def set(self, ahead: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead}\n")
        new.rename(self._file)
