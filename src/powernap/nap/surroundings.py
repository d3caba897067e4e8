# SPDX-License-Identifier: GPL-3.0-or-later
"""What conditions of steps are about: read at a look, and watched only where a step asks for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from powernap.machine.power import PowerSupply
from powernap.machine.uevents import Uevents
from powernap.machine.wallclock import WallClock
from powernap.nap.conditions import Surroundings
from powernap.nap.policy import Policy
from powernap.nap.ups import UpsReader, backed

_log = logging.getLogger("powernapd")
READ_SECONDS = 10.0
#: Who tells of a change. Nobody does of the lid: logind's LidClosed is a property without a signal.
SUBSYSTEMS = {"power": "power_supply", "battery": "power_supply", "display": "drm"}
#: What a UPS decides.
OF_A_UPS = frozenset(("power", "battery"))


class SurroundingsReader:
    """``power``: how to find out about power, lid and screens."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._policy: Policy | None = None
        self._uevents: Uevents | None = None
        self._clock: WallClock | None = None
        self._ups: UpsReader | None = None
        self._calls = False
        #: What people should know of it, one sentence each.
        self.notes: tuple[str, ...] = ()

    def adopt(self, policy: Policy, ups: str = "") -> None:
        """Watch what that policy's conditions are about, and nothing else. ``ups``: the option of that name."""
        self.close()
        self._policy = policy
        asked = bool(policy.facts & OF_A_UPS)
        self._ups = UpsReader(ups) if ups and asked else None
        unasked = "nap.ups has no effect, as no step has a condition on power or battery: give power or battery_below"
        self.notes = (f"{unasked} to a section [steps.NAME]",) if ups and not asked else ()
        subsystems = {SUBSYSTEMS[fact] for fact in policy.facts if fact in SUBSYSTEMS}
        try:
            if subsystems:
                self._uevents = Uevents(self._loop, sorted(subsystems), lambda *_event: self._call())
            self._calls = policy.facts <= set(SUBSYSTEMS) and self._ups is None
        except OSError as error:
            _log.warning("changes of power and screens are looked for every minute, as nobody tells of them: %s", error)
        try:
            if policy.timed:
                self._clock = WallClock(self._loop, self._call)
        except OSError as error:
            _log.warning("that somebody sets the clock is noticed at the next look only: %s", error)

    async def read(self, power: Callable[[], Awaitable[PowerSupply]]) -> Surroundings:
        """Return what is known; what cannot be found out is not known, and no step that asks for it is taken."""
        policy = self._policy
        around = Surroundings(calls=self._calls)
        if policy is not None and policy.facts:
            try:
                supply = await asyncio.wait_for(self._supply(power), READ_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever it runs into: then it is not known
                _log.warning("power, lid and screens cannot be read: %s", str(error) or type(error).__name__)
            else:
                around = Surroundings(
                    supply.on_battery,
                    supply.battery_percent,
                    supply.lid_closed,
                    supply.external_display,
                    calls=self._calls,
                    power_error=self._ups.error if self._ups is not None else "",
                )
        return at_wall_time(around, time.time()) if policy is not None and policy.timed else around

    async def _supply(self, power: Callable[[], Awaitable[PowerSupply]]) -> PowerSupply:
        if self._ups is None:
            return await power()
        supply, ups = await asyncio.gather(power(), self._ups.ask())
        return backed(supply, ups)

    def close(self) -> None:
        self._calls = False
        if self._uevents is not None:
            self._uevents.close()
        if self._clock is not None:
            self._clock.close()
        self._uevents = self._clock = None


def at_wall_time(around: Surroundings, wall: float) -> Surroundings:
    """Return the surroundings with the local time of day."""
    local = time.localtime(wall)
    second = local.tm_hour * 3600 + local.tm_min * 60 + min(local.tm_sec, 59) + wall % 1
    return replace(around, weekday=local.tm_wday, second_of_day=second)
