#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake_info
short_description: What a wake server knows
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Reads the machines of a wake server, and what became of them.
  - Run it on the wake server, or anywhere with O(server) and a token of any role.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.attributes.info
  - powernap.powernap.wake_server
attributes:
  platform:
    support: full
    platforms: linux
options:
  gather:
    description:
      - What to read.
    type: list
    elements: str
    choices: [status, hosts, wakes, orders, pending, criers]
    default: [status, hosts]
  name:
    description:
      - Only these machines, each by its name, one of its MAC addresses or one of its IP addresses. One that is not
        registered is in RV(missing).
      - It holds for V(hosts) and V(wakes) of O(gather).
    type: list
    elements: str
  pattern:
    description:
      - Only machines whose name fits, such as V(web*).
    type: str
  group:
    description:
      - Only machines of this group; V("") is for those in no group.
    type: str
  state:
    description:
      - Only machines that are so.
    type: list
    elements: str
    choices: [awake, warned, powersave, napping, waking, 'off', unreachable, unknown]
  fields:
    description:
      - Only these fields of each machine, such as V(name) and V(status); of many machines that is much less to carry.
    type: list
    elements: str
  limit:
    description:
      - How many wakes to read at most, the newest first.
    type: int
    default: 50
seealso:
  - module: powernap.powernap.powerwake
  - module: powernap.powernap.powerwake_client
"""

EXAMPLES = r"""
- name: Read what the machines of a rack are
  powernap.powernap.powerwake_info:
    gather: [hosts]
    group: rack1
  delegate_to: wake1
  register: rack

- name: Show those that sleep
  ansible.builtin.debug:
    msg: "{{ rack.hosts | selectattr('status.state', 'equalto', 'napping') | map(attribute='name') | list }}"

- name: See who waits for approval, and who wakes machines for nothing
  powernap.powernap.powerwake_info:
    gather: [pending, criers]
    server: https://wake1.example.org:20709
    token_file: ~/.config/powerwake.token
    ca_file: /etc/powernap/server-ca.pem
"""

RETURN = r"""
status:
  description: The wake server itself, as C(GET /api/v1/status) has it.
  type: dict
  returned: when O(gather) has V(status)
  contains:
    version:
      description: Its version.
      type: str
    hosts:
      description: How many machines are registered.
      type: int
    states:
      description: How many machines are what.
      type: dict
    warnings:
      description: What should be mended there.
      type: list
      elements: str
  sample:
    version: 0.1.0
    hosts: 2
    states: {awake: 1, warned: 0, powersave: 0, napping: 0, waking: 0, "off": 0, unreachable: 1, unknown: 0}
    warnings: []
hosts:
  description: The machines, in the order of their names.
  type: list
  elements: dict
  returned: when O(gather) has V(hosts)
  contains:
    name:
      description: The name under which it is registered.
      type: str
    status:
      description: What it is, since when (Unix time), why, and by what evidence.
      type: dict
    wake_state:
      description: What the wake server does for it.
      type: str
    macs:
      description: Its MAC addresses.
      type: list
      elements: str
    addresses:
      description: Its IP addresses.
      type: list
      elements: str
    wake_on:
      description: What wakes it beside an order.
      type: str
    group:
      description: Its group, or an empty text.
      type: str
    registered:
      description: What was given when it was registered, as against what it has said itself since.
      type: dict
    last_wake:
      description: Why it was last woken, by whom, and how many seconds that took; or null.
      type: dict
  sample:
    - name: web1
      status:
        state: awake
        since: 1795445799.0460134
        why: answers; it has not said anything itself
        evidence: frames of its card 02:4c:00:00:00:03
        evidence_at: 1795445799.0460134
        profile: ""
        version: ""
      wake_state: awake
      macs: ["02:4c:00:00:00:03"]
      addresses: [198.18.0.3]
      wake_on: demand
      group: rack1
      registered:
        macs: ["02:4c:00:00:00:03"]
        addresses: [198.18.0.3]
        wake_on: null
        group: rack1
      last_wake: {reason: order, asked_by: root, seconds: 0.435}
missing:
  description: Those of O(name) that are not registered.
  type: list
  elements: str
  returned: when O(name) is given
  sample: []
wakes:
  description: The last wakes, the newest first, as C(GET /api/v1/wakes) has them.
  type: list
  elements: dict
  returned: when O(gather) has V(wakes)
  sample:
    - host: web1
      asked_by: root
      reason: order
      knocks: [{at: 0.0, by: {what: root}, count: 1, reason: order}]
      more_knocks: 0
      started: 1795445798.6105492
      at: {ended: 0.435}
      volleys:
        - at: 0.309
          number: 0
          ways:
            ethernet: {packets: 2, text: ""}
            udp_broadcast: {packets: 1, text: ""}
      magic_packets: 3
      probes: 5
      first_sign: answer
      verified: answer
      result: woken
      seconds: 0.435
      outcomes: []
      released: 0
      replays: 0
      verdict: null
