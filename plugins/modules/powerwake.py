#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powerwake
short_description: Wake machines through their wake server, or by magic packets from here
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Wakes machines and waits until they answer. What was tried when is in RV(hosts[].tries), and while it goes on in the
    system log of the machine on which the module runs (C(journalctl -f -t ansible-powernap.powernap.powerwake)).
  - With O(method=server) it asks a wake server, which knows the machines, sends magic packets by every way that it has,
    keeps to the limits of their power feed, and sees by itself that they are awake. Run it on a wake server, or
    anywhere with O(server). To wake the machine of the present play, delegate it there.
  - With O(method=packet) it sends magic packets itself, and needs no wake server. Run it on a machine of the same
    network segment.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup_powerwake
  - powernap.powernap.wake_server
attributes:
  check_mode:
    support: full
    details:
      - Says which machines would be woken and sends no packet.
      - With O(method=packet) it does not look which are awake either, since on a network with a wake server a look may
        wake; each machine then counts as one that would be woken.
  diff_mode:
    support: full
    details:
      - Shows the states of those that change, for more than one machine by name.
  idempotent:
    support: partial
    details:
      - Nothing is sent to a machine that is awake.
      - With O(method=packet) a machine whose address is not given gets magic packets each time, and with O(wait=false)
        each machine does, as nobody looks whether it is awake.
  platform:
    support: full
    platforms: linux
options:
  name:
    description:
      - The machines to wake, each by the name under which it is registered, by one of its MAC addresses, or by one of
        its IP addresses; or patterns of names such as V(web*).
      - With O(method=packet) their MAC addresses.
      - One of O(name), O(group) and O(hosts) is needed.
    type: list
    elements: str
  group:
    description:
      - All machines of this group of the wake server's; with patterns in O(name) those of it whose name fits. V("") is
        for machines in no group.
    type: str
  hosts:
    description:
      - With O(method=packet) machines and where it can be seen that they are awake.
    type: list
    elements: dict
    suboptions:
      name:
        description: How it is called in the result; its first MAC address otherwise.
        type: str
      macs:
        description: The MAC addresses to which magic packets are sent.
        type: list
        elements: str
        required: true
      addresses:
        description:
          - IP addresses at which it is asked. Without any, whether it wakes cannot be known from here.
        type: list
        elements: str
      port:
        description: As O(port).
        type: int
      password:
        description: As O(password).
        type: str
  method:
    description:
      - V(server) has the wake server do it; V(packet) sends the magic packets from here.
    type: str
    choices: [server, packet]
    default: server
  timeout:
    description:
      - How many seconds each machine may take to answer.
    type: int
    default: 120
  wait:
    description:
      - Whether to wait until the machines answer. Without, O(method=packet) sends one round of magic packets.
    type: bool
    default: true
  rate:
    description:
      - How many machines are begun with in a minute, so that they do not all start at once.
      - Without it a wake server goes by its own settings, which hold in any case, and O(method=packet) begins with all.
    type: int
  interval:
    description:
      - With O(method=packet) the seconds from one round of magic packets to the next, until the machine answers.
    type: float
    default: 3
  port:
    description:
      - With O(method=packet) the TCP port by which it is seen that a machine is awake. One that accepts a connection or
        refuses it is; a firewall that refuses in its place looks the same.
    type: int
    default: 22
  password:
    description:
      - With O(method=packet) the SecureOn password that follows the magic packet, written as a MAC or an IPv4 address.
        It goes over the network in the clear.
    type: str
  interfaces:
    description:
      - With O(method=packet) the Ethernet interfaces on which to send; without it all that are up.
    type: list
    elements: str
  broadcast:
    description:
      - With O(method=packet) broadcast addresses of networks behind routers, to which to send as well. Most routers are
        not set up to pass such packets on.
    type: list
    elements: str
  udp_port:
    description:
      - With O(method=packet) the UDP port of magic packets that go by IP. They also go as Ethernet frames of the type
        0x0842, where the user may send these (C(CAP_NET_RAW)).
    type: int
    default: 9
