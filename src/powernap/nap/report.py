# SPDX-License-Identifier: GPL-3.0-or-later
"""What `powernap status` and `powernap why` answer, for programs. Pure: from the state and the last readings.

What people read is made of these answers alone (report_text.py), so nothing is said that programs cannot have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from powernap.nap.decisions import idle_seconds
from powernap.nap.evidence import Reading
from powernap.nap.hold import end_of, end_of_all
from powernap.nap.policy import Policy, Step
from powernap.nap.state import NEVER, State, due, next_step, retry


@dataclass(frozen=True)
class Situation:
    """Everything that a report is made from.

    ``server``: url, acknowledged, error; ``warnings``: name, kind and error of each way to warn; ``history``: errors,
    and where recordings go; ``notes``: what people should know beside what holds a nap.
    """

    state: State
    policy: Policy
    now: float
    readings: tuple[Reading, ...]
    held: tuple[str, ...]
    server: Mapping[str, Any]
    virtualization: Mapping[str, Any]
    config_file: str
    version: str
    warnings: tuple[Mapping[str, Any], ...] = ()
    history: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def status(situation: Situation) -> dict[str, Any]:
    """Return the answer to "status". Times are seconds."""
    state, policy, now = situation.state, situation.policy, situation.now
    following = next_step(state, policy)
    deadline = None if blocked(situation) else due(state, policy)
    if deadline is not None and following is not None:
        deadline = max(deadline, _held_until(following, situation))
    return {
        "ok": True,
        "state": state.phase.value,
        "since_seconds": _round(now - state.since),
        "reason": state.reason,
        "action": following.action if following is not None else policy.steps[-1].action,
        "in_effect": [taken.step.title for taken in state.taken],
        "deadline_seconds": None if deadline is None else _round(max(0.0, deadline - now)),
        "next_look_seconds": None if state.look_at is None else _round(max(0.0, state.look_at - now)),
        "idle_seconds": _round(now - state.idle_since),
        "absent_seconds": policy.steps[0].after_seconds,
        "last_activity": state.cause,
        "monitors": [_monitor(reading, now) for reading in situation.readings],
        "server": dict(situation.server),
        "held_by": list(situation.held),
        "notes": list(situation.notes),
        "mode": "observe" if policy.observe else "act",
        "virtualization": dict(situation.virtualization),
        "never": policy.never,
        "warnings": [dict(method) for method in situation.warnings],
        "history": dict(situation.history),
        "config": situation.config_file,
        "version": situation.version,
    }


def why(situation: Situation) -> dict[str, Any]:
    """Return the answer to "why": a status, and what keeps the machine awake, and the steps of the descent."""
    state, now = situation.state, situation.now
    return {
        **status(situation),
        "keeps_awake": _keeps_awake(situation),
        "steps": [_step(step, situation) for step in situation.policy.steps],
        "nap_in_seconds": _round(max(0.0, state.nap_at - now)) if state.warned else None,
        "retry_in_seconds": _round(state.retry_at - now) if state.retry_at > now else None,
        "observed_seconds": _round(now - state.entered) if state.taken else None,
    }


def blocked(situation: Situation) -> bool:
    """Tell whether no nap can come as things stand, however idle the machine is, and nobody knows until when."""
    active = any(reading.active_now and reading.calls for reading in situation.readings)
    following = next_step(situation.state, situation.policy)
    held = bool(situation.held) and end_of_all(situation.held) is None and following is not None and following.sleeps
    return bool(situation.policy.never) or not situation.readings or active or held


def _held_until(step: Step, situation: Situation) -> float:
    """Return when all that forbids a step has ended, where that is known."""
    end = end_of_all(situation.held)
    return NEVER if end is None or not step.sleeps else end


def _keeps_awake(situation: Situation) -> list[dict[str, Any]]:
    """Return everything that stands against the next step now: ``by``, a name or "", and a sentence."""
    state, policy, now = situation.state, situation.policy, situation.now
    if policy.never:
        return [_against("machine", "", policy.never)]
    found = [
        _against("monitor", reading.name, reading.error or _measured(reading))
        for reading in situation.readings
        if reading.active_now or reading.error
    ]
    if not situation.readings:
        found.append(_against("monitor", "", "no monitor is enabled: add a [monitors.NAME] section"))
    following = next_step(state, policy)
    if following is None:
        return found
    if following.sleeps:
        found += [_with_end(_against("inhibitor", "", sentence), end_of(sentence), now) for sentence in situation.held]
    waits = {
        "idle time": state.idle_since + following.after_seconds,
        "least time awake": state.not_before,
        "failed nap": retry(state, policy, following),
    }
    found += [
        _with_end(_against(name, "", f"{until - now:.0f} s are left of it"), until, now)
        for name, until in waits.items()
        if until > now
    ]
    return found


def _against(by: str, name: str, sentence: str) -> dict[str, Any]:
    return {"by": by, "name": name, "sentence": sentence}


def _with_end(against: dict[str, Any], end: float | None, now: float) -> dict[str, Any]:
    return against if end is None else {**against, "seconds": _round(max(0.0, end - now))}


def _step(step: Step, situation: Situation) -> dict[str, Any]:
    """Return one step of the descent: when it could come, and what its conditions say."""
    state, policy, now = situation.state, situation.policy, situation.now
    taken = next((taken for taken in state.taken if taken.step == step), None)
    earliest = max(state.idle_since + step.after_seconds, state.not_before, retry(state, policy, step))
    earliest = max(earliest, _held_until(step, situation))
    change = step.conditions.next_change(state.around)
    return {
        "name": step.name,
        "title": step.title,
        "action": step.action,
        "after_seconds": step.after_seconds,
        "grace_seconds": step.grace_seconds,
        "conditions": {key: value for key, value in asdict(step.conditions).items() if value not in ("any", 0.0, ())},
        "unmet": list(step.conditions.unmet(state.around)),
        "conditions_change_in_seconds": None if change is None else _round(change),
        "in_effect_seconds": None if taken is None else _round(now - taken.at),
        "next": step == next_step(state, policy),
        "earliest_in_seconds": None if taken is not None or blocked(situation) else _round(max(0.0, earliest - now)),
    }


def _measured(reading: Reading) -> str:
    if reading.value is None or reading.threshold is None:
        return reading.detail
    if "threshold" in reading.detail:
        return reading.detail
    numbers = against(reading.value, reading.threshold, reading.unit)
    return f"{numbers}, {reading.detail}" if reading.detail else numbers


def against(value: float, threshold: float, unit: str) -> str:
    """Return such as "20000 bytes/s against 1000000"."""
    return f"{_number(value)} {unit}".rstrip() + f" against {_number(threshold)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _monitor(reading: Reading, now: float) -> dict[str, Any]:
    return {
        "name": reading.name,
        "kind": reading.kind,
        "active": reading.active_now or bool(reading.error),
        "idle_seconds": idle_seconds(reading, now),
        "value": reading.value,
        "threshold": reading.threshold,
        "unit": reading.unit,
        "detail": reading.detail,
        "source": reading.source,
        "error": reading.error,
    }


def _round(seconds: float) -> float:
    return round(seconds, 3)
