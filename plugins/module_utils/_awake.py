# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what the action plugin awake says to a wake server, from the controller or on it."""

from __future__ import annotations

from ._wake_server import SERVER_SPEC, find
from .shared.errors import BadValue, Refused

UP = ("awake", "warned", "powersave")
LONGEST_POLL = 50  # seconds; powerwaked answers after a minute at the latest
_ANSWER_SECONDS = 15.0
_EVERY_MINUTE = 1000000
_AT_ONCE = 10000

SPEC = dict(
    SERVER_SPEC,
    name={"type": "str"},
    state={"type": "str", "choices": ["held", "released"], "default": "held"},
    hold={"type": "int", "default": 3600},
    reason={"type": "str"},
    timeout={"type": "int", "default": 300},
    queue={"type": "int", "default": 3600},
    rate={"type": "int"},
    ahead={"type": "bool", "default": True},
    skip_asleep={"type": "bool"},
    unknown={"type": "str", "choices": ["fail", "wait"], "default": "fail"},
    part={"type": "dict"},
)
#: Of `part`, which the plugin tells the module: for whom the order is, its number where it is followed, for how long.
_PART = {"_names": None, "_order": None, "_patience": 0}


def with_part(params):
    """What `part` says is among the other parameters, each with _ before its name."""
    found = dict(_PART, **params)
    found.update(("_" + name, value) for name, value in (params.get("part") or {}).items())
    return found


def part_of(params):
    """The option `part` of a module that is to get these parameters."""
    return {name[1:]: params[name] for name in _PART if params.get(name) is not None}


def check(params):
    """Raises BadValue, which names the option."""
    for name, least, most in (("hold", 0, 30 * 86400), ("timeout", 1, 3600), ("queue", 0, 86400)):
        if not least <= params[name] <= most:
            raise BadValue("%s: %d is no time: give seconds, %d to %d" % (name, params[name], least, most))
    if params["rate"] is not None and not 1 <= params["rate"] <= _EVERY_MINUTE:
        raise BadValue("rate: %d is no rate: give machines in a minute" % params["rate"])


def order_body(params, names):
    """The order that holds these machines awake, or lets go of them; without a hold it only wakes."""
    body = {"hosts": list(names), "at_once": _AT_ONCE, "per_minute": params["rate"] or _EVERY_MINUTE}
    if params["state"] == "released":
        return dict(body, verb="release", arguments={"reason": params["reason"]})
    wakes = not params["skip_asleep"]
    body.update(wake=wakes, timeout_seconds=params["timeout"], queue_seconds=params["queue"])
    if not params["hold"] and wakes:
        return dict(body, verb="wake")
    # For skip_asleep without a hold too: nothing else asks without waking.
    seconds = params["hold"] or 60
    return dict(body, verb="inhibit", arguments={"seconds": seconds, "reason": params["reason"]})


def talk(server, params):
    """Give the order, or follow the one that was given, for as many seconds as ``_patience`` says.

    Returns {"order": its number, "result": that of the machine, or None where it is not there yet}.
    """
    name, patience = params["name"], min(params["_patience"], LONGEST_POLL)
    if params["_order"]:
        path = "/api/v1/orders/" + params["_order"]
        server.timeout = patience + _ANSWER_SECONDS
        answer = server.get(path, host=name, wait_seconds=patience or None)
    else:
        body = dict(order_body(params, params["_names"] or [name]), wait_seconds=patience)
        answer = server.post("/api/v1/orders", body, timeout=patience + _ANSWER_SECONDS)
    result = answer["results"].get(name)
    if result is not None and result["outcome"] in ("waiting", "running"):
        result = None
    return {"order": answer["id"], "result": result}


def look(server, name):
    """What the machine is, with nothing sent to it: {"was", "up"}; "was" is None where it is not registered."""
    host = find(server, name)
    if host is None:
        return {"was": None, "up": False}
    state = host["status"]["state"]
    return {"was": was(state), "up": state in UP}


def was(state):
    """A machine's state in three words and one for doubt: awake, asleep, waking, unreachable."""
    if state in UP:
        return "awake"
    return {"napping": "asleep", "off": "asleep"}.get(state, state)


def read(result):
    """What became of a machine, from its result of an order.

    {"was", "woken", "awake", "held", "seconds", "magic_packets", "problem", "outcome", "said"}; "problem" is one of "",
    "not-found", "not-woken", "asleep", "cancelled".
    """
    told, outcome = result["result"], result["outcome"]
    woken = "woken_seconds" in told
    problem = told.get("problem", "")
    state = told.get("state", "awake")
    if outcome == "not delivered" and not woken and state not in UP:
        problem = "asleep"
    if outcome == "cancelled":
        problem = "cancelled"
    return {
        "was": told.get("was") or was(state),
        "woken": woken and told.get("was") != "awake",
        "awake": not problem,
        "held": outcome == "done" and "lease" in told,
        "seconds": told.get("woken_seconds", 0.0),
        "magic_packets": told.get("magic_packets", 0),
        "problem": problem,
        "outcome": outcome,
        "said": result["said"],
    }


def work(server, params, check_mode=False):
    """What the module does on the wake server, and the plugin by itself where it reaches one from the controller."""
    params = with_part(params)
    check(params)
    if check_mode:
        return look(server, params["name"])
    try:
        return talk(server, params)
    except Refused as error:
        if error.status == 404 and params["_order"]:
            return {"order": None, "result": None}  # the wake server has started anew: orders do not outlive it
        raise
