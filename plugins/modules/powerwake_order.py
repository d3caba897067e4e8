#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake_order
short_description: Give machines an order through their wake server
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Has a wake server give one order to any number of machines, waits for its end, and returns what became of it with
    each.
  - The machines themselves are not contacted by Ansible, so they may be asleep. Run it on the wake server, or
    anywhere with O(server); in a play for the clients, delegate it there with C(run_once), since one order is for
    many.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - Asks the wake server what would be done to whom, its policy included. What a machine itself would say, such
        as that somebody holds it awake, is not known.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - V(nap), V(wake), V(recover), V(release) and V(profile) change nothing where it is so already; V(inhibit),
        V(reload) and V(canary) are carried out each time.
  platform:
    support: full
    platforms: linux
options:
  verb:
    description:
      - What the machines shall do. V(nap) - sleep now, though not idle; V(wake) - be awake; V(recover) - come back
        from a warning and from power saving; V(inhibit) - take no nap for O(seconds); V(release) - end such an
        inhibitor before its time; V(profile) - use the profile O(profile); V(reload) - read the configuration
        again; V(canary) - nap and be woken at once, which proves that the machine wakes.
    type: str
    choices: [nap, wake, recover, inhibit, release, profile, reload, canary]
    required: true
  names:
    description:
      - The machines, by the names under which they are registered. One that is not is told as failed.
      - O(names), O(group), O(state) and O(match) must hold together; one of them, or O(all), is needed.
    type: list
    elements: str
  group:
    description:
      - Only machines of this group; an empty text for those of none.
    type: str
  state:
    description:
      - Only machines that are in one of these states.
    type: list
    elements: str
    choices: [awake, warned, powersave, napping, waking, 'off', unreachable, unknown]
  match:
    description:
      - Only machines whose names fit this pattern, such as V(web*).
    type: str
  all:
    description:
      - Every machine that the wake server knows.
    type: bool
    default: false
  action:
    description:
      - With O(verb=nap), the action that must be what follows on the machine, such as V(suspend); it refuses
        otherwise.
    type: str
  seconds:
    description:
      - With O(verb=inhibit), for how long; required then.
      - With O(verb=canary), after how long the machine wakes by its own clock, should the wake server fail; V(300)
        where it is not given.
    type: float
  reason:
    description:
      - With O(verb=inhibit), why, for people to read; required then.
      - With O(verb=release), which inhibitors end.
    type: str
  profile:
    description:
      - With O(verb=profile), the profile; an empty text for what the machine is configured with.
    type: str
  wake:
    description:
      - Wake machines that sleep for it. Otherwise the order is not delivered to them.
    type: bool
    default: false
  rate:
    description:
      - Begin with so many machines in a minute. Without it C(policy.orders_per_minute) of the wake server holds.
    type: int
  at_once:
    description:
      - Be busy with so many machines at the same time. Without it C(policy.orders_at_once) of the wake server holds.
    type: int
  timeout:
    description:
      - How many seconds one machine may take to wake, where it must.
      - An order can be begun with for so many seconds, 30 at most; the machine has 15 more to say what came of it.
    type: int
    default: 120
  unknown:
    description:
      - What becomes of those of O(names) that are not registered. V(fail) has each in RV(hosts) as failed. V(ignore)
        leaves them out, as where several wake servers are asked and each knows some.
    type: str
    choices: [fail, ignore]
    default: fail
  wait:
    description:
      - Wait until the order has ended. V(false) returns at once; C(powerwake orders) on the wake server shows what
        becomes of it.
    type: bool
    default: true
seealso:
  - module: powernap.powernap.powerwake
  - module: powernap.powernap.powerwake_canary
"""

EXAMPLES = r"""
- name: Let the machines of this play nap, in one order
  powernap.powernap.powerwake_order:
    verb: nap
    names: "{{ ansible_play_hosts }}"
  delegate_to: wake1
  run_once: true

- name: Let those of a rack nap that are awake, one every three seconds
  powernap.powernap.powerwake_order:
    verb: nap
    group: rack1
    state: [awake]
    rate: 20
  delegate_to: wake1

- name: Hold all machines awake while an inventory is made
  powernap.powernap.powerwake_order:
    verb: inhibit
    all: true
    seconds: 7200
    reason: inventory
    wake: true
  delegate_to: wake1
"""

RETURN = r"""
order:
  description: The order's number, by which C(powerwake orders) shows it.
  type: str
  returned: when it was given, so not in check mode
  sample: 2f9d1c7a5e0b4d63
counts:
  description: How many machines have had which outcome.
  type: dict
  returned: when an answer came
  sample: {"done": 1, "refused": 1}
