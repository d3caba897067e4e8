#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake
short_description: Wake a machine through its wake server
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Asks a wake server to wake a registered machine, and waits until that machine answers.
  - Run it on a wake server, or anywhere with O(server). To wake the machine of the present play, delegate it there.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - Says whether the machine would be woken and sends no packet.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Nothing is sent to a machine that is awake.
  platform:
    support: full
    platforms: linux
options:
  name:
    description:
      - The machine to wake, by the name under which it is registered, by one of its MAC addresses, or by one of its IP
        addresses.
    type: str
    required: true
  timeout:
    description:
      - How many seconds the machine may take to answer.
    type: int
    default: 120
seealso:
  - module: powernap.powernap.powerwake_client
"""

EXAMPLES = r"""
- name: Wake the file server
  hosts: wake_servers
  gather_facts: false
  tasks:
    - name: Wake the file server
      powernap.powernap.powerwake:
        name: file1

- name: Configure machines that may be asleep
  hosts: clients
  gather_facts: false
  tasks:
    - name: Wake the machine before anything else
      powernap.powernap.powerwake:
        name: "{{ inventory_hostname }}"
        timeout: 300
      delegate_to: wake1
      throttle: 5

- name: Wake the file server from the controller
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Ask a wake server over the network
      powernap.powernap.powerwake:
        name: file1
        server: https://wake1.example.org:20709
        token: "{{ lookup('ansible.builtin.file', '~/.config/powerwake.token') }}"
        ca_file: /etc/powernap/server-ca.pem

# ansible wake_servers -i inventory -b -m powernap.powernap.powerwake -a name=file1
"""

RETURN = r"""
name:
  description: The name under which the machine is registered.
  type: str
  returned: success
  sample: file1
was:
  description: The state before, such as V(awake), V(asleep), V(waking) or V(unreachable).
  type: str
  returned: success
  sample: asleep
state:
  description:
    - The state after, V(awake).
    - In check mode the state that the machine would have.
  type: str
  returned: success
  sample: awake
seconds:
  description: How long it took until the machine answered; V(0) where it was awake, and in check mode.
  type: float
  returned: success
  sample: 1.42
magic_packets:
  description: How many magic packets were sent.
  type: int
  returned: success
  sample: 3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, find, run
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import Refused

#: As the wake server says it.
WAS = {state: state for state in ("awake", "waking", "unreachable")}
SLACK = 10.0  # seconds beyond the timeout until the wake server must have said that it was not reached in time


def wake(module, admin):
    name, timeout = module.params["name"], module.params["timeout"]
    if timeout < 1:
        raise Refused(400, f"timeout: {timeout} is too small: give the seconds that the machine may take to answer")
    if module.check_mode:
        result = predict(admin, name)
    else:
        result = admin.post("/api/v1/wake", {"target": name, "timeout_seconds": timeout}, timeout=timeout + SLACK)
    return dict(result, diff={"before": {"state": result["was"]}, "after": {"state": result["state"]}})


def predict(admin, name):
    """Return what waking would return, with nothing sent."""
    host = find(admin, name)
    if host is None:
        raise Refused(
            404, f"the wake server knows no host {name!r}: register it with powerwake_client, or see 'powerwake list'"
        )
    return {
        "name": host["name"],
        "was": WAS.get(host["wake_state"], "asleep"),
        "state": "awake",
        "changed": host["wake_state"] != "awake",
        "seconds": 0.0,
        "magic_packets": 0,
    }


def main():
    spec = dict(SERVER_SPEC, name={"type": "str", "required": True}, timeout={"type": "int", "default": 120})
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), wake)


if __name__ == "__main__":
    main()
