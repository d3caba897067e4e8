#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake_canary
short_description: Prove that one machine of each kind naps and wakes
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Where a wake server's C(policy.canary_first) is true, machines may not nap before one of their kind has napped
    and was woken. A kind is what has one group, one profile and one version of C(powernapd) in common.
  - This module tries one of the O(names) of each kind that is not proven yet, all kinds at the same time. Where all
    are proven, or nothing asks for it, it does nothing.
  - A machine that does not wake ends the trial of its kind. Its mark remains until C(powerwake canary --clear
    NAME), and no other one of its kind is tried meanwhile. A machine that cannot be tried, such as one without a
    clock that can wake it, stays awake, and the next one is tried.
  - The module fails only where the wake server cannot be asked. What has not been proven is in RV(held).
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - Says which machines would be tried.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - The wake server keeps what has been proven, also over a restart.
  platform:
    support: full
    platforms: linux
options:
  names:
    description:
      - The machines that may be tried, by the names under which they are registered. Others than these never are.
      - Those that are not registered are passed over.
    type: list
    elements: str
    required: true
  timeout:
    description:
      - How many seconds a machine may take to go to sleep, and again to wake.
    type: int
    default: 120
  seconds:
    description:
      - After how many seconds a machine that is tried wakes by its own clock, should the wake server fail.
    type: int
    default: 300
  link_timeout:
    description:
      - How many seconds the machines may take to open their links to the wake server, as after C(powernapd) was
        started.
    type: int
    default: 60
  tries:
    description:
      - Of each kind so many machines are tried where those before could not be. One that was tried and did not wake
        is the last in any case.
    type: int
    default: 3
seealso:
  - module: powernap.powernap.powerwake_order
"""

EXAMPLES = r"""
- name: Prove that machines wake before the others of their kind may nap
  powernap.powernap.powerwake_canary:
    names: "{{ ansible_play_hosts }}"
  delegate_to: wake1
  run_once: true
  register: canary

- name: Say why a machine stays awake
  ansible.builtin.debug:
    msg: "{{ canary.held[inventory_hostname] }}"
  when: inventory_hostname in canary.held
"""

RETURN = r"""
tried:
  description: What became of the machines that were tried, by name.
  type: dict
  returned: success
  contains:
    outcome:
      description:
        - V(done), V(failed), V(refused), V(not delivered); V(would) in check mode.
      type: str
    said:
      description: One sentence.
      type: str
    changed:
      description: Whether it has napped, or would.
      type: bool
  sample:
    web1:
      changed: true
      outcome: done
      said: woke after 6.2 s, 3 magic packets
held:
  description: Why machines may not nap yet, one sentence for each of the O(names) that may not.
  type: dict
  returned: success
  sample:
    db2: >-
      db1 did not wake when that was tried (no sign of it within 120 s): repair that, and clear it with
      'powerwake canary --clear db1'
not_woken:
  description: Those of RV(held) of whose kind one was tried and did not wake.
  type: list
  elements: str
  returned: success
  sample: [db2]
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._orders import give, reason
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, records, run

#: Of a host's record, what is needed.
FIELDS = ["group", "status"]
UP = ("awake", "warned", "powersave")
LOOK_SECONDS = 1.0


def kind(host):
    """Return what a machine has in common with those for which it proves."""
    return host["group"], host["status"]["profile"], host["status"]["version"]


def by_kind(hosts, names):
    """Return by kind the names of those that wait for a canary, in the order of ``names``."""
    found = {}
    for name in names:
        if name in hosts and hosts[name]["status"]["canary_wanted"]:
            found.setdefault(kind(hosts[name]), []).append(name)
    return found


def unlinked(hosts):
    """Return the names of those that are up and whose link is not open yet."""
    return [name for name, host in hosts.items() if host["status"]["state"] in UP and not host["status"]["link"]]


def failed(others, wanted):
    """Return by kind of ``wanted`` why one of it did not wake; ``others``: records of all in their groups."""
    found = {}
    for name, host in others.items():
        mark = host["status"]["canary_failed"]
        if mark and kind(host) in wanted:
            found.setdefault(kind(host), not_woken(name, mark["why"]))
    return found