hosts:
  description: What became of it with each machine, by name, also where the module fails.
  type: dict
  returned: when an answer came
  contains:
    outcome:
      description:
        - V(done), V(failed), V(refused) (by the wake server's policy), V(not delivered), V(cancelled); in check
          mode V(would); without O(wait) V(waiting) or V(running).
      type: str
    said:
      description: One sentence.
      type: str
    changed:
      description: Whether anything was done, or in check mode would be.
      type: bool
    seconds:
      description: How long it took.
      type: float
    result:
      description: What the machine said in figures.
      type: dict
  sample:
    web1:
      outcome: done
      said: suspend
      changed: true
      seconds: 0.412
      result: {"action": "suspend"}
    web2:
      outcome: refused
      said: "group web keeps 1 of 2 awake, and 1 are (0 would be left): try again in 60 s"
      changed: false
      seconds: 0.0
      result: {"again_seconds": 60.0}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._orders import begin, complaint, give
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, Partly, run
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue

STATES = ["awake", "warned", "powersave", "napping", "waking", "off", "unreachable", "unknown"]
#: By verb, the options that are its arguments, and their names in the API.
ARGUMENTS = {
    "nap": {"action": "action"},
    "inhibit": {"seconds": "seconds", "reason": "reason"},
    "release": {"reason": "reason"},
    "profile": {"profile": "name"},
    "canary": {"seconds": "seconds"},
}
#: By option of a query, its name in the API.
QUERY = {"names": "hosts", "group": "group", "state": "state", "match": "match"}
RATES = {"rate": "per_minute", "at_once": "at_once"}


def request(params, dry_run):
    """Return the order as the API takes it. Raises BadValue, which names the option."""
    verb = params["verb"]
    known = ARGUMENTS.get(verb, {})
    for option in sorted({option for each in ARGUMENTS.values() for option in each} - set(known)):
        if params[option] is not None:
            raise BadValue("%s: leave it out, as the order %s has no such thing" % (option, verb))
    body = {
        "verb": verb,
        "arguments": {name: params[option] for option, name in known.items() if params[option] is not None},
        "all": params["all"],
        "wake": params["wake"],
        "dry_run": dry_run,
        "timeout_seconds": params["timeout"],
    }
    named = {name: params[option] for option, name in (*QUERY.items(), *RATES.items())}
    body.update((name, value) for name, value in named.items() if value is not None)
    return body


def without_unknown(given):
    """Return the order without the results of those that are not registered."""
    known = {name: each for name, each in given["results"].items() if each["result"].get("problem") != "not-found"}
    outcomes = [each["outcome"] for each in known.values()]
    return dict(given, results=known, counts={outcome: outcomes.count(outcome) for outcome in outcomes})


def order(module, server):
    params = module.params
    if params["names"] == []:  # else the order would be for nobody, or for all of the group
        return {"changed": False, "hosts": {}, "counts": {}}
    body = request(params, module.check_mode)
    if params["wait"] or module.check_mode:
        given = give(server, body)
    else:
        given = begin(server, body)
        return {"changed": bool(given["results"]), "order": given["id"], **told(given)}
    if params["unknown"] == "ignore":
        given = without_unknown(given)
    result = dict(told(given), changed=any(each["changed"] for each in given["results"].values()))
    if not module.check_mode:
        result["order"] = given["id"]
    problem = complaint(given)
    if problem:
        raise Partly(problem, result)
    return result


def told(given):
    return {"hosts": given["results"], "counts": given["counts"]}


def main():
    spec = dict(
        SERVER_SPEC,
        verb={
            "type": "str",
            "choices": ["nap", "wake", "recover", "inhibit", "release", "profile", "reload", "canary"],
            "required": True,
        },
        names={"type": "list", "elements": "str"},
        group={"type": "str"},
        state={"type": "list", "elements": "str", "choices": STATES},
        match={"type": "str"},
        all={"type": "bool", "default": False},
        action={"type": "str"},
        seconds={"type": "float"},
        reason={"type": "str"},
        profile={"type": "str"},
        wake={"type": "bool", "default": False},
        rate={"type": "int"},
        at_once={"type": "int"},
        timeout={"type": "int", "default": 120},
        unknown={"type": "str", "choices": ["fail", "ignore"], "default": "fail"},
        wait={"type": "bool", "default": True},
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        required_if=[
            ("verb", "inhibit", ("seconds", "reason")),
            ("verb", "release", ("reason",)),
            ("verb", "profile", ("profile",)),
            ("all", False, ("names", "group", "state", "match"), True),
        ],
    )
    run(module, order)


if __name__ == "__main__":
    main()
