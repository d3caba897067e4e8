#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the action plugin of the same name that runs on the wake server, where the task is delegated to it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: awake
short_description: Wake the hosts of a play where they sleep, and hold them awake until the play's end
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - The first task of a play whose hosts may sleep. It asks a wake server to wake the host where it sleeps, takes an
    inhibitor with a time limit so that the host does not nap while the play runs, and waits until the connection of the
    host works, as M(ansible.builtin.wait_for_connection) does. No host is called unreachable for being asleep.
  - Set C(gather_facts=false) in the play, since facts would be gathered before its first task; gather them after it.
  - The wake server is asked by the controller where O(server) is given (or the environment variable
    E(POWERWAKE_SERVER) is set), with a token of the role C(operator). Where the task is delegated to the wake server it
    is asked there, through its socket, which needs C(become=true) where the connection's user is not root.
  - The wake server wakes as many at once as its C(wake.wakes_per_minute) and those of its groups allow; the others have
    their turn later, and the time that a host waits for its turn does not count as its O(timeout). The first host of a
    batch asks for all of its hosts, so that neither C(forks) nor C(serial) within a batch add up; see O(ahead).
  - For a host that is awake this is one short request and one command over its connection.
  - Where the wake server does not answer a host that can be reached is worked with all the same, with a warning.
notes:
  - What holds a host awake ends with the play where a last task has O(state=released), else with the run of
    C(ansible-playbook), also where that fails or is interrupted at the keyboard. Nothing has to be enabled for it. It
    lasts for O(hold) seconds where the run is killed, or has a strategy plugin that does not load action plugins before
    it forks, as those of ansible-core do.
  - At the end of the run there is one request for each wake server, however many hosts it is for. Where tasks were
    delegated to the wake server it is made by C(ansible) with the inventory and options of the run; passwords that were
    asked for at the terminal are not known to it. What cannot be released is told of in a warning.
  - A run of C(ansible) with this module ends at once, and with it what it holds. To hold a host awake by hand there is
    C(powerwake inhibit).
  - A host without C(powernapd), or whose C(powernapd) has no open link to the wake server, is woken but not held
    awake; RV(held) says so. With the profiles a host does not nap while somebody works on it over SSH, but a
    connection that is only open does not count.
  - For plain C(ssh), and for plays that know nothing of PowerNap, there is C(powerwake proxy); see the examples.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.attributes.flow
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - Says whether the host would be woken, sends no packet, and does not wait. Tasks that follow do not reach a host
        that sleeps.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Changed only where the host had to be woken.
  platform:
    support: full
    platforms: posix
options:
  name:
    description:
      - The name under which the wake server knows the host.
      - Without it, the name of the host in the inventory.
    type: str
  state:
    description:
      - V(held) wakes the host and holds it awake. V(released) ends what this run of C(ansible-playbook) holds of it,
        and contacts nobody where that is nothing.
    type: str
    choices: [held, released]
    default: held
  hold:
    description:
      - How many seconds the host is held awake at most. A later task with this module begins anew.
      - It may not be longer than C(inhibitors.max_lease_seconds) of the host's C(powernapd), a day by default.
      - V(0) only wakes it.
    type: int
    default: 3600
  reason:
    description:
      - Why the host is held awake, for whoever looks at C(powernap why) or C(powerwake status).
      - Without it, a sentence with the name of the play, who runs it and where.
      - A reason of your own must be one that no other run uses at the same time, since what is held is released by it.
    type: str
  timeout:
    description:
      - How many seconds the host may take to wake from when its turn has come, and how many more until its connection
        works.
    type: int
    default: 300
  queue:
    description:
      - How many seconds it may wait for its turn to be woken.
    type: int
    default: 3600
  rate:
    description:
      - Begin with at most so many hosts of the batch in a minute, beyond what the wake server itself sees to.
    type: int
  ahead:
    description:
      - Let the first host ask for all hosts of its batch in one request. Then they wake at the same time, whatever
        C(forks) is.
      - Has no effect where the task has O(name), C(when), C(loop), C(throttle) or C(run_once), since it may not be for
        all of them.
    type: bool
    default: true
  skip_asleep:
    description:
      - Leave out a host that sleeps, without waking it. The task is then skipped for it; C(meta=end_host) after it ends
        the play for it, see the examples.
      - Without this option the variable C(powernap_skip_asleep) counts, if it is set.
    type: bool
  unknown:
    description:
      - What becomes of a host that the wake server does not know. V(fail) fails; V(wait) only waits for its connection.
    type: str
    choices: [fail, wait]
    default: fail
  part:
    description:
      - What the plugin tells its part on the wake server. It is of no use in a play.
    type: dict
