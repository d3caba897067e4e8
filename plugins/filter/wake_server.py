# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wake_server
short_description: Choose the wake server of a machine by its networks
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Returns that of the given wake servers that is in a network of the machine, since a wake server stands in for the
    machines of its own Ethernet segments only. An only one is returned in any case.
  - A wake server's networks are its variable C(powerwaked_subnets), else those of its interfaces where the facts
    M(powernap.powernap.powernap_facts) of it are known, else the machine's networks must hold its C(powerwaked_address)
    or C(ansible_host).
  - Where several fit, the one with the smallest IPv4 network in common is returned; where these are alike, or there are
    none, the one with the smallest IPv6 network in common, and of those the first.
options:
  _input:
    description: The wake servers, by their names in the inventory.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of each by its name, which is what Ansible calls C(hostvars).
    type: dict
    required: true
  interfaces:
    description: The interfaces of the machine, as M(powernap.powernap.powernap_facts) returns them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Name the wake server of each machine
  ansible.builtin.debug:
    msg: "{{ groups['wake_servers'] | powernap.powernap.wake_server(hostvars, ansible_facts.powernap.interfaces) }}"
"""

RETURN = r"""
_value:
  description: The name of the wake server, an empty text if none fits.
  type: str
  sample: wake1
"""

import ipaddress
from collections.abc import Mapping

from ansible.errors import AnsibleFilterError

NONE = (-1, -1)


def wake_server(servers, hostvars, interfaces):
    servers = list(servers)
    if len(servers) < 2:
        return servers[0] if servers else ""
    mine = list(networks_of(interfaces))
    best, best_lengths = "", NONE
    for server in servers:
        lengths = longest(in_common(variables_of(hostvars, server), server, mine))
        if lengths > best_lengths:
            best, best_lengths = server, lengths
    return best


def variables_of(hostvars, server):
    if server not in hostvars:  # hostvars.get() would return something undefined
        return {}
    return hostvars[server]


def networks_of(interfaces):
    """Yield the networks of interfaces that are up."""
    for interface in interfaces or ():
        for address in interface.get("addresses", ()) if interface.get("up", True) else ():
            yield ipaddress.ip_interface(str(address)).network


def in_common(variables, server, mine):
    """Return the networks in which both are."""
    subnets = variables.get("powerwaked_subnets")
    if subnets is not None:
        theirs = [network(subnet, server) for subnet in ([subnets] if isinstance(subnets, str) else subnets)]
        return [each for each in theirs for other in mine if overlap(each, other)]
    facts = variables.get("ansible_facts")
    facts = facts.get("powernap") if isinstance(facts, Mapping) else None
    if isinstance(facts, Mapping) and facts.get("interfaces"):
        theirs = set(networks_of(facts["interfaces"]))
        return [each for each in mine if each in theirs]
    address = address_of(variables)
    return [each for each in mine if address is not None and address in each]


def longest(networks):
    """Return the lengths of the longest prefixes, first IPv4's: one of IPv6 says nothing beside one of IPv4."""
    lengths = {4: -1, 6: -1}
    for each in networks:
        lengths[each.version] = max(lengths[each.version], each.prefixlen)
    return lengths[4], lengths[6]


def overlap(one, other):
    return one.version == other.version and one.overlaps(other)


def network(text, server):
    try:
        return ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        raise AnsibleFilterError(
            f"powerwaked_subnets of {server}: {text!r} is no network: write it as 192.0.2.0/24 or 2001:db8::/64"
        ) from None


def address_of(variables):
    """Return the address by which it is reached, None where that is a name."""
    for name in ("powerwaked_address", "ansible_host"):
        try:
            return ipaddress.ip_address(str(variables.get(name)))
        except ValueError:
            continue
    return None


class FilterModule:
    def filters(self):
        return {"wake_server": wake_server}
