# SPDX-License-Identifier: GPL-3.0-or-later
"""What the monitors of rates have in common: counters read at each look, and a gauge that judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from powernap.machine import clocks
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.rates import RateGauge, rate_options

DIRECTION = ("both", "read", "write")


class RateMonitor(Monitor):
    """``options`` holds ``rate_options``; what is left out here has the default declared there."""

    unit: str = "bytes/s"
    source: ClassVar[str]

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._gauge = RateGauge(self.values["threshold"], self.values["learn"], self.values["noise_limit"])
        self._sleep = clocks.SleepGauge()

    def counters(self) -> Mapping[str, float]:
        """Return what was counted so far, by name. Raises OSError."""
        raise NotImplementedError

    def none(self) -> str:
        """Return the detail of the reading while there is nothing to count."""
        raise NotImplementedError

    def look(self, now: float) -> Reading:
        counters = self.counters()
        others = self.sources.active - {self.name}
        verdict = self._gauge.look(now, counters, slept=self._sleep.slept(), others_active=bool(others))
        return self.reading(
            last_active=now if verdict.active else None,
            detail=verdict.detail(self.unit) if counters else self.none(),
            source=self.source,
            counts=True,
            value=verdict.rate if verdict.name else None,
            threshold=verdict.threshold if verdict.name else self.values["threshold"],
            unit=self.unit,
        )


__all__ = ["DIRECTION", "RateMonitor", "rate_options"]
