# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules that powersave unloads, and loads again if it was we who unloaded them; never a network card's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from powernap.machine import netdevices, outside
from powernap.nap.background import beside
from powernap.nap.powersave.journal import Entry, Journal

MODULE = "module"
MODPROBE_SECONDS = 15.0
NAME = re.compile(r"[A-Za-z0-9_-]+")


def loaded(name: str, root: Path) -> bool:
    """What is built in has a folder, too, but no state."""
    return (root / "sys/module" / name / "initstate").exists()


def of_the_network(root: Path) -> dict[str, str]:
    """Return the modules that a network card works by, its bus controllers' included, with the card's name. Blocks."""
    found: dict[str, str] = {}
    for name, device in netdevices.devices(root).items():
        for place in (device, *device.parents):
            module = place / "driver/module"
            if module.exists():
                found.setdefault(module.resolve().name, name)
            if place == (root / "sys/devices").resolve():
                break
    return found


class Modules:
    """By modprobe, outside of the sandbox, which may not load modules."""

    def __init__(self, names: Iterable[str], journal: Journal, root: Path = Path("/")) -> None:
        self._names = tuple(name.replace("-", "_") for name in names)
        self._journal = journal
        self._root = root

    async def unload(self) -> list[str]:
        """Unload those that are loaded; return what went wrong, one sentence each."""
        problems = []
        network = await beside(lambda: of_the_network(self._root)) if self._names else {}
        for name in self._names:
            if not NAME.fullmatch(name):
                problems.append(f"{name!r} is no name of a kernel module")
            elif name in network:
                problems.append(f"the module {name} is never unloaded, as the network card {network[name]} works by it")
            elif loaded(name, self._root):
                problems += await self._unload(name)
        return problems

    async def _unload(self, name: str) -> list[str]:
        try:
            await beside(lambda: self._journal.add([{"what": MODULE, "name": name}]))
            done = await outside.run(["modprobe", "--remove", name], seconds=MODPROBE_SECONDS)
        except OSError as error:
            return [f"the module {name} is not unloaded, as it cannot be written down: {error.strerror}"]
        except outside.ProgramError as error:
            return [f"the module {name} is not unloaded: {error}"]
        return [f"the module {name} is not unloaded: modprobe {done.complaint()}"] if done.status else []

    async def load_again(self, entries: list[Entry], settled: set[int]) -> list[str]:
        """Load those that the journal names and that are not loaded, the last first; return what could not be."""
        problems = []
        for place, entry in reversed(list(enumerate(entries))):
            if entry["what"] != MODULE:
                continue
            name = entry["name"]
            try:
                if not loaded(name, self._root):
                    done = await outside.run(["modprobe", name], seconds=MODPROBE_SECONDS)
                    if done.status:
                        problems.append(f"the module {name} is not loaded again: modprobe {done.complaint()}")
                settled.add(place)
            except outside.ProgramError as error:
                problems.append(f"the module {name} is not loaded again: {error}")
        return problems
