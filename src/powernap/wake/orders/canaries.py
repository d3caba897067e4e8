# SPDX-License-Identifier: GPL-3.0-or-later
"""Of each kind of machine one must have napped and woken before the others may nap by themselves (canary_first).

What has been proven is kept in the registry: nothing is tried twice, also after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from powernap.config.wake import WakeConfig
from powernap.wake.registry import Journal, Registry
from powernap.wake.registry.changes import Fact

_PREFIX = "proven/"


class Kind(NamedTuple):
    """What machines have in common that one of them proves for all. `group`: "" for those of none."""

    group: str
    profile: str
    version: str

    def __str__(self) -> str:
        group = f"group {self.group}" if self.group else "those without a group"
        return f"{group} with profile {self.profile or 'none'} and powernapd {self.version or 'of no known version'}"


class Canaries:
    """What is noted counts at once, and is on disk when the call returns."""

    def __init__(self, registry: Registry, journal: Journal) -> None:
        self._journal = journal
        found = registry.ask("SELECT name, value FROM facts WHERE name >= ? AND name < ?", _PREFIX, _PREFIX[:-1] + "0")
        self._proofs: dict[Kind, dict[str, Any]] = {
            Kind(*json.loads(name[len(_PREFIX) :])): json.loads(value) for name, value in found
        }
        self._all = False
        self._groups: Mapping[str, bool] = {}

    def adopt(self, config: WakeConfig) -> None:
        self._all = config.policy.canary_first
        self._groups = {
            name: group.canary_first == "yes"
            for name, group in config.groups.items()
            if group.canary_first != "default"
        }

    def first(self, group: str) -> bool:
        """Machines of the group wait for a canary."""
        return self._groups.get(group, self._all)

    def passed(self, kind: Kind) -> dict[str, Any] | None:
        """{"host", "at": Unix time, "seconds": until it was awake} of the last canary of that kind that woke."""
        return self._proofs.get(kind)

    def wanted(self, kind: Kind) -> str:
        """Why a machine of that kind may not nap yet, one sentence; "" where it may."""
        if not self.first(kind.group) or kind in self._proofs:
            return ""
        return f"no machine of {kind} has proven yet that it wakes: try one by 'powerwake canary NAME'"

    async def prove(self, kind: Kind, host: str, at: float, seconds: float) -> None:
        """Raises RegistryError; it counts all the same."""
        self._proofs[kind] = {"host": host, "at": at, "seconds": seconds}
        await self._journal.commit(Fact(_PREFIX + json.dumps(kind), json.dumps(self._proofs[kind])))
