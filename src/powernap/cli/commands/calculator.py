# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap calculator."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass

from powernap.cli.commands.base import say
from powernap.shared.errors import PowernapError

NAME = "calculator"
SUMMARY = "what naps of many machines would save"
DAYS = 365.0


@dataclass(frozen=True)
class Saving:
    """What is saved; money is None where no price is given."""

    kwh_per_day: float
    kwh_per_year: float
    kwh_per_year_without_naps: float
    percent: float
    money_per_year: float | None


def saving(
    hosts: int, hours_asleep: float, watts_awake: float, watts_asleep: float, price_per_kwh: float = 0.0
) -> Saving:
    """Return what that many hosts save that sleep so many hours a day. Raises PowernapError."""
    if hosts < 0 or price_per_kwh < 0 or watts_asleep < 0:
        raise PowernapError("hosts, watts and price are not negative")
    if not 0 <= hours_asleep <= 24:
        raise PowernapError(f"--hours-asleep: a day has 24 hours, not {hours_asleep:g}")
    if watts_awake < watts_asleep:
        raise PowernapError("--watts-awake is less than --watts-asleep: then naps save nothing")
    daily = hosts * hours_asleep * (watts_awake - watts_asleep) / 1000
    without = hosts * 24 * watts_awake / 1000
    percent = 100 * daily / without if without else 0.0
    return Saving(daily, daily * DAYS, without * DAYS, percent, daily * DAYS * price_per_kwh if price_per_kwh else None)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--hours-asleep", type=float, required=True, metavar="H", help="each, a day")
    parser.add_argument("--watts-awake", type=float, required=True, metavar="W", help="each, awake and idle")
    parser.add_argument("--watts-asleep", type=float, default=3.0, metavar="W", help="each (default: %(default)s)")
    parser.add_argument("--price", type=float, default=0.0, metavar="P", help="of a kilowatt hour")


def run(options: argparse.Namespace) -> int:
    expected = saving(options.hosts, options.hours_asleep, options.watts_awake, options.watts_asleep, options.price)
    text = (
        f"{expected.kwh_per_day:.2f} kWh a day, {expected.kwh_per_year:.0f} kWh a year: {expected.percent:.0f} % of "
        f"{expected.kwh_per_year_without_naps:.0f} kWh"
    )
    if expected.money_per_year is not None:
        text += f"\n{expected.money_per_year:.2f} a year at {options.price:g} a kilowatt hour"
    say(options, {"ok": True, **asdict(expected)}, text + "\n(estimated)")
    return 0
