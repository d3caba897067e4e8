#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation only: the work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_machine
short_description: Find out what a machine is, and refuse what the inventory says wrongly of it
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Gathers the facts of M(powernap.powernap.powernap_facts), and checks with them what the inventory says of the
    machine, all in one task, so that a thousand machines cost the controller little. The roles of this collection begin
    with it; there is hardly a need to use it directly.
  - Refuses a variable of this collection that is misspelt, a profile that there is not, a machine that nobody would
    wake, and one that shows no network interface. Each is told in one sentence with its remedy.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.facts
  - powernap.powernap.attributes.flow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  variables:
    description:
      - The name of a variable, a dictionary that is evaluated once the facts are known.
      - C(kind) is the kind of machine, as the fact C(virtualization.kind) has it, C(left_alone) whether it is one that
        does not nap by itself, C(profile) its power profile, C(registers) whether it is registered with the wake server
        C(server), by which C(macs) and C(addresses), and C(record) what is returned as RV(record).
      - Without it only the names of variables are checked.
    type: str
  facts:
    description:
      - Whether to gather facts. Without them only the names of variables are checked.
    type: bool
    default: true
seealso:
  - module: powernap.powernap.powernap_facts
"""

EXAMPLES = r"""
- name: Find out what the machine is, and refuse misspelt variables
  powernap.powernap.powernap_machine:
"""

RETURN = r"""
ansible_facts:
  description: The facts of M(powernap.powernap.powernap_facts); none where RV(left_alone) is V(true).
  type: dict
  returned: when O(facts=true)
  contains:
    powernap:
      description: All of them, under one name.
      type: dict
      returned: always
      sample:
        virtualization:
          kind: container
          technology: docker
          source: systemd-detect-virt
          reason: "a container: docker (systemd-detect-virt)"
        sleep_states: [freeze, mem, disk]
        battery: true
        tcp_ports: [22, 80]
left_alone:
  description: Whether the machine is one that does not nap by itself, a container or a virtual guest.
  type: bool
  returned: with O(variables)
  sample: true
msg:
  description: Why it is left alone.
  type: str
  returned: when RV(left_alone) is V(true)
  sample: "web1 is skipped, being a container: docker (systemd-detect-virt). A container sleeps with its host."
record:
  description: What the wake server is to know of the machine.
  type: dict
  returned: with O(variables), for a machine that is registered
  sample:
    server: wake1
    host: {name: web1, macs: ["02:4c:00:00:00:03"], addresses: [198.18.0.3/16]}
"""
