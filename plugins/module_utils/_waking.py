# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: having machines woken by their wake server, and what it tried meanwhile."""

from __future__ import annotations

import ipaddress
import threading
import time
from urllib.parse import quote

from ._wake_server import find
from .shared.errors import BadMac, PowernapError, Refused, ServerDown
from .shared.mac import normal_mac
from .shared.wakeapi import host_path

#: As the wake server says it.
_WAS = {state: state for state in ("awake", "waking", "unreachable")}
_UP = ("awake", "warned", "powersave")
_SLACK = 10.0  # seconds beyond the timeout until the wake server must have said that it was not reached in time
_LOOK_SECONDS = 1.0
_FEW = 20
_MOST_STORIES = 1000
_NEWEST = 2**53


def is_pattern(name):
    return any(letter in name for letter in "*?[")


def is_address(name):
    """Whether it is a MAC or IP address, and no name."""
    try:
        normal_mac(name)
    except BadMac:
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
    return True


def unknown(name):
    return Refused(
        404, f"the wake server knows no host {name!r}: register it with powerwake_client, or see 'powerwake list'"
    )


def names_of(server, said, group):
    """Return the names of the machines that are meant, each once, in the order in which they were said.

    ``said``: names, MAC and IP addresses, patterns; where a ``group`` is given, patterns find only machines of it.
    """
    found = {}
    for each in said:
        if is_pattern(each):
            found.update((host["name"], None) for host in server.hosts(pattern=each, group=group, fields=["name"]))
        elif is_address(each):
            host = find(server, each)
            if host is None:
                raise unknown(each)
            found[host["name"]] = None
        else:
            found[each] = None
    if not said:
        found.update((host["name"], None) for host in server.hosts(group=group, fields=["name"]))
    return list(found)


def _presumably(host):
    """What a machine is, as far as can be told without asking it."""
    was = _WAS.get(host["wake_state"], "asleep")
    return was if was != "awake" or host["status"]["state"] in _UP else host["status"]["state"]


class Follower:
    """Tells ``log`` of each volley of magic packets to these machines, as the wake server sends them."""

    def __init__(self, server, names, log):
        self._server, self._names, self._log = server, set(names), log
        self._next = self._ask(_NEWEST)[1]

    def look(self):
        events, self._next = self._ask(self._next)
        for event in events:
            if event["event"] == "magic packet" and event["host"] in self._names:
                self._log(f"{event['host']}: magic packet: {event['detail']}")

    def _ask(self, since):
        try:
            answer = self._server.get("/api/v1/events", since=since)
        except (Refused, ServerDown):
            return [], since  # it is only to be shown
        return answer["events"], answer["next"]


def wake_one(server, target, timeout, check, log):
    """Return the result for the one machine of that name, MAC or IP address."""
    host = find(server, target)
    if host is None:
        raise unknown(target)
    name = host["name"]
    if check:
        was = _presumably(host)
        return told(name, was, "awake", was != "awake")
    follower = Follower(server, [name], log)
    answers, errors = [], []

    def ask():
        body = {"target": target, "timeout_seconds": timeout}
        try:
            answers.append(server.post("/api/v1/wake", body, timeout=timeout + _SLACK))
        except PowernapError as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    while asking.is_alive():
        asking.join(_LOOK_SECONDS)
        follower.look()
    tries = tries_of(server, [name])
    if errors:
        return dict(told(name, "asleep", "unreachable", True, tries=tries.get(name, [])), error=str(errors[0]))
    done = answers[0]
    result = told(name, done["was"], done["state"], done["changed"], done["seconds"], done["magic_packets"])
    return dict(result, tries=tries.get(name, []) if done["changed"] else [])


def wake_many(server, names, timeout, check, log, per_minute=None, wait=True):
    """Return a result for each. One order for all: the wake server keeps to its limits, and to ``per_minute``."""
    body = {"verb": "wake", "hosts": names, "timeout_seconds": timeout}
    if per_minute:
        body["per_minute"] = per_minute
    seconds = 30.0 + len(names) * 0.005
    foreseen = server.post("/api/v1/orders", dict(body, dry_run=True), timeout=seconds)["results"]
    was = {name: result["result"].get("was") for name, result in foreseen.items()}
    if check or not any(each["outcome"] == "would" for each in foreseen.values()):
        return [_of_result(name, foreseen[name], was[name], {}) for name in names]
    follower = Follower(server, names, log)
    order = server.post("/api/v1/orders", body, timeout=seconds)
    if not wait:
        return [_on_its_way(name, foreseen[name], was[name]) for name in names]
    pause = max(_LOOK_SECONDS / 2, len(names) / 2000.0)
    while order["ended"] is None:
        time.sleep(pause)
        follower.look()
        order = server.get(f"/api/v1/orders/{quote(order['id'], safe='')}")
    results = order["results"]
    known = [name for name in names if was[name]]
    tries = tries_of(
        server,
        [name for name in known if results[name]["outcome"] != "done" or results[name]["result"].get("magic_packets")],
    )
    return [_of_result(name, results[name], was[name], tries) for name in names]


def told(name, was, state, changed, seconds=0.0, magic_packets=0, tries=()):
    return {
        "name": name,
        "was": was,
        "state": state,
        "changed": changed,
        "seconds": seconds,
        "magic_packets": magic_packets,
        "tries": list(tries),
    }


def _of_result(name, result, was, tries):
    figures, outcome = result["result"], result["outcome"]
    was = figures.get("was", was)
    if outcome in ("done", "would"):
        changed = was != "awake"
        sent = figures.get("magic_packets", 0)
        return told(name, was, "awake", changed, figures.get("woken_seconds", 0.0), sent, tries.get(name, ()))
    if was is None:
        return dict(told(name, "unknown", "unknown", False), error=str(unknown(name)))
    state = "unreachable" if outcome == "failed" else was
    attempts = tries.get(name, [])
    packets = sum(each["packets"] for each in attempts)
    failed = told(name, was, state, bool(attempts), result["seconds"] or 0.0, packets, attempts)
    return dict(failed, error=result["said"] or outcome)


def _on_its_way(name, result, was):
    if result["outcome"] == "failed":
        return _of_result(name, result, was, {})
    return told(name, was, "awake" if was == "awake" else "waking", was != "awake")


def tries_of(server, names):
    """Return {name: [try]} of the last wake of each, as far as the wake server still knows of it."""
    stories = {}
    try:
        if len(names) > _FEW:
            for story in server.get("/api/v1/wakes", limit=_MOST_STORIES)["wakes"]:
                stories.setdefault(story["host"], story)
        else:
            for name in names:
                found = server.get(host_path(name) + "/wakes")["wakes"]
                stories.update({name: found[0]} if found else {})
    except (Refused, ServerDown):
        return {}  # it is only to be shown
    return {name: [_try(volley) for volley in stories[name]["volleys"]] for name in names if name in stories}


def _try(volley):
    ways = {way: sent["packets"] for way, sent in volley["ways"].items()}
    trouble = "; ".join(f"{way}: {sent['text']}" for way, sent in volley["ways"].items() if sent["text"])
    return {"at": volley["at"], "packets": sum(ways.values()), "ways": ways, "trouble": trouble}
