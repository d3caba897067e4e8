# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the section [powersave] beyond the form of its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from powernap.config.sections.powersave import PowersaveSettings
from powernap.nap.powersave import modules, units
from powernap.nap.powersave.table import KNOBS, unknown
from powernap.shared.schema import suggestion

NAMES = tuple(knob.name for knob in KNOBS)


def problems(settings: PowersaveSettings) -> Iterator[tuple[str, str]]:
    """Yield (key, sentence)."""
    for key in ("knobs", "except_knobs"):
        for name in unknown(getattr(settings, key)):
            yield key, _no_knob(name)
    for text in settings.values:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            yield "values", f'{text!r} gives no value: write "KNOB=VALUE", such as "governor=conservative"'
        elif name.strip() not in NAMES:
            yield "values", _no_knob(name.strip())
    for service in settings.services:
        if reason := units.refusal(service):
            yield "services", f"{reason}: take it out"
    for module in settings.modules:
        if not modules.NAME.fullmatch(module):
            yield "modules", f"{module!r} is no name of a kernel module: write it as in lsmod"


def values(settings: PowersaveSettings) -> Mapping[str, str]:
    """Return the values that the configuration gives, by the knobs' names."""
    pairs = (text.partition("=") for text in settings.values)
    return {name.strip(): value.strip() for name, _equals, value in pairs}


def _no_knob(name: str) -> str:
    return f"there is no knob {name!r}" + (suggestion(name, NAMES) or f": known are {', '.join(NAMES)}")
