# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of report.py and the decisions, for people. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from powernap.nap.report import against

Answer = Mapping[str, Any]
Stamp = Callable[[float], str]


def table(answer: Answer) -> str:
    """Return a status answer, one fact a line."""
    deadline = answer["deadline_seconds"]
    lines = [
        f"state: {answer['state']} for {answer['since_seconds']:.0f} s" + _appended(answer["reason"]),
        f"next: {answer['action']} " + ("not in sight" if deadline is None else f"in {deadline:.0f} s at the earliest"),
        f"mode: {answer['mode']}",
        f"machine: {answer['virtualization'].get('reason', '')}",
        f"wake server: {_server(answer['server'])}",
    ]
    lines += _knock(answer)
    lines += [f"held: {sentence}" for sentence in answer["held_by"]]
    lines += [f"note: {sentence}" for sentence in answer["notes"]]
    lines += [f"monitor {monitor['name']}: {_state_of(monitor)}" for monitor in answer["monitors"]]
    return "\n".join(lines + _troubles(answer))


def why(answer: Answer) -> str:
    """Return why the machine is in its state, and what would change it: numbers against thresholds."""
    lines = [_headline(answer)]
    if answer["never"]:
        return lines[0]
    lines.append(f"Idle for {answer['idle_seconds']:.0f} s (last activity: {answer['last_activity']}).")
    lines += [f"  {each['kind']} {each['name']}: {_state_of(each)}" for each in answer["monitors"]]
    lines += [f"Awake because of the {_against(each)}." for each in answer["keeps_awake"]]
    lines += [f"Note: {sentence}." for sentence in answer["notes"]]
    lines += [_step(step) for step in answer["steps"]]
    lines.append(_earliest(answer))
    lines.append(f"Wake server: {_server(answer['server'])}.")
    lines += [f"{line[0].upper()}{line[1:]}." for line in _knock(answer)]
    if answer["mode"] == "observe":
        lines.append('nap.mode is "observe": decisions are only recorded.')
    return "\n".join(lines + [f"{line[0].upper()}{line[1:]}." for line in _troubles(answer)])


def _headline(answer: Answer) -> str:
    since = f"for {answer['since_seconds']:.0f} s"
    taken = " and ".join(answer["in_effect"]) or "powersave"
    texts = {
        "awake": f"Awake {since}",
        "warned": f"Warned {since}: {answer['action']} in {_whole(answer['nap_in_seconds'])} s unless somebody uses it",
        "powersave": f"In {taken} {since}",
        "suspending": f"On its way to sleep {since}",
        "asleep": f"Going to sleep {since}",
        "resuming": f"Awake {since}, after a sleep",
        "held": f"Awake {since}, held",
        "backoff": f"Awake {since}, after a nap that failed; next try in {_whole(answer['retry_in_seconds'])} s",
        "observing": f"Observing: it would have napped ({taken}) {_whole(answer['observed_seconds'])} s ago",
    }
    return texts[answer["state"]] + (f": {answer['never'] or answer['reason']}." if _said(answer) else ".")


def _said(answer: Answer) -> bool:
    return bool(answer["never"] or answer["reason"])


def _whole(seconds: float | None) -> str:
    return f"{seconds or 0.0:.0f}"


def _against(each: Mapping[str, Any]) -> str:
    return f"{each['by']} {each['name']}".rstrip() + f": {each['sentence']}"


def _step(step: Mapping[str, Any]) -> str:
    """One line of the staged descent."""
    said = f"Step {step['name'] or step['title']}: {step['title']} after {step['after_seconds']:g} s idle"
    if step["grace_seconds"]:
        said += f", with a warning {step['grace_seconds']:g} s before"
    if step["conditions"]:
        said += f", if {conditions(step['conditions'])}"
    if step["in_effect_seconds"] is not None:
        return said + f"; in effect for {step['in_effect_seconds']:.0f} s."
    if step["unmet"]:
        change = step["conditions_change_in_seconds"]
        later = "" if change is None else f" (by the clock that changes in {change:.0f} s)"
        return said + f"; passed over: {'; '.join(step['unmet'])}{later}."
    if step["earliest_in_seconds"] is None:
        return said + "."
    return said + f"; at the earliest in {step['earliest_in_seconds']:.0f} s."


