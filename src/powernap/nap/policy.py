# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine goes by, made from the configuration. Pure. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from powernap.config import NapConfig
from powernap.config.sections.nap import AWAKE_ACTIONS
from powernap.config.sections.steps import StepSettings
from powernap.config.steps import gaps_of
from powernap.nap.conditions import Conditions, windows
from powernap.shared.virtual import Virtualization

#: Keys of [nap] for which steps have their own.
CLASSIC = {"absent_seconds": "after_seconds", "grace_seconds": "grace_seconds", "action": "action"}


@dataclass(frozen=True)
class Step:
    """One stage of a nap: that long after the last activity, with a warning over the last part of that time.

    ``name``: of its section [steps.NAME], or ""; ``command``: what the action exec runs.
    """

    after_seconds: float
    action: str
    grace_seconds: float = 0.0
    conditions: Conditions = field(default_factory=Conditions)
    name: str = ""
    command: str = ""

    @property
    def sleeps(self) -> bool:
        """True where the machine stops running: only then must it be woken from outside."""
        return self.action not in AWAKE_ACTIONS

    @property
    def title(self) -> str:
        """What people are told of it."""
        return f"{self.action} ({self.name})" if self.action == "exec" and self.name else self.action


@dataclass(frozen=True)
class Policy:
    """``steps``: in the order of their times. ``never``: why this machine never naps, or "".

    ``observe``: decide and record only; ``notes``: what people should know of how the configuration is understood.
    """

    steps: tuple[Step, ...]
    min_awake_seconds: float = 60.0
    backoff_seconds: float = 60.0
    backoff_max_seconds: float = 3600.0
    looks_per_period: int = 5
    observe: bool = False
    never: str = ""
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> frozenset[str]:
        """Return which facts of the machine's surroundings decide: see Conditions.facts."""
        return frozenset(fact for step in self.steps for fact in step.conditions.facts)

    @property
    def timed(self) -> bool:
        """True where the time of day decides."""
        return any(step.conditions.timed for step in self.steps)


def policy_of(config: NapConfig, virtualization: Virtualization) -> Policy:
    """Return the policy that a configuration asks for on such a machine."""
    nap = config.nap
    notes = list(config.notes)
    return Policy(
        steps=_steps(config, notes) if config.steps else _stages(config, notes),
        min_awake_seconds=nap.min_awake_seconds,
        backoff_seconds=nap.backoff_seconds,
        backoff_max_seconds=max(nap.backoff_seconds, nap.backoff_max_seconds),
        looks_per_period=nap.looks_per_period,
        observe=nap.mode == "observe",
        never=_never(nap.nap_virtual, virtualization),
        notes=tuple(notes),
    )


def _steps(config: NapConfig, notes: list[str]) -> tuple[Step, ...]:
    """From [steps.NAME]."""
    sections = ", ".join(f"[steps.{name}]" for name in config.steps)
    for key, instead in CLASSIC.items():
        if file := config.origin.get(f"nap.{key}"):
            notes.append(
                f"{file}: nap.{key} has no effect, as steps are given: set {instead} of {sections} instead, or "
                "switch each of them off by enabled = false"
            )
    made = []
    for (name, settings), gap in zip(config.steps.items(), gaps_of(list(config.steps.values())), strict=True):
        grace = settings.grace_seconds
        if f"steps.{name}.grace_seconds" not in config.origin:
            grace = 0.0 if settings.action in AWAKE_ACTIONS else min(grace, gap / 2)
        made.append(Step(settings.after_seconds, settings.action, grace, _conditions(settings), name, settings.command))
    return tuple(made)


def _conditions(settings: StepSettings) -> Conditions:
    return Conditions(
        power=settings.power,
        battery_below=settings.battery_below,
        lid=settings.lid,
        display=settings.display,
        between=windows(settings.between),
        days=settings.days,
    )


def _stages(config: NapConfig, notes: list[str]) -> tuple[Step, ...]:
    """The classic form: one action and, after a powersave, a second stage."""
    nap = config.nap
    sleeps = nap.action not in AWAKE_ACTIONS
    grace = min(nap.grace_seconds, nap.absent_seconds / 2)
    if sleeps and grace < nap.grace_seconds:
        notes.append(
            f"nap.grace_seconds is {nap.grace_seconds:g}, but people are warned for {grace:g} s only: that is half of "
            "nap.absent_seconds, and a warning from the first idle second on would only nag"
        )
    # nobody is warned of a powersave, as with the original
    steps = [Step(nap.absent_seconds, nap.action, grace if sleeps else 0.0)]
    if nap.stage2_absent_seconds:
        # the original warns over the last quarter of stage 2
        total = nap.absent_seconds + nap.stage2_absent_seconds
        steps.append(Step(total, nap.stage2_action, nap.stage2_absent_seconds / 4))
    return tuple(steps)


def _never(nap_virtual: bool, virtualization: Virtualization) -> str:
    if virtualization.kind == "container":
        return f"this is {virtualization.reason}, and a container cannot sleep"
    if virtualization.kind == "vm" and not nap_virtual:
        return f"this is {virtualization.reason}: set nap.nap_virtual = true if it is to nap all the same"
    return ""
