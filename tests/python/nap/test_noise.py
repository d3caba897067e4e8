# SPDX-License-Identifier: GPL-3.0-or-later
"""A monitor of rates learns noise only from the time in which all other monitors were idle."""

from __future__ import annotations

import asyncio

from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.rate import RateMonitor, rate_options
from powernap.nap.rates import ENOUGH
from powernap.nap.watch import Watch, active_since


class Hum(RateMonitor):
    kind, source = "hum", "the test"
    options = rate_options(100, "bytes/s", 200)
    total = 0.0

    def counters(self):
        self.total += 60 * 80
        return {"x": self.total}


class Other(Monitor):
    kind = "other"
    last = None

    def look(self, now):
        return self.reading(last_active=self.last)


def looks(hum, other, at, count, busy):
    watch = Watch([hum, other])
    watch.attach(None, lambda: None)

    async def run():
        for number in range(count):
            other.last = at + 60 * number - 30 if busy else None
            _now, readings = await watch.look(lambda: at + 60 * number)  # noqa: B023
        return readings[0]

    return asyncio.run(run())


def test_noise_is_learned_while_the_others_are_idle():
    assert looks(Hum("hum", {}), Other("other", {}), 1000.0, ENOUGH + 3, busy=False).threshold == 180


def test_no_noise_is_learned_while_another_is_active():
    assert looks(Hum("hum", {}), Other("other", {}), 1000.0, ENOUGH + 30, busy=True).threshold == 100


def test_who_was_active_since():
    readings = (
        Reading("old", "x", last_active=9.0),
        Reading("new", "x", last_active=11.0),
        Reading("on", "x", active_now=True),
        Reading("broken", "x", error="it fails"),
        Reading("never", "x"),
    )
    assert active_since(10.0, readings) == {"new", "on", "broken"}
    assert active_since(None, readings) == {"old", "new", "on", "broken"}
