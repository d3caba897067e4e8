#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_wol
short_description: Arm network cards for Wake-on-LAN, now and at each boot
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Arms network cards so that a magic packet wakes the machine, and has whoever sets up the card at boot do so, too.
    Who that is, the module finds out.
  - Where NetworkManager manages the card, a file in C(/etc/NetworkManager/conf.d) sets the default of the card. A
    connection that says otherwise is modified by C(nmcli) if its file is below C(/etc). Others, such as those that
    netplan makes at each boot, are left as they are, and a script in C(/etc/NetworkManager/dispatcher.d) arms the card
    whenever its connection has been brought up.
  - Where C(systemd-udevd) sets it up, also beneath C(systemd-networkd), netplan or ifupdown, the C(.link) file that
    holds for the card gets a drop-in. Where that is the one for all cards, the card gets a C(.link) file of its own
    with the same settings, since of these files only one counts.
  - Where C(udev) runs without C(.link) files, a rule does it.
  - What else wakes the machine goes on to do so. What was there before is noted, and O(state=absent) brings it back.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  interfaces:
    description:
      - The network cards.
      - Required when O(state=present).
    type: list
    elements: str
  state:
    description:
      - V(present) arms the cards. V(absent) brings back what was there before the first V(present), for all cards.
    type: str
    choices: [present, absent]
    default: present
  persistent:
    description:
      - Have it done at each boot, too.
    type: bool
    default: true
  folder:
    description:
      - The directory in which it is noted what was there before.
    type: path
    default: /var/lib/powernap
notes:
  - Needs C(ethtool). Without it, and on a card that no magic packet wakes, nothing is done, and RV(cards) says so.
  - C(powernapd) arms its cards before each nap anyway. That it is done at boot, too, is for a machine that somebody
    switched off or put to sleep while C(powernapd) did not run.
seealso:
  - module: powernap.powernap.powernap_facts
  - module: powernap.powernap.powernap_before
"""

EXAMPLES = r"""
- name: Let the machine be woken by its first card
  powernap.powernap.powernap_wol:
    interfaces: [eno1]

- name: Bring back what was there before
  powernap.powernap.powernap_wol:
    state: absent
"""

RETURN = r"""
cards:
  description: What was found and done, card by card.
  type: list
  elements: dict
  returned: when O(state=present)
  contains:
    name:
      description: The card.
      type: str
    supported:
      description: Whether a magic packet can wake the machine through it.
      type: bool
    before:
      description: Its setting as C(ethtool) showed it, V(d) for nothing that wakes.
      type: str
    keeper:
      description:
        - Who arms it at each boot, V(NetworkManager), V(systemd) or V(udev).
        - V(null) where nobody was found who sets up cards.
      type: str
    by:
      description: The file or connection by which that is done.
      type: str
  sample:
    - name: eno1
      supported: true
      before: d
      keeper: systemd
      by: /etc/systemd/network/10-powernap-eno1.link
problems:
  description: What was refused on the way to what was before, one sentence each; the module went on.
  type: list
  elements: str
  returned: when O(state=absent)
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils import _before, _wol
from ansible_collections.powernap.powernap.plugins.module_utils._arming import Changes, arm, runner

ROOT = "/"


def bring_back(module, record, changes):
    """Bring back what was before; return what was refused."""
    run = runner(module)
    problems = []
    paths = _before.Return(record.table("paths"))
    for path in [*paths.remove, *paths.put_back]:
        changes.tell(path, "as PowerNap has it", "as it was")
    network_manager = _wol.NetworkManager(run, ROOT)
    profiles = record.table("profiles")
    for uuid, was in profiles.items():
        changes.tell(f"connection {uuid}, 802-3-ethernet.wake-on-lan", "as PowerNap has it", was["value"])
    for name, was in record.table("cards").items():
        put_back_card(_wol.Card(run, name, ROOT), was, changes, problems)
    if record.exists and not changes.after:
        changes.tell(record.file, "present", "absent")
    if changes.check_mode or not record.exists:
        return problems
    paths.carry_out()
    for was in profiles.values():
        _before.put(was["path"], was["file"])
        problems.append(network_manager.load(was["path"]))
    if any("/NetworkManager/conf.d/" in path for path in paths.remove):
        problems.append(network_manager.reload())
    record.delete()
    return [problem for problem in problems if problem]


def put_back_card(card, was, changes, problems):
    armed = card.wake_on()[1] if card.exists else ""
    wakeup = card.wakeup() if card.exists else None  # many drivers turn it themselves once ethtool(8) sets the other
    if armed and was["armed"] and set(armed) != set(was["armed"]):
        changes.tell(f"{card.name} wakes on", armed, was["armed"])
        if not changes.check_mode:
            problems.append(card.set(was["armed"]))
    if was["wakeup"] and wakeup not in (None, was["wakeup"]):
        changes.tell(f"{card.name} may wake", wakeup, was["wakeup"])
    if was["wakeup"] and not changes.check_mode and card.exists and card.wakeup() not in (None, was["wakeup"]):
        card.set_wakeup(was["wakeup"])


def main():
    spec = {
        "interfaces": {"type": "list", "elements": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "persistent": {"type": "bool", "default": True},
        "folder": {"type": "path", "default": _before.FOLDER},
    }
    module = AnsibleModule(
        argument_spec=spec, supports_check_mode=True, required_if=[("state", "present", ("interfaces",))]
    )
    changes = Changes(module.check_mode)
    try:
        record = _before.Record("wol", module.params["folder"])
        if module.params["state"] == "present":
            cards = module.params["interfaces"], module.params["persistent"]
            told = {"cards": arm(*cards, record, changes, runner(module), ROOT)}
        else:
            told = {"problems": bring_back(module, record, changes)}
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    else:
        module.exit_json(**changes.result(), **told)


if __name__ == "__main__":
    main()