def not_woken(name, why):
    repair = "repair that, and clear it with 'powerwake canary --clear %s'" % name
    return "%s did not wake when that was tried (%s): %s" % (name, why, repair)


class Trial:
    """``ask(names)`` returns the records; ``order(names)`` what became of canaries of these."""

    def __init__(self, ask, order, tries):
        self.ask, self.order, self.tries = ask, order, tries
        self.tried = {}
        self.not_woken = set()  # kinds
        self.why = {}  # by kind, why it is not proven

    def run(self, waiting, marked):
        """``waiting``: names by kind; ``marked``: by kind, why one of it did not wake."""
        self.why.update(marked)
        self.not_woken.update(marked)
        left = {each: list(names) for each, names in waiting.items() if each not in marked}
        for _turn in range(self.tries):
            chosen = {each: names.pop(0) for each, names in left.items() if names}
            if not chosen:
                return
            results = self.order(sorted(chosen.values()))
            for each, name in chosen.items():
                result = results[name]
                self.tried[name] = {field: result[field] for field in ("outcome", "said", "changed")}
                if self.is_over(each, name, result):
                    del left[each]

    def is_over(self, each, name, result):
        """No other one of that kind is to be tried."""
        if result["outcome"] in ("done", "would"):
            self.why.pop(each, None)
            if not result["changed"]:
                self.why[each] = ""  # none of its steps is a sleep
            return True
        mark = (self.ask([name]).get(name) or {}).get("status", {}).get("canary_failed")
        if not mark:
            self.why[each] = "%s could not be tried: %s" % (name, reason(result))
            return False
        self.why[each] = not_woken(name, mark["why"])
        self.not_woken.add(each)
        return True


def held(waiting, why, check_mode):
    """Return by name why machines may not nap yet; ``waiting``: names by kind, after the trial."""
    found = {}
    for each, names in waiting.items():
        said = why.get(each, "" if check_mode else "no machine of its kind could be tried: its link is not open")
        if said:
            found.update((name, said) for name in names)
    return found


def wait_for_links(server, names, seconds):
    """Return the records of those that are registered, after so many seconds at the latest."""
    end = time.monotonic() + seconds
    while True:
        hosts = records(server, names, FIELDS)
        if not unlinked(hosts) or time.monotonic() >= end:
            return hosts
        time.sleep(LOOK_SECONDS)


def prove(module, server):
    params = module.params
    hosts = wait_for_links(server, params["names"], params["link_timeout"])
    waiting = by_kind(hosts, params["names"])
    if not waiting:
        return {"changed": False, "tried": {}, "held": {}, "not_woken": []}
    others = {}
    for group in sorted({each[0] for each in waiting}):
        others.update((host["name"], host) for host in server.hosts(group=group, fields=["name", *FIELDS]))
    body = {
        "verb": "canary",
        "arguments": {"seconds": params["seconds"]},
        "timeout_seconds": params["timeout"],
        "dry_run": module.check_mode,
    }
    trial = Trial(
        lambda names: records(server, names, FIELDS),
        lambda names: give(server, dict(body, hosts=names))["results"],
        params["tries"],
    )
    ready = {each: [name for name in names if hosts[name]["status"]["link"]] for each, names in waiting.items()}
    trial.run(ready, failed(others, waiting))
    still = waiting if module.check_mode else by_kind(records(server, params["names"], FIELDS), params["names"])
    changed = any(each["changed"] for each in trial.tried.values())
    bad = [name for each in trial.not_woken for name in still.get(each, ())]
    return {
        "changed": changed,
        "tried": trial.tried,
        "held": held(still, trial.why, module.check_mode),
        "not_woken": sorted(bad),
    }


def main():
    spec = dict(
        SERVER_SPEC,
        names={"type": "list", "elements": "str", "required": True},
        timeout={"type": "int", "default": 120},
        seconds={"type": "int", "default": 300},
        link_timeout={"type": "int", "default": 60},
        tries={"type": "int", "default": 3},
    )
    run(AnsibleModule(argument_spec=spec, supports_check_mode=True), prove)


if __name__ == "__main__":
    main()
