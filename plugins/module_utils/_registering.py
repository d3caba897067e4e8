# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: registering machines with a wake server, and what comes before and after it."""

from __future__ import annotations

import ipaddress
from urllib.parse import quote

from ._wake_server import Partly, record, records
from .shared.errors import BadMac, BadValue, PowernapError, Refused
from .shared.mac import normal_mac
from .shared.wakeapi import host_path, undescribed_group

_FACTS = ("macs", "addresses", "wake_on", "group")
#: A request for many may take this time, and so much more for each (seconds): 10,000 take one or two.
_SECONDS, _SECONDS_EACH = 30.0, 0.005


class Many:
    """The machines that are meant. ``one``: a single one was named, and the result is of it alone."""

    def __init__(self, admin, hosts, check, one):
        self.admin, self.hosts, self.check, self.one = admin, hosts, check, one

    @property
    def timeout(self):
        return _SECONDS + len(self.hosts) * _SECONDS_EACH

    def result(self, done, before, after):
        """``done``: what became of each; ``before``, ``after``: of those that change, by name."""
        if self.one:
            name = self.hosts[0]["name"]
            diff = {"before": before.get(name, {}), "after": after.get(name, {})}
            return {"changed": done[0]["changed"], "diff": diff}
        diff = {"before": before, "after": after}
        return {"changed": any(each["changed"] for each in done), "hosts": done, "diff": diff}

    def ended(self, done, before, after):
        """Return the result. Raises PowernapError where machines were refused; of many Partly, with it."""
        result = self.result(done, before, after)
        refused = [each for each in done if "error" in each]
        if not refused:
            return result
        first = refused[0]
        if self.one:
            raise BadValue(f"{first['name']}: {first['error']}")
        what = f"{len(refused)} of {len(done)} machines were refused; " if len(done) > 1 else ""
        raise Partly(f"{what}{first['name']}: {first['error']}", result)


def given_hosts(params):
    """Return [{"name", "macs", "addresses", "wake_on", "group", "request"}], of which only the name need be there.

    Raises BadValue, which begins with the option.
    """
    if params["hosts"] is None:
        hosts, where = [params], ""
    else:
        hosts, where = params["hosts"], "hosts: "
    seen = set()
    for host in hosts:
        if host["name"] in seen:
            raise BadValue(f"hosts: {host['name']} is given twice: give each machine once")
        seen.add(host["name"])
    present = params["state"] == "present"
    found = []
    for host in hosts:
        facts = {"request": host["request"], "group": host["group"]}
        if present:
            try:
                facts = wanted_record(host)
            except BadValue as error:
                raise BadValue(f"{where}{host['name']}: {error}" if where else str(error)) from None
        found.append(dict(facts, name=host["name"]))
    return found


def wanted_record(params):
    """Return {"macs", "addresses", "wake_on", "group"} as it shall be. Raises BadValue with the option's name."""
    try:
        macs = sorted({normal_mac(mac) for mac in params["macs"] or ()})
    except BadMac as error:
        raise BadValue(f"macs: {error}") from None
    if not macs:
        raise BadValue("macs: give at least one MAC address, or the machine cannot be woken")
    addresses = {_address(text) for text in params["addresses"] or ()}
    return {
        "macs": macs,
        "addresses": sorted(addresses),
        "wake_on": params["wake_on"],
        "group": params["group"] or None,
    }


def _address(text):
    try:
        return str(ipaddress.ip_interface(text).ip)
    except ValueError:
        raise BadValue(f"addresses: {text!r} is no IP address: write it as 192.0.2.7 or 2001:db8::7") from None


def given(told):
    """Return what the wake server says was given for a machine, in one order; {} where it was not registered."""
    if not told:
        return {}
    return {
        "macs": sorted(told["macs"]),
        "addresses": sorted(told["addresses"]),
        "wake_on": told["wake_on"],
        "group": told.get("group") or None,
    }


def _facts(host):
    return {field: host[field] for field in _FACTS}


def _body(host):
    return {field: value for field, value in _facts(host).items() if value is not None}