orders:
  description: The last orders since C(powerwaked) started, the newest first.
  type: list
  elements: dict
  returned: when O(gather) has V(orders)
  sample:
    - id: d281908dea56b51a
      verb: wake
      arguments: {}
      by: root
      at: 1795445978.1415327
      ended: 1795445978.246557
      state: done
      dry_run: false
      hosts: 1
      counts: {done: 1}
pending:
  description: The machines that ask to be known.
  type: list
  elements: dict
  returned: when O(gather) has V(pending)
  sample:
    - request: 482a7b1d
      name: web9
      status: pending
      verdict: new
      host: ""
      why: ""
      hostname: web9
      macs: ["02:4c:00:00:00:09"]
      addresses: [198.18.0.9]
      source: 198.18.0.9
      version: 0.1.0
      first_asked: 1795445797.972
      last_asked: 1795445857.972
      asks: 2
criers:
  description: Who wakes machines for nothing (C(criers)), and whose demand was ignored (C(refused)).
  type: dict
  returned: when O(gather) has V(criers)
  sample:
    criers:
      - source: 198.18.0.9
        mac: "02:4c:00:00:00:09"
        by: tcp/22
        host: web1
        last: 1795445800.0
        wakes: 3
        "false": 3
        unknown: 0
        demoted_until: 1795532200.0
        reason: 3 of its last 3 wakes were for nothing
    refused:
      - source: 198.18.0.9
        by: tcp/22
        reason: wakes too many hosts
        count: 3
        host: web1
        last: 1795445800.0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._waking import is_address
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, find, records, run
from ansible_collections.powernap.powernap.plugins.module_utils.shared.wakeapi import host_path

STATES = ["awake", "warned", "powersave", "napping", "waking", "off", "unreachable", "unknown"]
GATHER = ["status", "hosts", "wakes", "orders", "pending", "criers"]
_NEEDED = {"name", "status", "group"}
_MOST_WAKES = 1000


def named(server, params):
    """Return (the machines of these names by name, the names that nobody has)."""
    said = params["name"]
    fields = None if params["fields"] is None else {*params["fields"], *_NEEDED}
    found = records(server, [each for each in said if not is_address(each)], fields)
    by_address = {each: find(server, each) for each in said if is_address(each)}
    found.update({host["name"]: host for host in by_address.values() if host})
    missing = [each for each in said if not by_address.get(each, each in found)]
    return found, missing


def fits(host, params):
    """Of machines that were asked for by name."""
    return (params["group"] is None or host["group"] == params["group"]) and (
        not params["state"] or host["status"]["state"] in params["state"]
    )


def hosts(server, params):
    """Return {"hosts", "missing"}."""
    fields = params["fields"]
    if params["name"] is None:
        given = None if fields is None else sorted({*fields, "name"})
        query = {"state": params["state"] or None, "group": params["group"], "pattern": params["pattern"]}
        return {"hosts": list(server.hosts(fields=given, **query))}
    found, missing = named(server, params)
    chosen = [found[name] for name in sorted(found) if fits(found[name], params)]
    if fields is not None:
        chosen = [
            {field: host[field] for field in dict.fromkeys(("name", *fields)) if field in host} for host in chosen
        ]
    return {"hosts": chosen, "missing": missing}


def wakes(server, params):
    most = max(1, min(params["limit"], _MOST_WAKES))
    if params["name"] is None:
        return server.get("/api/v1/wakes", limit=most)["wakes"]
    found, _missing = named(server, dict(params, fields=["name"]))
    told = [story for name in found for story in server.get(host_path(name) + "/wakes")["wakes"]]
    return sorted(told, key=lambda story: -story["started"])[:most]


def gather(module, server):
    params = module.params
    wanted, result = params["gather"], {"changed": False}
    if "status" in wanted:
        result["status"] = server.get("/api/v1/status")
    if "hosts" in wanted:
        result.update(hosts(server, params))
    if "wakes" in wanted:
        result["wakes"] = wakes(server, params)
    for key in ("orders", "pending"):
        if key in wanted:
            result[key] = server.get(f"/api/v1/{key}")[key]
    if "criers" in wanted:
        result["criers"] = server.get("/api/v1/criers")
    return result


def main():
    spec = dict(
        SERVER_SPEC,
        gather={"type": "list", "elements": "str", "choices": GATHER, "default": ["status", "hosts"]},
        name={"type": "list", "elements": "str"},
        pattern={"type": "str"},
        group={"type": "str"},
        state={"type": "list", "elements": "str", "choices": STATES},
        fields={"type": "list", "elements": "str"},
        limit={"type": "int", "default": 50},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, mutually_exclusive=[("name", "pattern")])
    run(module, gather)


if __name__ == "__main__":
    main()
