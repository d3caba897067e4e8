#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake_client
short_description: Register machines with their wake server, approve or forget them
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Keeps the wake server's records of machines. Only a registered machine may announce that it naps, and only a
    registered machine is woken.
  - One machine is named by O(name); any number of them by O(hosts), which is one request to the wake server however
    many they are. Machines that are not named stay as they are, so that it works with C(--limit).
  - Run it on the wake server, or anywhere with O(server) and a token of the role C(admin); in a play for the clients,
    delegate it there. It needs no lock and no C(throttle).
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - The key of a machine that is not registered yet cannot be returned.
      - A card that one of O(hosts) would give up and another one would get counts as taken.
  diff_mode:
    support: full
    details:
      - Shows the records that change, with O(hosts) by name; never a key.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  name:
    description:
      - The name under which the machine is registered. It announces itself by this name.
      - With O(state=approved) and O(state=rejected) the name by which it asked; with O(request) and O(state=approved)
        that by which it is to be registered.
      - Either this or O(hosts) is needed.
    type: str
  macs:
    description:
      - The MAC addresses to which magic packets are sent, one for each NIC that can wake the machine.
      - Required when O(state=present) and O(name) is given.
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
  request:
    description:
      - The request of a machine that waits for approval, as C(powerwake pending) shows it. Needed where several
        machines of one name wait, or where it is to be registered by another name than it asked for.
    type: str
  hosts:
    description:
      - Machines, each with what is said above of one.
    type: list
    elements: dict
    suboptions:
      name:
        description: As O(name).
        type: str
        required: true
      macs:
        description: As O(macs); required when O(state=present).
        type: list
        elements: str
      addresses:
        description: As O(addresses).
        type: list
        elements: str
      wake_on:
        description: As O(wake_on).
        type: str
        choices: [demand, arp, never]
      group:
        description: As O(group).
        type: str
      request:
        description: As O(request).
        type: str
  state:
    description:
      - V(present) registers the machines or corrects their records. V(absent) forgets them, and with them their keys.
      - V(approved) lets machines in that ask to be known and wait for an operator; one that is registered already is
        fine. V(rejected) refuses them; one that does not wait is fine.
    type: str
    choices: [present, absent, approved, rejected]
    default: present
  return_key:
    description:
      - With O(state=present) return the keys with which the machines prove that an announcement is their own. Set
        C(no_log) on the task.
    type: bool
    default: false
seealso:
  - module: powernap.powernap.powerwake
  - module: powernap.powernap.powerwake_info
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

- name: Register all machines of a rack in one request
  powernap.powernap.powerwake_client:
    hosts:
      - {name: web1, macs: ["02:4c:00:00:00:03"], addresses: [192.0.2.3], group: rack1}
      - {name: web2, macs: ["02:4c:00:00:00:04"], addresses: [192.0.2.4], group: rack1}
  delegate_to: wake1
  run_once: true

- name: Let a new machine in that waits for approval
  powernap.powernap.powerwake_client:
    name: web3
    group: rack1
    state: approved
  delegate_to: wake1

- name: Forget two machines
  powernap.powernap.powerwake_client:
    hosts: [{name: printer-host}, {name: web2}]
    state: absent
  delegate_to: wake1
"""

RETURN = r"""
host:
  description: The wake server's record; in check mode the part of it that this module would set.
  type: dict
  returned: when O(state=present) and O(name) is given
  contains:
    name:
      description: The name under which the machine is registered.
      type: str
    status:
      description: What the machine is, since when (Unix time), why, and by what evidence.
      type: dict
    wake_state:
      description: What the wake server does for it.
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
    status:
      state: unknown
      since: 1795416197.5285535
      why: has neither said anything nor been asked yet
      evidence: ""
      evidence_at: null
      profile: ""
      version: ""
    wake_state: awake
    macs: ["02:4c:00:00:00:03"]
    addresses: [198.18.0.3]
    wake_on: demand
    group: rack1
    group_described: true
    tcp_ports: ""
    registered:
      macs: ["02:4c:00:00:00:03"]
      addresses: [198.18.0.3]
      wake_on: null
      group: rack1
key:
  description: The machine's key, 64 hexadecimal digits.
  type: str
  returned: when O(return_key=true), O(name) is given and the machine is registered
  sample: "abababababababababababababababababababababababababababababababab"  # not a secret
hosts:
  description: What became of each machine, in the order in which they were given.
  type: list
  elements: dict
  returned: when O(hosts) is given, also on failure
  contains:
    name:
      description: The name of the machine.
      type: str
    changed:
      description: Whether anything changed for it.
      type: bool
    key:
      description: Its key, when O(return_key=true).
      type: str
    error:
      description: Why the wake server refused it. All others are done nevertheless, and the task fails.
      type: str
  sample:
    - name: web1
      changed: true
    - name: web2
      changed: false
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._registering import (
    Many,
    forget_many,
    given_hosts,
    register_many,
    register_one,
    settle,
)
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, run

FACTS = {
    "macs": {"type": "list", "elements": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "wake_on": {"type": "str", "choices": ["demand", "arp", "never"]},
    "group": {"type": "str"},
    "request": {"type": "str"},
}


def work(module, admin):
    params = module.params
    many = Many(admin, given_hosts(params), module.check_mode, one=params["hosts"] is None)
    if params["state"] == "absent":
        return forget_many(many)
    if params["state"] != "present":
        return settle(many, params["state"])
    if params["hosts"] is None:
        return register_one(many, params["return_key"], module.warn)
    return register_many(many, params["return_key"], module.warn)


def main():
    spec = dict(
        SERVER_SPEC,
        name={"type": "str"},
        hosts={"type": "list", "elements": "dict", "options": dict(FACTS, name={"type": "str", "required": True})},
        state={"type": "str", "choices": ["present", "absent", "approved", "rejected"], "default": "present"},
        return_key={"type": "bool", "default": False, "no_log": False},
        **FACTS,
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        required_one_of=[("name", "hosts")],
        mutually_exclusive=[("hosts", each) for each in ("name", *FACTS)],
    )
    run(module, work)


if __name__ == "__main__":
    main()
