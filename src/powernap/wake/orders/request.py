# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator wants done, and with which machines: read strictly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from powernap.wake.presence import Condition
from powernap.wake.registration import BadBody, is_number

MOST_HOSTS = 10_000
_LONGEST_TEXT = 253
_LONGEST_SECONDS = 30 * 86400
_STATES = tuple(condition.value for condition in Condition)
_FIELDS = (
    *("verb", "arguments", "hosts", "group", "state", "match", "all", "wake", "dry_run"),
    *("per_minute", "at_once", "valid_seconds", "timeout_seconds", "queue_seconds"),
)


@dataclass(frozen=True)
class Argument:
    """Of a verb. `kind`: "seconds" or "text", which may be "" only where `empty`."""

    kind: str
    required: bool = False
    empty: bool = False


#: By verb, what may be said with it.
VERBS: Mapping[str, Mapping[str, Argument]] = {
    "wake": {},
    "nap": {"action": Argument("text")},
    "recover": {},
    "inhibit": {"seconds": Argument("seconds", True), "reason": Argument("text", True)},
    "release": {"reason": Argument("text"), "id": Argument("text")},
    "profile": {"name": Argument("text", True, empty=True)},
    "reload": {},
    "canary": {"seconds": Argument("seconds")},
}
#: Those that put a machine to sleep: the policy has its say.
NAPS = frozenset(("nap", "canary"))


@dataclass(frozen=True)
class Query:
    """Machines by name, group, state or a pattern of names; what is given must hold all together."""

    hosts: tuple[str, ...] = ()
    group: str | None = None
    states: frozenset[str] = frozenset()
    match: str = ""

    def wants(self, name: str, group: str) -> bool:
        """As far as the registry can tell."""
        return (self.group is None or group == self.group) and (not self.match or fnmatchcase(name, self.match))


@dataclass(frozen=True)
class Request:
    """`wake`: a machine that sleeps is woken for it. `per_minute`, `at_once`: 0: as [policy] says.

    `queue_seconds`: so long may a wake wait for its turn beyond `timeout_seconds`, which then begin with it.
    """

    verb: str
    arguments: Mapping[str, Any]
    query: Query
    wake: bool = False
    dry_run: bool = False
    per_minute: int = 0
    at_once: int = 0
    valid_seconds: float = 30.0
    timeout_seconds: float = 120.0
    queue_seconds: float = 0.0


def parse_request(data: Mapping[str, Any]) -> Request:
    """Raises BadBody, which names the field."""
    unknown = sorted(set(data) - set(_FIELDS))
    if unknown:
        raise BadBody(f"{unknown[0]}: no such field: give {', '.join(_FIELDS)}")
    verb = data.get("verb")
    if not isinstance(verb, str) or verb not in VERBS:
        raise BadBody(f"verb: say one of {', '.join(VERBS)}")
    return Request(
        verb=verb,
        arguments=_arguments(verb, data.get("arguments")),
        query=_query(data),
        wake=_flag(data, "wake"),
        dry_run=_flag(data, "dry_run"),
        per_minute=_whole(data, "per_minute", 1_000_000),
        at_once=_whole(data, "at_once", 10_000),
        valid_seconds=_seconds(data.get("valid_seconds", 30.0), "valid_seconds", 3600),
        timeout_seconds=_seconds(data.get("timeout_seconds", 120.0), "timeout_seconds", 3600),
        queue_seconds=_seconds(data["queue_seconds"], "queue_seconds", 86400) if data.get("queue_seconds") else 0.0,
    )


def _arguments(verb: str, value: object) -> dict[str, Any]:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise BadBody("arguments: give an object")
    known = VERBS[verb]
    for name in value:
        if name not in known:
            raise BadBody(f"arguments.{name}: {verb} takes {', '.join(known) or 'no arguments'}")
    if verb == "release" and not value:
        raise BadBody("arguments.reason: missing: release needs the reason of the inhibitor that is to end, or its id")
    for name, argument in known.items():
        if argument.required and name not in value:
            raise BadBody(f"arguments.{name}: missing: {verb} needs it")
    return {name: _argument(known[name], name, each) for name, each in value.items()}


def _argument(argument: Argument, name: str, value: object) -> Any:
    if argument.kind == "seconds":
        return _seconds(value, f"arguments.{name}", _LONGEST_SECONDS)
    return _text(value, f"arguments.{name}", argument.empty)


def _query(data: Mapping[str, Any]) -> Query:
    hosts = data.get("hosts") or []
    if not isinstance(hosts, list) or len(hosts) > MOST_HOSTS:
        raise BadBody(f"hosts: give a list of at most {MOST_HOSTS} names")
    names = tuple(dict.fromkeys(_text(name, "hosts") for name in hosts))
    states = data.get("state") or []
    states = [states] if isinstance(states, str) else states
    if not isinstance(states, list) or not all(isinstance(each, str) and each in _STATES for each in states):
        raise BadBody(f"state: give one or more of {', '.join(_STATES)}")
    group, match = data.get("group"), data.get("match") or ""
    everybody = _flag(data, "all")
    if not (names or states or match or group is not None or everybody):
        raise BadBody("hosts: the order names nobody: give hosts, group, state or match, or all for every machine")
    return Query(
        names,
        None if group is None else _text(group, "group", True),
        frozenset(states),
        match and _text(match, "match"),
    )


def _text(value: object, field: str, empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not (value or empty) or not value.isprintable():
        raise BadBody(f"{field}: give a text of at most {_LONGEST_TEXT} characters")
    return value


def _flag(data: Mapping[str, Any], field: str) -> bool:
    value = data.get(field, False)
    if not isinstance(value, bool):
        raise BadBody(f"{field}: {value!r} is neither true nor false: give one of the two, or leave it out")
    return value


def _whole(data: Mapping[str, Any], field: str, most: int) -> int:
    value = data.get(field, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadBody(f"{field}: give a whole number of at most {most}, or leave it out")
    return value


def _seconds(value: object, field: str, most: float) -> float:
    if not is_number(value) or not 0 < float(value) <= most:
        raise BadBody(f"{field}: {value!r} is no time: give seconds, up to {most}")
    return float(value)
