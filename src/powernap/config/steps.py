# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a nap: read from [steps.NAME], and checked against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from powernap.config.build import Builder
from powernap.config.sections.nap import AWAKE_ACTIONS, NapSettings
from powernap.config.sections.steps import StepSettings
from powernap.shared.schema import options_of

#: Keys of [nap] that make steps of their own: in a file nearer than all steps they stand for them.
CLASSIC = ("nap.absent_seconds", "nap.action", "nap.stage2_absent_seconds", "nap.stage2_action")
CONDITIONS = ("power", "battery_below", "lid", "display", "between", "days")


def read_steps(builder: Builder) -> dict[str, StepSettings]:
    """Return the steps that are enabled by name, in the order in which they come; problems go to the builder."""
    tables = builder.merged.values.get("steps", {})
    if not isinstance(tables, Mapping):
        builder.problem("steps", f"{tables!r} is not a table: write [steps.NAME] and its keys below it")
        return {}
    found = {}
    for name, values in tables.items():
        if isinstance(values, Mapping):
            found[name] = StepSettings(**builder.table(f"steps.{name}", options_of(StepSettings), values))
        else:
            builder.problem(f"steps.{name}", f"{values!r} is not a table: write [steps.{name}] and its keys below it")
    if builder.problems:
        return {}
    return {name: step for name, step in sorted(found.items(), key=lambda item: item[1].after_seconds) if step.enabled}


def check_steps(builder: Builder, steps: Mapping[str, StepSettings], nap: NapSettings) -> None:
    """Find what contradicts itself. A silence of the configuration must never be a surprise at night."""
    if steps and nap.stage2_absent_seconds:
        builder.problem(
            "nap.stage2_absent_seconds",
            "[steps] are given, and they stand for both stages: set it to 0, or take the [steps] out, those of a "
            "profile by enabled = false",
        )
    for name, step in steps.items():
        for key, sentence in _alone(step):
            builder.problem(f"steps.{name}.{key}", sentence)
    gaps = dict(zip(steps, gaps_of(list(steps.values())), strict=True))
    for name, step in steps.items():
        if f"steps.{name}.grace_seconds" in builder.merged.origin and step.grace_seconds > gaps[name] / 2:
            builder.problem(
                f"steps.{name}.grace_seconds",
                f"{step.grace_seconds:g} is more than half of the {gaps[name]:g} s since the step before: "
                f"at most {gaps[name] / 2:g}",
            )
    for (first, earlier), (second, later) in _pairs(steps):
        if earlier.after_seconds == later.after_seconds and conditions_of(earlier) == conditions_of(later):
            builder.problem(
                f"steps.{second}.after_seconds",
                f"is that of steps.{first}, under the same conditions: give one of them another time or condition",
            )
        elif earlier.action not in AWAKE_ACTIONS and conditions_of(earlier) in ({}, conditions_of(later)):
            builder.problem(
                f"steps.{second}.after_seconds",
                f"is never reached, as steps.{first} ({earlier.action}{_given(builder, first)}) comes first and the "
                f"machine sleeps then: put it before {earlier.after_seconds:g}, give steps.{first} a condition"
                + _combined(earlier.action, later.action)
                + f", or switch steps.{second} off by enabled = false",
            )


def gaps_of(steps: list[StepSettings]) -> list[float]:
    """Return for each step, in order, the time since the one before it that comes at another time."""
    times = sorted({0.0, *(step.after_seconds for step in steps)})
    before = {later: later - earlier for earlier, later in pairwise(times)}
    return [before[step.after_seconds] for step in steps]


def conditions_of(step: StepSettings) -> dict[str, Any]:
    """Return the conditions that a step has."""
    given = {key: getattr(step, key) for key in CONDITIONS}
    defaults = StepSettings()
    return {key: _unordered(value) for key, value in given.items() if value != getattr(defaults, key)}


def _unordered(value: Any) -> Any:
    return frozenset(value) if isinstance(value, tuple) else value


def _given(builder: Builder, name: str) -> str:
    """Return where a step is from: mostly it is not the file of the step that it stands in the way of."""
    file = builder.merged.origin.get(f"steps.{name}.after_seconds", "")
    return f", {file}" if file else ""


def _alone(step: StepSettings) -> Iterator[tuple[str, str]]:
    if step.action == "exec" and not step.command.startswith("/"):
        said = f"{step.command!r} is" if step.command else "missing:"
        yield "command", f'{said} no program for action exec: give its absolute path, such as "/etc/powernap/lamps"'
    if step.command and step.action != "exec":
        yield "command", f'is only for action = "exec", not {step.action}: take it out'


def _pairs(
    steps: Mapping[str, StepSettings],
) -> Iterator[tuple[tuple[str, StepSettings], tuple[str, StepSettings]]]:
    items = list(steps.items())
    for index, first in enumerate(items):
        for second in items[index + 1 :]:
            yield first, second


def _combined(earlier: str, later: str) -> str:
    return ', use action = "suspend-then-hibernate"' if (earlier, later) == ("suspend", "hibernate") else ""
