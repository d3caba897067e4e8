#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_info
short_description: Ask a machine what it does, and why it naps or does not
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Asks C(powernapd) on the machine itself. A machine that sleeps cannot be asked; its wake server knows of it, see
    M(powernap.powernap.powerwake_info).
  - Changes nothing. A machine without C(powernapd) is no error; see RV(installed) and RV(running).
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.info
  - powernap.powernap.powernapd
attributes:
  platform:
    support: full
    platforms: linux
options:
  history_since:
    description:
      - Return RV(history), too, from so long ago until now, such as V(12h), V(7d) or V(4w).
    type: str
seealso:
  - module: powernap.powernap.powernap
  - module: powernap.powernap.powerwake_info
"""

EXAMPLES = r"""
- name: Ask why the machine does not nap
  powernap.powernap.powernap_info:
  register: asked

- name: Say it
  ansible.builtin.debug:
    var: asked.why.text

- name: Find machines that something else puts to sleep, or keeps from being woken
  ansible.builtin.assert:
    that: asked.conflicts == []
    fail_msg: "{{ asked.conflicts | join('; ') }}"
  when: asked.running

- name: Ask how much it slept in the last week
  powernap.powernap.powernap_info:
    history_since: 7d
  register: asked
"""

RETURN = r"""
installed:
  description: Whether PowerNap is there.
  type: bool
  returned: always
  sample: true
running:
  description: Whether C(powernapd) answers.
  type: bool
  returned: always
  sample: true
error:
  description: Why it does not answer.
  type: str
  returned: when C(powernapd) does not run
  sample: "/run/powernapd/control.sock may not be used by this user: set become: true"
version:
  description: The version of C(powernapd).
  type: str
  returned: when C(powernapd) runs
  sample: 0.1.0
profile:
  description: The power profiles in use, separated by blanks; empty if the configuration includes none.
  type: str
  returned: when C(powernapd) runs
  sample: web-server
conflicts:
  description: Who else puts this machine to sleep, and what keeps it from being woken, one sentence each.
  type: list
  elements: str
  returned: when C(powernapd) runs
  sample: []
status:
  description: The answer of C(powernap status --json).
  type: dict
  returned: when C(powernapd) runs
  contains:
    state:
      description:
        - V(awake), V(warned), V(powersave), V(suspending), V(asleep), V(resuming), V(held), V(backoff) or V(observing).
      type: str
      sample: awake
    reason:
      description: Why it is held, backs off, or naps; else empty.
      type: str
      sample: ""
    action:
      description: The next step.
      type: str
      sample: suspend
    in_effect:
      description: The steps of the descent that are in effect.
      type: list
      elements: str
      sample: []
    deadline_seconds:
      description: When the next step comes if nothing happens; V(null) if it is not in sight.
      type: float
      sample: 899.998
    idle_seconds:
      description: For how long the machine has been idle.
      type: float
      sample: 0.0
    mode:
      description: V(act), or V(observe) where nothing is done.
      type: str
      sample: act
    never:
      description: Why the machine never naps; else empty.
      type: str
      sample: ""
    monitors:
      description: What each monitor measures, against its threshold.
      type: list
      elements: dict
      sample:
        - name: load
          kind: load
          active: true
          idle_seconds: 0.0
          value: 11.9
          threshold: 2.0
          unit: ""
          detail: "load 11.90, threshold 2"
          source: /proc/loadavg
          error: ""
    held_by:
      description: Who forbids the next sleep, one sentence each.
      type: list
      elements: str
      sample: ["Ansible holds lease 1 for another 7196 s: upgrade of October"]
    notes:
      description: What else people should know, one sentence each.
      type: list
      elements: str
      sample: []
    server:
      description: Its wake server, and whether that hears it.
      type: dict
      sample:
        url: ""
        acknowledged: null
        error: ""
        woken_for: {}
        enrolment: {status: "", request: "", url: "", trust: "", needed: false, error: ""}