seealso:
  - module: powernap.powernap.powerwake
  - module: ansible.builtin.wait_for_connection
"""

EXAMPLES = r"""
- name: Configure machines, whether they sleep or not
  hosts: clients
  gather_facts: false
  tasks:
    - name: Wake the machine and hold it awake
      powernap.powernap.awake:
        server: https://wake1.example.org:20709
        token_file: ~/.config/powerwake.token
        ca_file: /etc/powernap/server-ca.pem

    - name: Gather facts, now that there is somebody to ask
      ansible.builtin.setup:

    - name: Say who looks after the machine
      ansible.builtin.copy:
        content: "{{ ansible_facts.hostname }} is looked after by Ansible.\n"
        dest: /etc/motd
        mode: "0644"

    - name: Let the machine nap again
      powernap.powernap.awake:
        state: released

- name: The same by way of the wake server's own socket
  hosts: clients
  gather_facts: false
  tasks:
    - name: Wake the machine and hold it awake for two hours at most
      powernap.powernap.awake:
        hold: 7200
      delegate_to: wake1
      become: true

- name: Work with those that are awake, and wake nobody
  hosts: clients
  gather_facts: false
  tasks:
    - name: Leave out who sleeps
      powernap.powernap.awake:
        skip_asleep: true
      delegate_to: "{{ powernap_wake_server }}" # set in the inventory, where there are several
      become: true
      register: here

    - name: End the play for them
      ansible.builtin.meta: end_host
      when: here is skipped

    - name: Look how full the disks are
      ansible.builtin.command: df -h
      changed_when: false

- name: Tasks that know nothing of PowerNap
  hosts: clients
  gather_facts: false
  vars: # better in the inventory; powerwake asks the wake server of POWERWAKE_SERVER
    ansible_ssh_common_args: -o ProxyCommand="powerwake proxy --fdpass %h %p" -o ProxyUseFdpass=yes
    ansible_timeout: 300
  tasks:
    - name: Look how long the machine has been up
      ansible.builtin.command: uptime
      changed_when: false
"""

RETURN = r"""
name:
  description: The name under which the wake server knows the host.
  type: str
  returned: always
  sample: web2
was:
  description:
    - What the host was before, V(awake), V(asleep), V(waking) or V(unreachable).
    - V(unknown) where the wake server does not know that, or does not answer.
  type: str
  returned: when O(state=held)
  sample: asleep
state:
  description: What it is now, V(awake) or as RV(was); V(released) where that was asked for.
  type: str
  returned: success
  sample: awake
seconds:
  description: How long the task took, waiting for its turn included.
  type: float
  returned: when O(state=held) and the host is awake
  sample: 1.6
magic_packets:
  description: How many magic packets were sent.
  type: int
  returned: when O(state=held) and the host is awake
  sample: 11
tries:
  description: How often its connection was tried until it worked.
  type: int
  returned: when O(state=held) and the host is awake
  sample: 1
held:
  description: Whether the host is held awake.
  type: bool
  returned: when O(state=held) and the host is awake
  sample: true
hold:
  description: For how many seconds at most.
  type: int
  returned: when RV(held) is true
  sample: 3600
reason:
  description: The reason, with which C(powerwake release --reason) can end it too.
  type: str
  returned: when RV(held) is true
  sample: play Work of root on vm, run b1a69256
not_held:
  description: Why it is not held awake.
  type: str
  returned: when it should be, and is not
  sample: is awake, without an open link
skip_reason:
  description: Why the host was left out.
  type: str
  returned: when the task is skipped for it
  sample: web2 is asleep
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._awake import SPEC, work
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import connect
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError, ServerDown


def main():
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = work(connect(module.params), module.params, module.check_mode)
    except PowernapError as error:
        module.fail_json(msg=str(error), down=isinstance(error, ServerDown))
    else:
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
