# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON Schemas of what the API answers and takes, where more than one route has them."""

from __future__ import annotations

from typing import Any

from powernap.wake.api.route import Parameter, Schema
from powernap.wake.model import State
from powernap.wake.presence import Condition

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
TIME: Schema = {"type": "number", "description": "Unix time in seconds"}
COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}


def thing(**properties: Schema) -> Schema:
    """An object that has all of these and nothing else."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def partly(schema: Schema, *required: str) -> Schema:
    """The same object with only these of its properties sure to be there."""
    return {**schema, "required": list(required)}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


#: Of texts that are shown to people: no control characters, which a terminal would obey.
PRINTABLE = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"

STATES = [state.value for state in State]
CONDITIONS = [condition.value for condition in Condition]
WAKE_ON: Schema = {"type": "string", "enum": ["demand", "arp", "never"]}
CHANGED: Schema = thing(changed=FLAG)

NAP: Schema = thing(
    began=TIME, action=TEXT, why=TEXT, ended=or_null(TIME), seconds=or_null(NUMBER), ended_by=or_null(TEXT)
)
LAST_WAKE: Schema = thing(reason=TEXT, seconds=NUMBER, asked_by=TEXT)
_LINK: Schema = thing(since=TIME, transport=TEXT, address=TEXT)
#: What a host is, in the words of docs/orders.md; `wake_state` is the wake server's own, of docs/protocol.md.
STATUS: Schema = thing(
    state={"type": "string", "enum": CONDITIONS},
    since=TIME,
    why=TEXT,
    evidence=TEXT,
    evidence_at=or_null(TIME),
    next_at=or_null(TIME),
    activity={"type": "object"},
    profile=TEXT,
    version=TEXT,
    link=or_null(_LINK),
    last_nap=or_null(NAP),
    canary_failed=or_null(thing(at=TIME, why=TEXT)),
    canary_passed=or_null(thing(host=TEXT, at=TIME, seconds=NUMBER)),
    canary_wanted={**TEXT, "description": 'why it may not nap before a canary of its kind has passed; "": it may'},
)
#: What was said of a host when it was registered, as against what it has said itself since.
GIVEN: Schema = thing(macs=TEXTS, addresses=TEXTS, wake_on={"enum": ["demand", "arp", "never", None]}, group=TEXT)
HOST: Schema = thing(
    name=TEXT,
    wake_state={"type": "string", "enum": STATES, "description": "what the wake server does for it; see `status`"},
    wake_state_since=TIME,
    macs=TEXTS,
    addresses=TEXTS,
    wake_on=WAKE_ON,
    group=TEXT,
    tcp_ports=TEXT,
    udp_ports=TEXT,
    waits_for_turn=FLAG,
    registered_at=TIME,
    registered=GIVEN,
    group_described=FLAG,
    last_wake=or_null(LAST_WAKE),
    status=STATUS,
)
KEY: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

_MOST_FACTS = 64
_FACTS: dict[str, Schema] = {
    "macs": {
        "type": "array",
        "items": {"type": "string", "maxLength": 64, "description": "a MAC address such as 02:4c:00:00:00:01"},
        "minItems": 1,
        "maxItems": _MOST_FACTS,
        "description": f"a list of 1 to {_MOST_FACTS} MAC addresses",
    },
    "addresses": {
        "type": ["array", "null"],
        "items": {"type": "string", "maxLength": 64, "description": "an IP address such as 198.18.0.3 or fd4c::3"},
        "maxItems": _MOST_FACTS,
        "description": f"a list of at most {_MOST_FACTS} IP addresses",
    },
    "wake_on": {"type": ["string", "null"], "enum": ["demand", "arp", "never", None]},
    "group": {
        "type": ["string", "null"],
        "maxLength": 64,
        "description": "a group's name without spaces, such as rack1, or none",
    },
}
NEW_NAME: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.:@~-]*$",
    "minLength": 1,
    "maxLength": 253,
    "description": "a host name of letters, digits and . _ : @ ~ -, without spaces and slashes",
}
FACTS: Schema = {"type": "object", "properties": _FACTS, "required": ["macs"], "additionalProperties": False}
NAMED_FACTS: Schema = {
    "type": "object",
    "properties": {"name": NEW_NAME, **_FACTS},
    "required": ["name", "macs"],
    "additionalProperties": False,
}

_KNOCKER: Schema = {
    "type": "object",
    "properties": {"what": TEXT, "address": TEXT, "mac": TEXT, "port": COUNT, "to_port": COUNT, "own": FLAG},
    "required": ["what"],
    "additionalProperties": False,
}
STORY: Schema = partly(
    thing(
        host=TEXT,
        started=TIME,
        reason=TEXT,
        asked_by=TEXT,
        result={"type": "string", "enum": ["running", "woken", "given up"]},
        seconds=or_null(NUMBER),
        first_sign=or_null(TEXT),
        verified=or_null(TEXT),
        knocks=listed(thing(at=NUMBER, reason=TEXT, by=_KNOCKER, count=COUNT)),
        more_knocks=COUNT,
        volleys=listed(
            thing(
                at=NUMBER,
                number=COUNT,
                ways={"type": "object", "additionalProperties": thing(packets=COUNT, text=TEXT)},
            )
        ),
        outcomes=listed(thing(at=NUMBER, way=TEXT, text=TEXT)),
        magic_packets=COUNT,
        probes=COUNT,
        replays=COUNT,
        released=COUNT,
        at={"type": "object", "additionalProperties": NUMBER, "description": "seconds from `started` to what happened"},
        verdict=or_null(TEXT),
    ),
    *("host", "started", "reason", "asked_by", "result", "seconds", "knocks", "volleys", "magic_packets"),
)
STORIES: Schema = thing(wakes=listed(STORY))
EVENT: Schema = thing(id=COUNT, time=TIME, host=TEXT, event=TEXT, detail=TEXT)

NAME = Parameter(
    "name", {"type": "string", "minLength": 1, "maxLength": 253}, "the name of a registered host", place="path"
)


def limit(most: int, default: int) -> Parameter:
    schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", schema, f"how many at most; default: {default}")
