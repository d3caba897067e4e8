#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake_client
short_description: Register a machine with its wake server, or forget it
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Keeps the wake server's record of one machine. Only a registered machine may announce that it naps, and only a
    registered machine is woken.
  - Run it on the wake server, or anywhere with O(server) and a token of the role C(admin); in a play for the clients,
    delegate it there. It needs no lock and no C(throttle), and works with C(--limit), since each call concerns one
    machine only.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - The key of a machine that is not registered yet cannot be returned.
  diff_mode:
    support: full
    details:
      - Shows the record, never the key.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  name:
    description:
      - The name under which the machine is registered. It announces itself by this name.
    type: str
    required: true
  macs:
    description:
      - The MAC addresses to which magic packets are sent, one for each NIC that can wake the machine.
      - Required when O(state=present).
    type: list
    elements: str
  addresses:
    description:
      - The IP addresses of the machine. By them the wake server looks whether it is awake.
      - A machine that runs C(powernapd) announces them anew each time it naps.
    type: list
    elements: str
  wake_on:
    description:
      - What wakes the machine beside an order. V(demand) wakes it when somebody opens a connection to a port that it
        serves, V(arp) already when somebody looks for its address, and V(never) only by order.
      - Without this option the wake server's own setting holds.
    type: str
    choices: [demand, arp, never]
  group:
    description:
      - The group of the machine, a table C([groups.NAME]) of the wake server's configuration. It says what its machines
        have in common, such as how many may be woken in a minute and who may wake them.
      - Without this option the machine is in no group.
    type: str
  state:
    description:
      - V(present) registers the machine or corrects its record. V(absent) forgets it, and with it its key.
    type: str
    choices: [present, absent]
    default: present
  return_key:
    description:
      - Return the key with which the machine proves that an announcement is its own. Set C(no_log) on the task.
    type: bool
    default: false
seealso:
  - module: powernap.powernap.powerwake
"""

EXAMPLES = r"""
- name: Register a machine that does not run powernapd
  powernap.powernap.powerwake_client:
    name: printer-host
    macs: ["02:4c:00:00:00:07"]
    addresses: [192.0.2.7]
    wake_on: arp
    group: office
  delegate_to: wake1

- name: Register the machine of this play and keep its key
  powernap.powernap.powerwake_client:
    name: "{{ inventory_hostname }}"
    macs: ["02:4c:00:00:00:08"]
    return_key: true
  delegate_to: wake1
  register: registered
  no_log: true

- name: Forget a machine
  powernap.powernap.powerwake_client:
    name: printer-host
    state: absent
  delegate_to: wake1
"""

RETURN = r"""
host:
  description: The wake server's record; in check mode the part of it that this module would set.
  type: dict
  returned: when O(state=present)
  contains:
    name:
      description: The name under which the machine is registered.
      type: str
    state:
      description: What the wake server knows about the machine.
      type: str
    macs:
      description: The MAC addresses to which magic packets are sent.
      type: list
      elements: str
    addresses:
      description: The IP addresses for which the wake server stands in while the machine sleeps.
      type: list
      elements: str
    wake_on:
      description: What wakes the machine beside an order.
      type: str
    group:
      description: The group of the machine, if it is in one.
      type: str
    group_described:
      description: Whether the configuration of the wake server has a table for the group; there is a warning where not.
      type: bool
    registered:
      description: What was given when the machine was registered, as against what it has said itself since.
      type: dict
  sample:
    name: web1
    state: awake
    macs: ["02:4c:00:00:00:03"]
    addresses: [198.18.0.3, "fd4c::3"]
    wake_on: demand
    group: rack1
    group_described: true
    registered:
      macs: ["02:4c:00:00:00:03"]
      addresses: []
      wake_on: null
      group: rack1
key:
  description: The machine's key, 64 hexadecimal digits.
  type: str
  returned: when O(return_key=true) and the machine is registered
"""

import ipaddress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, record, run
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadMac, BadValue
from ansible_collections.powernap.powernap.plugins.module_utils.shared.mac import normal_mac
from ansible_collections.powernap.powernap.plugins.module_utils.shared.wakeapi import host_path, undescribed_group


def wanted_record(params):
    """Return {"macs", "addresses", "wake_on", "group"} as it shall be. Raises BadValue with the option's name."""
    try:
        macs = sorted({normal_mac(mac) for mac in params["macs"]})
    except BadMac as error:
        raise BadValue(f"macs: {error}") from error
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
    except ValueError as error:
        raise BadValue(f"addresses: {text!r} is no IP address: write it as 192.0.2.7 or 2001:db8::7") from error


def registered(host):
    """Return what was given when the machine was registered, in one order; what it said itself since is not in it."""
    if not host:
        return {}
    given = host["registered"]
    return {
        "macs": sorted(given["macs"]),
        "addresses": sorted(given["addresses"]),
        "wake_on": given["wake_on"],
        "group": given.get("group") or None,
    }


def register(module, admin):
    params = module.params
    before = record(admin, params["name"])
    wanted = wanted_record(params)
    result = {"changed": registered(before) != wanted, "diff": {"before": registered(before), "after": wanted}}
    if module.check_mode:
        result["host"] = dict(before or {"name": params["name"]}, registered=wanted)
        if before and params["return_key"]:
            result["key"] = admin.get(host_path(params["name"]) + "/key")["key"]
        return result
    given = {field: value for field, value in wanted.items() if value is not None}
    answer = admin.put(host_path(params["name"]), given)
    result.update(changed=answer["changed"], host=answer["host"])
    complaint = undescribed_group(answer["host"])
    if complaint:
        module.warn(complaint)
    if params["return_key"]:
        result["key"] = answer["key"]
    return result


def forget(module, admin):
    before = record(admin, module.params["name"])
    if before and not module.check_mode:
        admin.delete(host_path(module.params["name"]))
    return {"changed": bool(before), "diff": {"before": registered(before), "after": {}}}


def main():
    spec = dict(
        SERVER_SPEC,
        name={"type": "str", "required": True},
        macs={"type": "list", "elements": "str"},
        addresses={"type": "list", "elements": "str"},
        wake_on={"type": "str", "choices": ["demand", "arp", "never"]},
        group={"type": "str"},
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        return_key={"type": "bool", "default": False, "no_log": False},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_if=[("state", "present", ("macs",))])
    run(module, register if module.params["state"] == "present" else forget)


if __name__ == "__main__":
    main()
