# SPDX-License-Identifier: GPL-3.0-or-later
"""What else here saves power, sends the machine to sleep or keeps it from being woken: a sentence with the remedy each.

Nothing of it is changed. powernapd itself says the same as it goes, in its journal and in `powernap status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from powernap.machine import idleaction, tuners, wolthreats
from powernap.machine.dbus import Bus, BusError

#: Programs that send an idle machine to sleep by themselves: title, and the units by which they run.
SLEEPERS = (
    ("autosuspend", ("autosuspend.service", "autosuspend-detect-suspend.service")),
    ("circadian", ("circadian.service",)),
    ("sleepd", ("sleepd.service",)),
)
#: What dpkg has of Ubuntu's package of the original.
ORIGINAL = "var/lib/dpkg/info/powernap.list"


async def of_machine(absent_seconds: float, root: Path = Path("/")) -> list[str]:
    """Return all of them; ``absent_seconds``: after how long the machine would sleep."""
    try:
        bus = Bus()
    except BusError:
        return await find(None, absent_seconds, root)
    try:
        return await find(bus, absent_seconds, root)
    finally:
        bus.close()


async def find(bus: Bus | None, absent_seconds: float, root: Path = Path("/")) -> list[str]:
    """``bus``: None where there is no system bus."""
    active = await _active(bus) if bus is not None else set()
    return [
        *wolthreats.find(root),
        *_sleepers(active),
        *filter(None, [(await _idle_action(bus, root)).sentence(absent_seconds)]),
        *(await _tuners(bus) if bus is not None else ()),
        *_original(root),
    ]


async def _active(bus: Bus) -> set[str]:
    wanted = [unit for _title, units in SLEEPERS for unit in units]
    try:
        (units,) = await bus.call(tuners.SYSTEMD, "ListUnitsByNames", "as", (wanted,))
    except BusError:
        return set()
    return {unit[0] for unit in units if unit[3] in ("active", "activating")}


def _sleepers(active: set[str]) -> Iterator[str]:
    for title, units in SLEEPERS:
        running = [unit.removesuffix(".service") for unit in units if unit in active]
        if running:
            yield (
                f"{title} runs and sends this machine to sleep by rules of its own, which know nothing of powernapd's "
                f"monitors: systemctl disable --now {' '.join(running)}"
            )


async def _idle_action(bus: Bus | None, root: Path) -> idleaction.IdleAction:
    if bus is not None:
        try:
            return await idleaction.ask(bus)
        except BusError:
            pass
    return idleaction.configured(root)


async def _tuners(bus: Bus) -> list[str]:
    try:
        running = await tuners.running(bus)
    except BusError:
        return []
    return [f"{tuner.sentence()}; to leave them to powernapd: {_stop(tuner)}" for tuner in running]


def _stop(tuner: tuners.Tuner) -> str:
    return f"systemctl disable --now {' '.join(unit.removesuffix('.service') for unit in tuner.units)}"


def _original(root: Path) -> Iterator[str]:
    if (root / ORIGINAL).exists():
        yield (
            "the original powernap is installed, whose daemon has the same name: take its settings over by 'powernap "
            "migrate', then remove the package powernap"
        )
