#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap
short_description: Let a machine nap, recover it, hold it awake, or change its profile
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Gives orders to C(powernapd) on the machine itself. To give them through the wake server, use
    M(powernap.powernap.powerwake).
  - Of several orders in one task, the O(profile) comes first, then O(inhibited), and O(state) at last.
  - Must run as root, but for O(inhibited).
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.powernapd
attributes:
  check_mode:
    support: full
    details:
      - Where C(powernapd) does not run yet, a change is reported.
  diff_mode:
    support: full
    details:
      - Shows what a profile changes by key, and leases and state as they were and are.
  idempotent:
    support: partial
    details:
      - O(state=reloaded) is always a change.
  platform:
    support: full
    platforms: linux
options:
  profile:
    description:
      - Use this power profile, or these, in place of those that the configuration includes. It is written as a drop-in
        of its own, and takes effect at once.
      - To change what the configuration itself says, use M(powernap.powernap.powernap_config).
    type: list
    elements: str
  inhibited:
    description:
      - Hold the machine awake by a lease, for a limited time.
      - A lease of the same reason and owner is kept as long as nine tenths of the time are left, and then replaced by a
        new one.
      - With O(state=released) such leases are ended instead.
    type: dict
    suboptions:
      reason:
        description:
          - Why, as C(powernap why) and C(powernap inhibit --list) on the machine show it.
        type: str
        required: true
      seconds:
        description:
          - For how long, in seconds. The configuration has an upper limit, C(inhibitors.max_lease_seconds), which is
            the default.
        type: float
      who:
        description:
          - For whom.
        type: str
        default: Ansible
  state:
    description:
      - With V(napping) the machine takes the next step of its descent now, without the idle time and the warning, but
        with every safety check. What forbids a nap, such as a lease, makes the task fail. A machine that naps already
        while it runs on, as in powersave, is left as it is.
      - If that step is a sleep, it begins O(nap_delay) seconds later, so that Ansible can take its leave. The machine
        cannot be reached from then on, so let this be its last task.
      - With V(awake) a nap that is announced or in effect is taken back.
      - With V(released) the leases that O(inhibited) describes are ended.
      - With V(reloaded) the configuration is read again. What is wrong with it makes the task fail, and C(powernapd)
        goes on with what it had.
    type: str
    choices: [napping, awake, released, reloaded]
  nap_delay:
    description:
      - The seconds until a sleep begins that O(state=napping) orders, at most 300.
    type: float
    default: 5
seealso:
  - module: powernap.powernap.powernap_config
  - module: powernap.powernap.powernap_info
  - module: powernap.powernap.powerwake
"""

EXAMPLES = r"""
- name: Let the machine nap as a file server
  powernap.powernap.powernap:
    profile: file-server
  become: true

- name: Hold the machine awake while it is upgraded
  powernap.powernap.powernap:
    inhibited:
      reason: upgrade of October
      seconds: 7200

- name: It is upgraded
  powernap.powernap.powernap:
    inhibited:
      reason: upgrade of October
    state: released
  become: true

- name: Read the configuration again
  powernap.powernap.powernap:
    state: reloaded
  become: true

- name: Send the machine to sleep, as the last task for it
  powernap.powernap.powernap:
    state: napping
  become: true
"""

RETURN = r"""
state:
  description: The state of the machine when the module ended.
  type: str
  returned: when C(powernapd) runs
  sample: awake
in_effect:
  description: The steps of the descent that are in effect.
  type: list
  elements: str
  returned: when C(powernapd) runs
  sample: [powersave]
action:
  description: The step that was ordered, or in check mode would be.
  type: str
  returned: when O(state=napping) and the machine did not nap
  sample: suspend
nap_in_seconds:
  description:
    - When the sleep begins, counted from the order.
    - V(0) if the step is one in which the machine runs on.
  type: float
  returned: when O(state=napping) and the machine did not nap
  sample: 5.0
