# SPDX-License-Identifier: GPL-3.0-or-later
"""[steps.NAME]: the stages of a nap, each with its idle time, its action and its conditions."""

from dataclasses import dataclass

from powernap.config.sections.nap import ACTIONS
from powernap.shared.schema import setting

STEP_ACTIONS = (*ACTIONS, "exec")


@dataclass(frozen=True)
class StepSettings:
    """One stage of a nap. Any number of sections [steps.NAME] stand for the times and actions of [nap].

    A step is taken when the machine was idle for its time and all of its conditions hold. One whose conditions do not
    hold is passed over; one whose conditions hold no longer is undone.
    """

    enabled: bool = setting("bool", True, "false: as if this section were not there")
    after_seconds: float = setting(
        "float",
        None,
        "idle time since the last activity after which the step is taken",
        unit="seconds",
        minimum=1,
        maximum=30 * 86400,
        example=900,
        required=True,
    )
    action: str = setting("str", None, "what is done", choices=STEP_ACTIONS, example="suspend", required=True)
    command: str = setting(
        "str",
        "",
        "for action exec: the program, called with true, and to undo with false",
        example="/etc/powernap/lamps",
    )
    grace_seconds: float = setting(
        "float",
        60,
        "the last part of the time before the step, in which people are warned; where it is not given: only before "
        "steps that sleep, and at most half of the time since the step before",
        unit="seconds",
        minimum=0,
    )
    power: str = setting("str", "any", "only on this power", choices=("any", "mains", "battery"))
    battery_below: float = setting(
        "float",
        0,
        "only when the battery is less full than this; 0: however full",
        unit="percent",
        minimum=0,
        maximum=100,
    )
    lid: str = setting("str", "any", "only with the lid like this", choices=("any", "open", "closed"))
    display: str = setting(
        "str", "any", "only with, or only without a screen that is not built in", choices=("any", "external", "none")
    )
    between: tuple[str, ...] = setting(
        "windows", (), "only in these parts of the day, local time; empty: always", example=["22:00-06:00"]
    )
    days: tuple[str, ...] = setting(
        "strs",
        (),
        "only on these days; a part of a day that passes midnight belongs to the day on which it began; empty: all",
        choices=("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        example=["sat", "sun"],
    )