seealso:
  - module: powernap.powernap.powerwake_client
  - module: powernap.powernap.powerwake_info
"""

EXAMPLES = r"""
- name: Wake the file server
  hosts: wake_servers
  gather_facts: false
  tasks:
    - name: Wake the file server
      powernap.powernap.powerwake:
        name: file1

    - name: Wake a rack, twenty machines a minute
      powernap.powernap.powerwake:
        group: rack1
        rate: 20
        timeout: 300

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

- name: Wake machines from the controller
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Ask a wake server over the network
      powernap.powernap.powerwake:
        name: [file1, "web*"]
        server: https://wake1.example.org:20709
        token_file: ~/.config/powerwake.token
        ca_file: /etc/powernap/server-ca.pem

- name: Wake a machine where there is no wake server
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Send magic packets, and wait for ssh
      powernap.powernap.powerwake:
        method: packet
        hosts:
          - {name: file1, macs: ["02:4c:00:00:00:05"], addresses: [192.0.2.5]}

# ansible wake_servers -i inventory -b -m powernap.powernap.powerwake -a name=file1
"""

RETURN = r"""
hosts:
  description: What became of each machine.
  type: list
  elements: dict
  returned: always, unless the task fails before anything is tried
  contains:
    name:
      description: The name under which the machine is registered, or which was given here.
      type: str
    was:
      description:
        - The state before, such as V(awake), V(asleep), V(waking), V(unreachable) or V(unknown).
        - With O(method=packet) V(awake), V(silent) where nothing answered, or V(unknown) where nobody looked.
      type: str
    state:
      description:
        - The state after, V(awake); in check mode the state that it would have.
        - V(waking) with O(wait=false), or V(unknown) with O(method=packet), where nobody looks whether it wakes.
        - With O(method=packet) also V(unknown) where it cannot be seen from here whether it woke.
      type: str
    changed:
      description: Whether it was, or would be, woken.
      type: bool
    seconds:
      description: How long it took until it answered; V(0) where it was awake, and in check mode.
      type: float
    magic_packets:
      description: How many magic packets were sent.
      type: int
    proof:
      description: With O(method=packet) how it was seen that it is awake.
      type: str
    tries:
      description:
        - Each round of magic packets, with the seconds since the wake began, the number of packets by each way, and
          what went wrong. Of many machines a wake server has those of the last thousand.
      type: list
      elements: dict
    error:
      description: Why it was not woken. The task then fails, when all others have been dealt with.
      type: str
  sample:
    - name: web1
      was: asleep
      state: awake
      changed: true
      seconds: 0.511
      magic_packets: 3
      tries:
        - at: 0.321
          packets: 3
          ways: {ethernet: 2, udp_broadcast: 1}
          trouble: ""
name:
  description: As in RV(hosts), where one machine is meant by O(name).
  type: str
  returned: when O(name) is one machine
  sample: file1
was:
  description: As in RV(hosts), where one machine is meant by O(name).
  type: str
  returned: when O(name) is one machine
  sample: asleep
state:
  description: As in RV(hosts), where one machine is meant by O(name).
  type: str
  returned: when O(name) is one machine
  sample: awake
seconds:
  description: As in RV(hosts), where one machine is meant by O(name).
  type: float
  returned: when O(name) is one machine
  sample: 0.511
magic_packets:
  description: As in RV(hosts), where one machine is meant by O(name).
  type: int
  returned: when O(name) is one machine
  sample: 3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils._packets import Sender, Target, look, wake_all
from ansible_collections.powernap.powernap.plugins.module_utils._waking import (
    is_pattern,
    names_of,
    told,
    wake_many,
    wake_one,
)
from ansible_collections.powernap.powernap.plugins.module_utils._wake_server import SERVER_SPEC, Partly, run
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue

_SAME = ("name", "was", "state", "seconds", "magic_packets")
_OF_PACKETS = ("hosts", "password", "interfaces", "broadcast")