lease:
  description: The lease that holds the machine awake; V(null) in check mode if it is not taken yet.
  type: dict
  returned: when O(inhibited) and not O(state=released)
  contains:
    id:
      description: Its number, with which C(powernap inhibit --release) ends it.
      type: str
    who:
      description: For whom it is.
      type: str
    reason:
      description: Why the machine is held awake.
      type: str
    remaining_seconds:
      description: For how long it holds.
      type: float
    pid:
      description: The process with which it ends, V(0) if it is bound to none.
      type: int
    uid:
      description: The user whose it is.
      type: int
    ordered:
      description: Whether the wake server has ordered it.
      type: bool
  sample:
    id: "1"
    who: Ansible
    reason: upgrade of October
    remaining_seconds: 7199.978
    pid: 0
    uid: 0
    ordered: false
released:
  description: The leases that were ended, or in check mode would be, as in RV(lease).
  type: list
  elements: dict
  returned: when O(state=released)
  sample:
    - id: "1"
      who: Ansible
      reason: upgrade of October
      remaining_seconds: 7197.324
      pid: 0
      uid: 0
      ordered: false
changes:
  description: What the profile changes, by key.
  type: list
  elements: dict
  returned: when O(profile)
  contains:
    key:
      description: The key, with those of its tables before it.
      type: str
    before:
      description: Its value and unit before, as text; empty if it had none.
      type: str
    after:
      description: Its value and unit now, as text; empty if it has none.
      type: str
  sample:
    - {key: nap.backoff_seconds, before: 60 seconds, after: 120 seconds}
notes:
  description: What stands over the profile, and other remarks on it, one sentence each.
  type: list
  elements: str
  returned: when O(profile)
  sample:
    - >-
      /etc/powernap/powernapd.toml: steps.sleep.after_seconds = 1800 seconds stands over profile web-server (900):
      delete it there to let the profile decide