def register_one(many, return_key, warn):
    """The result has the whole record."""
    host, admin = many.hosts[0], many.admin
    before = record(admin, host["name"])
    was, wanted = given((before or {}).get("registered")), _facts(host)
    result = {"changed": was != wanted, "diff": {"before": was, "after": wanted}}
    if many.check:
        result["host"] = dict(before or {"name": host["name"]}, registered=wanted)
        if before and return_key:
            result["key"] = admin.get(host_path(host["name"]) + "/key")["key"]
        return result
    answer = admin.put(host_path(host["name"]), _body(host))
    result["host"] = answer["host"]
    complaint = undescribed_group(answer["host"])
    if complaint:
        warn(complaint)
    if return_key:
        result["key"] = answer["key"]
    return result


def register_many(many, return_key, warn):
    """One request, in check mode as well."""
    body = {"hosts": [dict(_body(host), name=host["name"]) for host in many.hosts], "dry_run": many.check}
    answers = many.admin.put("/api/v1/hosts", body, timeout=many.timeout)["hosts"] if many.hosts else []
    by_name = {answer["name"]: answer for answer in answers}
    done, before, after = [], {}, {}
    undescribed = {}
    for host in many.hosts:
        name, answer = host["name"], by_name[host["name"]]
        was = given(answer.get("before"))
        told = {"name": name, "changed": "error" not in answer and was != _facts(host)}
        if "error" in answer:
            told["error"] = answer["error"]
        elif return_key and "key" in answer:
            told["key"] = answer["key"]
        if not answer.get("group_described", True):
            undescribed.setdefault(host["group"], name)
        if told["changed"]:
            before[name], after[name] = was, _facts(host)
        done.append(told)
    for group, name in sorted(undescribed.items()):
        warn(undescribed_group({"name": name, "group": group, "group_described": False}))
    return many.ended(done, before, after)


def forget_many(many):
    body = {"names": [host["name"] for host in many.hosts], "dry_run": many.check}
    answers = many.admin.post("/api/v1/forget", body, timeout=many.timeout)["hosts"] if many.hosts else []
    done = [{"name": answer["name"], "changed": answer["changed"]} for answer in answers]
    before = {answer["name"]: given(answer["before"]) for answer in answers if answer["changed"]}
    return many.ended(done, before, {name: {} for name in before})


def settle(many, state):
    """``state``: "approved" or "rejected". Who waits is asked once, and each that is to be settled is one request."""
    waiting = many.admin.get("/api/v1/pending")["pending"]
    by_request = {each["request"]: each for each in waiting}
    by_name = {}
    for each in waiting:
        by_name.setdefault(each["name"], []).append(each)
    plans = [(host, _waiting_one(host, by_request, by_name)) for host in many.hosts]
    absent = [host["name"] for host, found in plans if found is None]
    known = records(many.admin, absent, fields=["name"]) if absent and state == "approved" else {}
    done, before, after = [], {}, {}
    for host, found in plans:
        told = {"name": host["name"], "changed": False}
        try:
            if found is None:
                if state == "approved" and host["name"] not in known:
                    raise BadValue("neither waits for approval nor is registered: see 'powerwake pending'")
            else:
                told.update(_settle_one(many, host, found, state))
        except PowernapError as error:
            told["error"] = str(error)
        if told["changed"]:
            before[host["name"]], after[host["name"]] = {"status": found["status"]}, {"status": state}
        done.append(told)
    return many.ended(done, before, after)


def _waiting_one(host, by_request, by_name):
    """Return who of those that wait is meant, or None. A list of several is told apart by the request."""
    if host["request"]:
        return by_request.get(host["request"])
    found = by_name.get(host["name"], [])
    if len(found) > 1:
        requests = ", ".join(each["request"] for each in found)
        raise BadValue(f"request: {len(found)} machines wait by the name {host['name']}: give one of {requests}")
    return found[0] if found else None


def _settle_one(many, host, found, state):
    done = {"changed": not (state == "rejected" and found["status"] == "rejected"), "request": found["request"]}
    if state == "approved" and found["status"] == "copy":
        raise Refused(409, f"it still uses the key of {found['host']}: run 'powernap enrol --new-key' on it first")
    if done["changed"] and not many.check:
        path = f"/api/v1/pending/{quote(found['request'], safe='')}/"
        if state == "rejected":
            many.admin.post(path + "reject")
        else:
            body = {} if host["name"] == found["name"] else {"name": host["name"]}
            many.admin.post(path + "approve", dict(body, group=host["group"] or ""))
    return done
