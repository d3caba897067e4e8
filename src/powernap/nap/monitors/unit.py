# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a systemd unit runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.machine import cgroups
from powernap.machine.systemd1 import Unit, units
from powernap.nap.evidence import Reading
from powernap.nap.monitors.groups import Found, GroupMonitor, runs
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

#: Units with processes of their own have a control group of that name; others are asked of systemd.
WITH_GROUP = (".service", ".scope", ".slice")
SUFFIXES = (*WITH_GROUP, ".socket", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".device")


class UnitMonitor(GroupMonitor):
    """A unit runs while a process is in its control group: the kernel tells the end. A service that remains "active"
    after its processes ended does not run. systemd remembers when a unit ended that began and ended between two looks.
    Without control groups of version 2, and for units that have none, systemd is asked at every look.
    """

    kind = "unit"
    summary = "a systemd unit (service, scope, slice, ...) runs"
    options = (
        Option(
            "units",
            "strs",
            None,
            "names of units; * stands for many, and .service is added where a name has no suffix",
            example=["backup@*.service", "borgmatic"],
            required=True,
        ),
        Option("user_units", "bool", False, "units of users' own service managers count, too"),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values, root)
        if not values["units"]:
            raise PowernapError("units is empty: name at least one unit, such as backup.service")
        self._patterns = tuple(name if name.endswith(SUFFIXES) else f"{name}.service" for name in values["units"])
        self._grouped = tuple(pattern for pattern in self._patterns if pattern.endswith(WITH_GROUP))
        self._user_units = values.get("user_units", False)
        self._units: list[Unit] = []

    async def ask(self) -> None:
        self._units = []
        try:
            cgroups.top(self.root)
            needed = len(self._grouped) < len(self._patterns)
        except OSError:
            needed = True
        if self._holding:
            return  # the kernel will call: what ended earlier is of no interest
        try:
            self._units = await units(self.sources.bus(), self._patterns)
        except PowernapError:
            if needed:
                raise

    def look(self, now: float) -> Reading:
        grouped: tuple[str, ...] = WITH_GROUP
        try:
            reading = super().look(now)
        except FileNotFoundError:  # no control groups of version 2: ask() has raised unless systemd answered
            grouped = ()
            reading = self.reading(last_active=self._ended, detail=self.none(Found({}, ())), source="systemd")
        calls = reading.calls and len(self._grouped) == len(self._patterns)
        if reading.active_now:
            return reading
        running = [unit.name for unit in self._units if unit.running and not unit.name.endswith(grouped)]
        if running:
            self._ended = now
            return self.reading(last_active=now, active_now=True, detail=runs(running), source="systemd")
        ended = [(unit.ended, unit.name) for unit in self._units if unit.ended is not None]
        if ended and max(ended)[0] > (self._ended or 0.0):
            self._ended, last = max(ended)
            return replace(reading, last_active=self._ended, detail=f"{last} ended", source="systemd", calls=calls)
        return replace(reading, calls=calls)

    def find(self) -> Found:
        top = cgroups.top(self.root)
        groups, places = {}, [top]
        for group, entered in cgroups.below(top, self._into):
            name = cgroups.unit_name(group)
            if any(fnmatchcase(name, pattern) for pattern in self._grouped):
                groups[group] = name
            if entered:
                places.append(group)
        return Found(groups, tuple(places))

    def _into(self, name: str) -> bool:
        return name.endswith(".slice") or (self._user_units and name.startswith("user@"))

    def none(self, found: Found) -> str:
        known = {*found.groups.values(), *(unit.name for unit in self._units)}
        return f"{', '.join(self._patterns[:3])}: " + ("does not run" if known else "no such unit is loaded")