def work(module, server):
    params = module.params
    for option, least in (("timeout", 1), ("interval", 0.1), ("rate", 1)):
        if params[option] is not None and params[option] < least:
            raise BadValue(f"{option}: {params[option]} is too small: give at least {least}")
    results = by_packets(module) if server is None else by_server(module, server)
    return result_of(results, is_one(params))


def is_one(params):
    """Whether one machine is meant by what it is called."""
    return len(params["name"] or ()) == 1 and params["group"] is None and not is_pattern(params["name"][0])


def by_server(module, server):
    params = module.params
    for option in _OF_PACKETS:
        if params[option]:
            raise BadValue(f"{option}: only with method=packet: the wake server goes by its own registry")
    names, timeout = params["name"] or [], params["timeout"]
    if is_one(params) and params["wait"]:
        return [wake_one(server, names[0], timeout, module.check_mode, module.log)]
    meant = names_of(server, names, params["group"])
    if not meant:
        return []
    return wake_many(server, meant, timeout, module.check_mode, module.log, params["rate"], params["wait"])


def by_packets(module):
    params = module.params
    if params["group"] is not None:
        raise BadValue("group: only a wake server knows groups: give hosts, or method=server")
    targets = [Target("", [mac], port=params["port"], password=params["password"]) for mac in params["name"] or ()]
    for host in params["hosts"] or ():
        port, password = host["port"] or params["port"], host["password"] or params["password"]
        targets.append(Target(host["name"], host["macs"], host["addresses"], port, password))
    if len({target.name for target in targets}) < len(targets):
        raise BadValue("hosts: a machine is given twice: give each once")
    send = Sender(params["interfaces"], params["broadcast"], params["udp_port"])
    if module.check_mode:
        return [told(target.name, "unknown", "awake" if target.addresses else "unknown", True) for target in targets]
    timing = {"timeout": params["timeout"], "interval": params["interval"], "per_minute": params["rate"]}
    return wake_all(targets, send, look, wait=params["wait"], log=module.log, **timing)


def result_of(results, one):
    """Raises Partly where machines were not woken."""
    changed = [each for each in results if each["changed"]]
    if one:
        each = results[0]
        diff = {when: {"state": each[key]} for when, key in (("before", "was"), ("after", "state"))}
        result = dict({key: each[key] for key in _SAME}, diff=diff)
    else:
        diff = {
            when: {each["name"]: {"state": each[key]} for each in changed}
            for when, key in (("before", "was"), ("after", "state"))
        }
        result = {"diff": diff}
    result.update(changed=bool(changed), hosts=results)
    failed = [each for each in results if "error" in each]
    if failed:
        raise Partly(_sentence(failed, results), result)
    return result


def _sentence(failed, results):
    first = failed[0]
    said = first["error"] if first["name"] in first["error"] else f"{first['name']}: {first['error']}"
    if len(results) == 1:
        return said
    return f"{len(failed)} of {len(results)} machines were not woken; {said}"


def main():
    host = {
        "name": {"type": "str"},
        "macs": {"type": "list", "elements": "str", "required": True},
        "addresses": {"type": "list", "elements": "str"},
        "port": {"type": "int"},
        "password": {"type": "str", "no_log": True},
    }
    spec = dict(
        SERVER_SPEC,
        name={"type": "list", "elements": "str"},
        group={"type": "str"},
        hosts={"type": "list", "elements": "dict", "options": host},
        method={"type": "str", "choices": ["server", "packet"], "default": "server"},
        timeout={"type": "int", "default": 120},
        wait={"type": "bool", "default": True},
        rate={"type": "int"},
        interval={"type": "float", "default": 3},
        port={"type": "int", "default": 22},
        password={"type": "str", "no_log": True},
        interfaces={"type": "list", "elements": "str"},
        broadcast={"type": "list", "elements": "str"},
        udp_port={"type": "int", "default": 9},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, required_one_of=[("name", "group", "hosts")])
    run(module, work, reach=module.params["method"] == "server")


if __name__ == "__main__":
    main()
