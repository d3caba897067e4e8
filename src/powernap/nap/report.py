# SPDX-License-Identifier: GPL-3.0-or-later
"""What `powernap status` and `powernap why` say. Pure: from the state and the last readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from powernap.nap.decisions import idle_seconds
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy
from powernap.nap.state import Phase, State, due, next_step


@dataclass(frozen=True)
class Situation:
    """Everything that a report is made from. ``server``: url, acknowledged, error."""

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
    """Return the answer to "status"."""
    state, policy, now = situation.state, situation.policy, situation.now
    following = next_step(state, policy)
    deadline = None if blocked(situation) else due(state, policy)
    return {
        "ok": True,
        "state": state.phase.value,
        "since_seconds": _round(now - state.since),
        "reason": state.reason,
        "action": following.action if following is not None else policy.steps[-1].action,
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


def blocked(situation: Situation) -> bool:
    """Tell whether no nap can come as things stand, however idle the machine is."""
    active = any(reading.active_now and reading.calls for reading in situation.readings)
    following = next_step(situation.state, situation.policy)
    held = bool(situation.held) and following is not None and following.sleeps
    return bool(situation.policy.never) or not situation.readings or active or held


def why(situation: Situation) -> str:
    """Return why the machine is in its state, and what would change it: numbers against thresholds."""
    state, policy, now = situation.state, situation.policy, situation.now
    following = next_step(state, policy)
    lines = [_headline(situation)]
    if policy.never:
        return lines[0]
    if following is not None:
        base = max(state.idle_since, state.entered) if state.depth else state.idle_since
        lines.append(
            f"Idle for {now - base:.0f} s of {following.after_seconds:g} s before {following.action} "
            f"(last activity: {state.cause})."
        )
    for reading in situation.readings:
        lines.append(f"  {_line(reading, now)}")
    if not situation.readings:
        lines.append("No monitor is enabled, and without one the machine never naps: add a [monitors.NAME] section.")
    lines += [f"Held: {sentence}." for sentence in situation.held]
    lines += [f"Note: {sentence}." for sentence in situation.notes]
    if situation.server.get("error"):
        lines.append(f"Wake server: {situation.server['error']}.")
    at = due(state, policy)
    if at is not None and not blocked(situation):
        lines.append(f"Earliest {following.action if following else 'nap'}: in {max(0.0, at - now):.0f} s.")
    elif following is not None:
        lines.append("Earliest nap: not as long as this lasts.")
    if policy.observe:
        lines.append('nap.mode is "observe": decisions are only recorded.')
    return "\n".join(lines)


def _headline(situation: Situation) -> str:
    state, now = situation.state, situation.now
    since = f"for {now - state.since:.0f} s"
    reason = situation.policy.never or state.reason
    texts = {
        Phase.AWAKE: f"Awake {since}",
        Phase.WARNED: f"Warned {since}: it naps in {max(0.0, state.nap_at - now):.0f} s unless somebody uses it",
        Phase.POWERSAVE: f"In powersave {since}",
        Phase.SUSPENDING: f"On its way to sleep {since}",
        Phase.ASLEEP: f"Going to sleep {since}",
        Phase.RESUMING: f"Awake {since}, after a sleep",
        Phase.HELD: f"Awake {since}, held",
        Phase.BACKOFF: f"Awake {since}, after a nap that failed; next try in {max(0.0, state.retry_at - now):.0f} s",
        Phase.OBSERVING: f"Observing: it would have napped {now - state.entered:.0f} s ago",
    }
    return texts[state.phase] + (f": {reason}." if reason else ".")


def _line(reading: Reading, now: float) -> str:
    idle = idle_seconds(reading, now)
    if reading.error:
        what = f"failed, so it counts as active: {reading.error}"
    elif reading.active_now:
        what = f"active: {reading.detail}"
    elif idle is None:
        what = f"nothing seen yet: {reading.detail}"
    else:
        what = f"idle for {idle:.0f} s: {reading.detail}"
    return f"{reading.kind} {reading.name}: {what}"


def _monitor(reading: Reading, now: float) -> dict[str, Any]:
    return {
        "name": reading.name,
        "kind": reading.kind,
        "active": reading.active_now or bool(reading.error),
        "idle_seconds": idle_seconds(reading, now),
        "detail": reading.detail,
        "source": reading.source,
        "error": reading.error,
    }


def _round(seconds: float) -> float:
    return round(seconds, 3)


def table(answer: Mapping[str, Any]) -> str:
    """Return a status answer for people, one fact a line."""
    deadline = answer["deadline_seconds"]
    server = answer["server"]
    known = {None: "not asked yet", True: "acknowledges", False: str(server.get("error"))}
    lines = [
        f"state: {answer['state']} for {answer['since_seconds']:.0f} s" + _appended(answer["reason"]),
        f"next: {answer['action']} " + ("not in sight" if deadline is None else f"in {deadline:.0f} s at the earliest"),
        f"mode: {answer['mode']}",
        f"machine: {answer['virtualization'].get('reason', '')}",
        "wake server: " + (f"{server['url']}, {known[server['acknowledged']]}" if server.get("url") else "none"),
    ]
    lines += [f"held: {sentence}" for sentence in answer["held_by"]]
    lines += [f"note: {sentence}" for sentence in answer["notes"]]
    lines += [f"monitor {monitor['name']}: {_state_of(monitor)}" for monitor in answer["monitors"]]
    return "\n".join(lines)


def _state_of(monitor: Mapping[str, Any]) -> str:
    if monitor["error"]:
        return f"failed, so it counts as active: {monitor['error']}"
    idle = monitor["idle_seconds"]
    state = "active" if monitor["active"] else "nothing seen yet" if idle is None else f"idle for {idle:.0f} s"
    return f"{state} ({monitor['detail']}; {monitor['source']})"


def _appended(reason: str) -> str:
    return f": {reason}" if reason else ""


def decisions_text(records: Iterable[Mapping[str, Any]], stamp: Callable[[float], str]) -> str:
    """Return the decisions for people, one a line. ``stamp`` makes a text of a wall-clock time."""
    return "\n".join(decision_text(record, stamp) for record in records)


def decision_text(record: Mapping[str, Any], stamp: Callable[[float], str]) -> str:
    """Return one decision for people."""
    return f"{stamp(record['time'])} {record['state']}: {record['cause']}"