def conditions(wanted: Mapping[str, Any]) -> str:
    """Return what a step asks for, such as "on battery and the lid is closed"."""
    texts: dict[str, Callable[[Any], str]] = {
        "power": lambda value: f"on {value}",
        "battery_below": lambda value: f"the battery is below {value:g} %",
        "lid": lambda value: f"the lid is {value}",
        "display": lambda value: "an external screen is connected" if value == "external" else "no external screen is",
        "between": lambda value: "between " + " or ".join(f"{_clock(begin)} and {_clock(end)}" for begin, end in value),
        "days": lambda value: "on " + ", ".join(value),
    }
    return " and ".join(texts[name](value) for name, value in wanted.items() if name in texts)


def _clock(second: float) -> str:
    return f"{int(second // 3600):02d}:{int(second % 3600 // 60):02d}"


def _earliest(answer: Answer) -> str:
    if answer["deadline_seconds"] is not None:
        return f"Earliest {answer['action']}: in {answer['deadline_seconds']:.0f} s."
    if any(step["next"] for step in answer["steps"]):
        return "Earliest nap: not as long as this lasts."
    return "No further step follows as things stand."


def _server(server: Mapping[str, Any]) -> str:
    if not server.get("url"):
        enrolment = server.get("enrolment") or {}
        if not enrolment.get("url"):
            return "none"
        return f"{enrolment['url']}, this machine is {enrolment['status'] or 'not known'} there"
    facts = [str(server["url"])]
    if server.get("link"):
        facts.append(f"linked by {server['link']} for {server['linked_seconds']:.0f} s")
    if server["acknowledged"] is None:
        facts.append("not asked yet")
    elif server["acknowledged"]:
        ago = server.get("acknowledged_seconds")
        facts.append("acknowledges" + ("" if ago is None else f" (last {ago:.0f} s ago)"))
    else:
        facts.append(str(server["error"]))
    if server.get("next_try_seconds") is not None:
        facts.append(f"next try in {server['next_try_seconds']:.0f} s")
    if server.get("ca_fingerprint"):
        facts.append(f"CA {server['ca_fingerprint']}")
    if server.get("certificate"):
        facts.append(server["certificate"])
    return ", ".join(facts)


def _knock(answer: Answer) -> list[str]:
    """Who woke it, by the word of the wake server."""
    knock = answer["server"].get("woken_for")
    if not knock:
        return []
    seconds = knock.get("seconds")
    before = "" if seconds is None else f", {seconds:.0f} s before it was awake"
    return [f"woken last for {knock['sentence']}{before}"]


def _state_of(monitor: Mapping[str, Any]) -> str:
    if monitor["error"]:
        return f"failed, so it counts as active: {monitor['error']}"
    idle = monitor["idle_seconds"]
    state = "active" if monitor["active"] else "nothing seen yet" if idle is None else f"idle for {idle:.0f} s"
    numbers = ""
    if monitor["value"] is not None and monitor["threshold"] is not None and "threshold" not in monitor["detail"]:
        numbers = against(monitor["value"], monitor["threshold"], monitor["unit"])
    facts = [fact for fact in (numbers, monitor["detail"], monitor["source"]) if fact]
    return state + (f" ({'; '.join(facts)})" if facts else "")


def _troubles(answer: Answer) -> list[str]:
    """What does not work, beside naps; and that days are recorded."""
    found = [f"warning {each['name']} failed: {each['error']}" for each in answer["warnings"] if each["error"]]
    history = answer["history"]
    found += [f"history: {history['history_error']}"] if history.get("history_error") else []
    found += [f"recording to {history['recording']}"] if history.get("recording") else []
    return found + ([f"recording failed: {history['recording_error']}"] if history.get("recording_error") else [])


def _appended(reason: str) -> str:
    return f": {reason}" if reason else ""


def decisions_text(records: Iterable[Mapping[str, Any]], stamp: Stamp) -> str:
    """Return the decisions, one a line. ``stamp`` makes a text of a wall-clock time."""
    return "\n".join(decision_text(record, stamp) for record in records)


def decision_text(record: Mapping[str, Any], stamp: Stamp) -> str:
    """Return one decision."""
    return f"{stamp(record['time'])} {record['state']}: {record['cause']}"
