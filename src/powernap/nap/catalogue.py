# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be configured of powernapd, from what is registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from powernap.config.catalogue import Catalogue, Entry, Named, entries
from powernap.config.nap import ENABLED
from powernap.config.sections import SECTIONS
from powernap.config.sections.steps import StepSettings
from powernap.nap import monitors, warnings
from powernap.shared.schema import options_of


def catalogue() -> Catalogue:
    """Return everything that powernapd.toml may hold."""
    return Catalogue(
        "powernapd.toml",
        entries(SECTIONS),
        (
            Named("steps", (StepSettings.__doc__ or "").strip().partition("\n")[0], options_of(StepSettings)),
            Named(
                "monitors",
                "What counts as activity: any number of sections [monitors.NAME]. Without one the machine never naps.",
                (ENABLED,),
                tuple(_kinds(monitors.KINDS)),
            ),
            Named(
                "warnings",
                "How people are warned: any number of sections [warnings.NAME].",
                (ENABLED,),
                tuple(_kinds(warnings.KINDS)),
            ),
        ),
        profiles=True,
    )


def _kinds(
    kinds: Mapping[str, type[monitors.Monitor]] | Mapping[str, type[warnings.WarningMethod]],
) -> Iterable[Entry]:
    for kind in sorted(kinds):
        cls = kinds[kind]
        yield Entry(kind, cls.summary, cls.options, " ".join((cls.__doc__ or "").split()))


def knobs() -> tuple[Entry, ...]:
    """Return the power knobs, each with what it does and the files that it turns."""
    from powernap.nap.powersave.table import KNOBS

    return tuple(
        Entry(knob.name, f"{'' if knob.default else 'Off by default. '}{knob.description}: /{knob.pattern}", ())
        for knob in KNOBS
    )