"""

import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._powernapd import (
    POWERNAPD_SPEC,
    NotRunning,
    ask,
    run_program,
)
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError

#: A lease of which so much is left is kept.
ENOUGH = 0.9
#: What powernapd keeps of a text.
MOST_WHO = 100
MOST_REASON = 200
#: Steps in which the machine runs on.
AWAKE_ACTIONS = ("powersave", "exec")
#: States out of which a machine need not recover, unless a step is in effect.
AWAKE_STATES = ("awake", "held", "backoff", "resuming")


class Orders:
    """Carries out the orders of one task; ``result`` grows with each."""

    def __init__(self, module):
        self.module = module
        self.params = module.params
        self.result = {"changed": False, "diff": []}

    def ask(self, command, **more):
        return ask(self.params["socket"], command, **more)

    def changed(self, before, after):
        self.result["changed"] = True
        self.result["diff"].append({"before": before, "after": after})

    def carry_out(self):
        params = self.params
        if params["profile"]:
            self.profile(params["profile"])
        if params["state"] == "released":
            self.release(wanted_lease(params["inhibited"]))
        elif params["inhibited"]:
            self.inhibit(wanted_lease(params["inhibited"]))
        if params["state"] == "napping":
            self.nap()
        elif params["state"] == "awake":
            self.recover()
        elif params["state"] == "reloaded":
            self.reload()

    def profile(self, names):
        words = ["profile", "apply", *names, *(["--dry-run"] if self.module.check_mode else [])]
        answer = run_program(self.module, *words)
        self.result["changes"] = [
            {"key": change["key"], "before": change["old"], "after": change["new"]} for change in answer["changes"]
        ]
        self.result["notes"] = answer["notes"]
        if answer["changed"]:
            self.changed(keys(self.result["changes"], "before"), keys(self.result["changes"], "after"))

    def reload(self):
        if not self.module.check_mode:
            self.ask("reload")
        self.result["changed"] = True

    def inhibit(self, wanted):
        there = matching(self.ask("leases")["leases"], wanted)
        kept = next((lease for lease in there if lasts(lease, wanted["seconds"])), None)
        self.result["lease"] = kept
        if kept:
            return
        if not self.module.check_mode:
            self.result["lease"] = self.ask("inhibit", **wanted)["lease"]
            for lease in there:  # only now, so that the machine is held all the while
                self.ask("release", id=lease["id"])
        self.changed({"leases": there}, {"leases": [self.result["lease"] or wanted]})

    def release(self, wanted):
        there = matching(self.ask("leases")["leases"], wanted)
        self.result["released"] = there
        if not there:
            return
        if not self.module.check_mode:
            for lease in there:
                self.ask("release", id=lease["id"])
        self.changed({"leases": there}, {"leases": []})

    def nap(self):
        status = self.ask("status")
        if naps(status):
            return
        delay = 0.0 if status["action"] in AWAKE_ACTIONS else self.params["nap_delay"]
        how = {"dry_run": True} if self.module.check_mode else {"delay_seconds": delay}
        action = self.ask("now", **how)["action"]
        self.result.update(action=action, nap_in_seconds=delay)
        self.changed({"state": status["state"]}, {"state": "napping", "action": action})

    def recover(self):
        status = self.ask("status")
        if status["state"] in AWAKE_STATES and not status["in_effect"]:
            return
        if not self.module.check_mode:
            self.ask("recover")
        before = {"state": status["state"], "in_effect": status["in_effect"]}
        self.changed(before, {"state": "awake", "in_effect": []})

    def look(self):
        """Say how the machine is now; a profile is applied where powernapd does not run, too."""
        try:
            status = self.ask("status")
        except NotRunning:
            return
        self.result.update(state=status["state"], in_effect=status["in_effect"])


def wanted_lease(inhibited):
    """Return {"who", "reason", "seconds"}, the texts as powernapd keeps them."""
    return {
        "who": " ".join(inhibited["who"].split())[:MOST_WHO],
        "reason": " ".join(inhibited["reason"].split())[:MOST_REASON],
        "seconds": inhibited["seconds"],
    }


def matching(leases, wanted):
    """Return the leases of that owner and reason that are bound to no process, and are not the wake server's."""
    return [
        lease
        for lease in leases
        if (lease["who"], lease["reason"], lease["pid"]) == (wanted["who"], wanted["reason"], 0)
        and not lease.get("ordered")
    ]


def lasts(lease, seconds):
    """Tell whether enough of a lease is left; without a wish, any is."""
    return seconds is None or lease["remaining_seconds"] >= ENOUGH * seconds


def naps(status):
    """Tell whether the machine naps already, or is about to."""
    return status["mode"] == "act" and bool(status["in_effect"] or status["state"] in ("suspending", "asleep"))


def keys(changes, which):
    """Return one line for each key that is there before, or after."""
    return "".join(f"{change['key']} = {change[which]}\n" for change in changes if change[which])


def main():
    spec = dict(
        POWERNAPD_SPEC,
        profile={"type": "list", "elements": "str"},
        inhibited={
            "type": "dict",
            "options": {
                "reason": {"type": "str", "required": True},
                "seconds": {"type": "float"},
                "who": {"type": "str", "default": "Ansible"},
            },
        },
        state={"type": "str", "choices": ["napping", "awake", "released", "reloaded"]},
        nap_delay={"type": "float", "default": 5},
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        required_one_of=[("profile", "inhibited", "state")],
        required_if=[("state", "released", ("inhibited",))],
    )
    if module.params["inhibited"] and module.params["state"] == "napping":
        module.fail_json(
            msg="state: a machine that is inhibited does not nap: give inhibited or state=napping, not both"
        )
    orders = Orders(module)
    try:
        orders.carry_out()
        orders.look()
    except NotRunning as error:
        if not module.check_mode:
            module.fail_json(msg=str(error))
        module.exit_json(changed=True, msg=f"as things stand, {error}")
    except PowernapError as error:
        module.fail_json(msg=re.sub("run (it|this) with sudo", "set become: true", str(error)))
    else:
        module.exit_json(**orders.result)


if __name__ == "__main__":
    main()
