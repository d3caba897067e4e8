# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that did not wake when that was tried: kept in the registry, since nothing may forget it."""

from __future__ import annotations

import json
from typing import Any

from powernap.wake.registry import Journal, Registry
from powernap.wake.registry.changes import CANARY as _PREFIX
from powernap.wake.registry.changes import Fact


class CanaryMarks:
    """By name. What is set counts at once, and is on disk when the call returns."""

    def __init__(self, registry: Registry, journal: Journal) -> None:
        self._journal = journal
        found = registry.ask("SELECT name, value FROM facts WHERE name >= ? AND name < ?", _PREFIX, _PREFIX[:-1] + "0")
        self._failed: dict[str, dict[str, Any]] = {
            name[len(_PREFIX) :]: json.loads(value) for name, value in found if value
        }

    def failed(self, name: str) -> dict[str, Any] | None:
        """{"at": Unix time, "why": one sentence} of a machine that did not wake."""
        return self._failed.get(name)

    async def fail(self, name: str, at: float, why: str) -> None:
        """Raises RegistryError; it counts all the same."""
        self._failed[name] = {"at": at, "why": why}
        await self._journal.commit(Fact(_PREFIX + name, json.dumps(self._failed[name])))

    def forget(self, name: str) -> None:
        """The machine is registered no more, nor is its mark: a later one of that name is another."""
        self._failed.pop(name, None)

    def rename(self, name: str, now: str) -> None:
        """It has taken its mark with it."""
        if name in self._failed:
            self._failed[now] = self._failed.pop(name)

    async def clear(self, name: str) -> bool:
        """False where there was nothing. Raises RegistryError."""
        if name not in self._failed:
            return False
        await self._journal.commit(Fact(_PREFIX + name, ""))
        return self._failed.pop(name, None) is not None
