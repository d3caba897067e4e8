# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine goes by, made from the configuration. Pure. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from powernap.config import NapConfig
from powernap.shared.virtual import Virtualization

SLEEPS = ("suspend", "poweroff")


@dataclass(frozen=True)
class Step:
    """One stage of a nap: after that much further idle time, with a warning over its last part."""

    after_seconds: float
    action: str
    grace_seconds: float = 0.0

    @property
    def sleeps(self) -> bool:
        """True where the machine stops running: only then must it be woken from outside."""
        return self.action in SLEEPS


@dataclass(frozen=True)
class Policy:
    """``never``: why this machine never naps, or ""; ``observe``: decide and record only."""

    steps: tuple[Step, ...]
    min_awake_seconds: float = 60.0
    backoff_seconds: float = 60.0
    backoff_max_seconds: float = 3600.0
    looks_per_period: int = 5
    observe: bool = False
    never: str = ""


def policy_of(config: NapConfig, virtualization: Virtualization) -> Policy:
    """Return the policy that a configuration asks for on such a machine."""
    nap = config.nap
    steps = [Step(nap.absent_seconds, nap.action, _grace(nap.action, nap.grace_seconds, nap.absent_seconds))]
    if nap.stage2_absent_seconds:
        # the original warns over the last quarter of stage 2
        steps.append(Step(nap.stage2_absent_seconds, nap.stage2_action, nap.stage2_absent_seconds / 4))
    return Policy(
        steps=tuple(steps),
        min_awake_seconds=nap.min_awake_seconds,
        backoff_seconds=nap.backoff_seconds,
        backoff_max_seconds=max(nap.backoff_seconds, nap.backoff_max_seconds),
        looks_per_period=nap.looks_per_period,
        observe=nap.mode == "observe",
        never=_never(nap.nap_virtual, virtualization),
    )


def _grace(action: str, grace: float, absent: float) -> float:
    """Nobody is warned of a powersave, as with the original; a warning from the first idle second on would only nag."""
    return 0.0 if action not in SLEEPS else min(grace, absent / 2)


def _never(nap_virtual: bool, virtualization: Virtualization) -> str:
    if virtualization.kind == "container":
        return f"this is {virtualization.reason}, and a container cannot sleep"
    if virtualization.kind == "vm" and not nap_virtual:
        return f"this is {virtualization.reason}: set nap.nap_virtual = true if it is to nap all the same"
    return ""