why:
  description: Why the machine is awake or held, as C(powernap why --json) answers beside the status.
  type: dict
  returned: when C(powernapd) runs
  contains:
    text:
      description: The whole answer for people.
      type: str
      sample: |
        Idle for 0 s (last activity: load monitor load: load 5.82, threshold 2).
          load load: active (load 5.82, threshold 2; /proc/loadavg)
        Awake because of the monitor load: load 5.82, threshold 2.
        Wake server: none.
    keeps_awake:
      description: What stands against the next step now.
      type: list
      elements: dict
      sample:
        - {by: monitor, name: load, sentence: "load 11.90, threshold 2"}
        - {by: inhibitor, name: "", sentence: "Ansible holds lease 1 for another 7196 s: upgrade of October"}
        - {by: idle time, name: "", sentence: "900 s are left of it", seconds: 899.998}
    steps:
      description: The steps of the descent, when each could come, and what its conditions say.
      type: list
      elements: dict
      sample:
        - name: suspend
          title: suspend
          action: suspend
          next: true
          after_seconds: 900
          grace_seconds: 0.0
          earliest_in_seconds: 900.0
          in_effect_seconds: null
          conditions: {}
          conditions_change_in_seconds: null
          unmet: []
leases:
  description: The leases that hold the machine awake, see RV(powernap.powernap.powernap#module:lease).
  type: list
  elements: dict
  returned: when C(powernapd) runs
  sample:
    - id: "1"
      who: Ansible
      reason: upgrade of October
      remaining_seconds: 7199.109
      pid: 0
      uid: 0
      ordered: false
history:
  description: The answer of C(powernap history --json).
  type: dict
  returned: when O(history_since) is given and C(powernapd) runs
  contains:
    naps:
      description: Each nap, with when it began and ended (Unix time), its causes, and how much of it the machine slept.
      type: list
      elements: dict
      sample:
        - began: 1795445964.302
          ended: null
          actions: [powersave]
          seconds: 0.733
          asleep_seconds: 0.0
          cause: ordered to nap; powersave, idle for 0 s
          woken_by: ""
    totals:
      description: The seconds in each state, the naps and wakes, and the energy that was saved by estimation.
      type: dict
      sample:
        since: 1794812197.849622
        until: 1795416997.849622
        seconds: {awake: 11.351}
        asleep_seconds: 0.0
        powersave_seconds: 0.0
        naps: 0
        wakes: {}
        estimated_kwh_saved: null
        estimated_money_saved: null
        currency: ""
    orders:
      description: What the wake server ordered, and what became of it.
      type: list
      elements: dict
      sample:
        - {t: 1795445964.302, verb: nap, by: root, ok: true, said: suspend}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._powernapd import (
    POWERNAPD_SPEC,
    NotRunning,
    ask,
    installed,
    run_program,
)
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError

#: What "why" answers beside a status.
OF_WHY = ("text", "keeps_awake", "steps", "nap_in_seconds", "retry_in_seconds", "observed_seconds", "decision")
#: What is returned at the top.
APART = ("ok", "version", "profile", "conflicts")


def sorted_out(answer):
    """Return powernapd's answer to "why" under the names that the module returns."""
    return {
        "version": answer["version"],
        "profile": answer["profile"],
        "conflicts": answer["conflicts"],
        "status": {key: value for key, value in answer.items() if key not in OF_WHY and key not in APART},
        "why": {key: answer[key] for key in OF_WHY if key in answer},
    }


def asked(module):
    """Return all that the machine says of itself."""
    params = module.params
    answer = ask(params["socket"], "why")
    result = dict(sorted_out(answer), installed=True, running=True, leases=ask(params["socket"], "leases")["leases"])
    if params["history_since"]:
        history = run_program(module, "history", "--since", params["history_since"])
        result["history"] = {key: history[key] for key in ("naps", "totals", "orders")}
    return result


def main():
    module = AnsibleModule(argument_spec=dict(POWERNAPD_SPEC, history_since={"type": "str"}), supports_check_mode=True)
    try:
        result = asked(module)
    except NotRunning as error:
        module.exit_json(changed=False, installed=installed(module.params), running=False, error=str(error))
    except PowernapError as error:
        module.fail_json(msg=str(error).replace("--since", "history_since"))
    else:
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
