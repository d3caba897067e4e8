# SPDX-License-Identifier: GPL-3.0-or-later
"""The UPS behind this machine's mains, for conditions of steps. It has no events: it is asked at looks."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from powernap.machine import clocks
from powernap.machine.power import PowerSupply

if TYPE_CHECKING:
    from powernap.machine.nut import Ups

_log = logging.getLogger("powernapd")
#: For how long an answer, or that there was none, stands: looks can follow one another by the second.
STANDS_SECONDS = 10.0
#: A look waits no longer for a server that hangs.
ASK_SECONDS = 2.0


class UpsReader:
    """``address``: such as "rack1@nut.example.com". ``error``: why nothing is known of it now, or ""."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.error = ""
        self._asked_at = float("-inf")
        self._ups: Ups | None = None

    async def ask(self) -> Ups | None:
        """Return what the UPS says; None where that cannot be found out."""
        from powernap.machine import nut

        if clocks.now() - self._asked_at < STANDS_SECONDS:
            return self._ups
        before, self.error = self.error, ""
        try:
            self._ups = await nut.ask(self.address, ASK_SECONDS)
        except nut.UpsError as error:
            self._ups, self.error = None, str(error)
        self._asked_at = clocks.now()
        if self.error and self.error != before:
            _log.warning("%s", self.error)
        return self._ups


def backed(supply: PowerSupply, ups: Ups | None) -> PowerSupply:
    """Return what holds for a machine behind that UPS; None: nothing is known of it.

    Battery power is that of either; the battery is the emptier one, and empty where the UPS says that it will end soon.
    """
    if ups is None:
        return replace(supply, on_battery=supply.on_battery or None, battery_percent=None)
    on_battery = True if supply.on_battery else ups.on_battery
    charges = [charge for charge in (supply.battery_percent, 0.0 if ups.low else ups.charge) if charge is not None]
    return replace(supply, on_battery=on_battery, battery_percent=min(charges, default=None))
