# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of the running kernel with processes in them, laid out as systemd would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from powernap.machine import cgroups


class Groups:
    """``root``: a tree whose sys/fs/cgroup is a group of our own; processes are sleepers."""

    def __init__(self, root: Path, top: Path) -> None:
        self.root, self.top = root, top
        self._sleepers: list[subprocess.Popen] = []

    def make(self, path: str) -> Path:
        group = self.top
        for part in path.split("/"):
            group /= part
            group.mkdir(exist_ok=True)
        return group

    def run(self, path: str, *command: str) -> subprocess.Popen:
        """Start a process in the group, which is made where it is missing."""
        group = self.make(path)
        sleeper = subprocess.Popen(command or ("sleep", "60"))
        (group / "cgroup.procs").write_text(str(sleeper.pid))
        self._sleepers.append(sleeper)
        return sleeper

    def end(self, sleeper: subprocess.Popen) -> None:
        sleeper.kill()
        sleeper.wait()

    def remove(self, path: str) -> None:
        deadline = time.monotonic() + 5
        while True:
            try:
                (self.top / path).rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def close(self) -> None:
        for sleeper in self._sleepers:
            if sleeper.poll() is None:
                self.end(sleeper)
        for folder, _folders, _files in os.walk(self.top, topdown=False):
            self.remove(os.path.relpath(folder, self.top))


@contextlib.contextmanager
def groups(tmp_path: Path) -> Iterator[Groups]:
    try:
        top = cgroups.top() / f"powernap-test-{os.getpid()}"
        top.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    (tmp_path / "sys/fs").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup").symlink_to(top)
    made = Groups(tmp_path, top)
    try:
        yield made
    finally:
        made.close()


async def settle() -> None:
    await asyncio.sleep(0.05)
