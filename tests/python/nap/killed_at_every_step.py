# SPDX-License-Identifier: GPL-3.0-or-later
"""Run powersave in a child again and again, each time killed one step later, and recover in the next process.

For test_powersave_killed.py. usage: FOLDER act|undo. Prints what it saw as JSON. The steps are the system calls at the
edge: opening, writing, syncing, cutting, renaming and removing; of a write to the journal also its half.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from powernap.config.sections.powersave import PowersaveSettings
from powernap.machine import outside
from powernap.nap.actions import Means
from powernap.nap.actions.powersave import Powersave
from powernap.nap.powersave import scripts

FILES = {
    "proc/sys/kernel/random/boot_id": "first",
    "proc/sys/vm/laptop_mode": "0",
    "proc/sys/vm/dirty_writeback_centisecs": "500",
    "proc/sys/kernel/nmi_watchdog": "1",
    "sys/kernel/mm/ksm/run": "1",
}


class Killer:
    """Sends SIGKILL to its own process at the given step; counts them when there is none."""

    def __init__(self, root: Path, at: int) -> None:
        self.root, self.at, self.steps = root, at, 0
        for name in ("open", "write", "fsync", "ftruncate", "replace", "unlink"):
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name, real):
        def call(*arguments, **more):
            if name == "write":
                return self._write(real, *arguments)
            self.step()
            return real(*arguments, **more)

        return call

    def _write(self, real, stream, content):
        """The kernel takes a knob's value whole; a file's end may come in part."""
        target = str(Path(f"/proc/self/fd/{stream}").readlink())
        if not target.startswith(str(self.root)) and "journal" in target:
            self.step(lambda: real(stream, content[: len(content) // 2]))
        written = real(stream, content)
        self.step()
        return written

    def step(self, before_it=lambda: None):
        self.steps += 1
        if self.steps == self.at:
            before_it()
            os.kill(os.getpid(), signal.SIGKILL)


def made(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for path, value in FILES.items():
        (folder / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "root" / path).write_text(value)
    script = folder / "root/etc/powernap/action.d/site"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\necho $1 >> {folder}/called\n")
    script.chmod(0o755)
    script.parent.chmod(0o755)
    return folder


def action(folder: Path) -> Powersave:
    made = Powersave(Means(None, folder / "state", PowersaveSettings(), root=folder / "root"))
    made._scripts = scripts.Scripts(made._journal, 5, folder / "root", os.geteuid())
    return made


def state(folder: Path) -> dict[str, str]:
    return {path: (folder / "root" / path).read_text().strip() for path in FILES}


def run(folder: Path, what: str, at: int) -> tuple[int, int]:
    """Return the wait status and the number of steps that were taken."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        killer = Killer(folder / "root", at)
        problems = asyncio.run(getattr(action(folder), what)())
        os.write(writing, json.dumps([killer.steps, problems]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    _pid, status = os.waitpid(pid, 0)
    steps, problems = json.loads(said) if said else (0, [])
    assert not problems, problems
    return status, steps


def main(folder: Path, what: str) -> None:
    outside.SYSTEMD = folder / "nothing"
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={folder}/nobody"
    seen = []
    for at in range(1, 1000):
        made(folder)
        before = state(folder)
        if what == "undo":
            run(folder, "act", -1)
            assert state(folder)["proc/sys/vm/laptop_mode"] == "5"
        status, _steps = run(folder, what, at)
        killed = os.WIFSIGNALED(status)
        turned = state(folder) != before
        if not killed and what == "act":
            break
        problems = asyncio.run(action(folder).undo())
        called = (folder / "called").read_text().split() if (folder / "called").exists() else []
        left = sorted(path.name for path in (folder / "state").glob("*.journal"))
        right = state(folder) == before and not problems and not left and called[-1:] != ["true"]
        seen.append({"at": at, "turned": turned, "right": right, "problems": problems, "called": called, "left": left})
        if not killed:
            break
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
