# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which wake server is a machine's."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.powernap.powernap.plugins.filter.wake_server import FilterModule

wake_server = FilterModule().filters()["wake_server"]
MINE = [
    {"name": "eno1", "up": True, "addresses": ["192.0.2.7/24", "2001:db8::7/64"]},
    {"name": "eno2", "up": False, "addresses": ["198.51.100.7/24"]},
]


def servers(**variables):
    return list(variables), variables


def test_an_only_one_is_taken_wherever_it_is():
    assert wake_server(["wake1"], {}, []) == "wake1"
    assert wake_server([], {}, MINE) == ""


def test_the_one_whose_subnets_hold_the_machine():
    names, variables = servers(a={"powerwaked_subnets": ["203.0.113.0/24"]}, b={"powerwaked_subnets": "192.0.2.0/24"})
    assert wake_server(names, variables, MINE) == "b"


def test_subnets_of_ipv6_count_as_well():
    names, variables = servers(a={"powerwaked_subnets": []}, b={"powerwaked_subnets": ["2001:db8::/32"]})
    assert wake_server(names, variables, MINE) == "b"


def test_the_one_that_has_an_address_in_a_network_of_the_machine():
    facts = {"powernap": {"interfaces": [{"name": "eth0", "up": True, "addresses": ["192.0.2.1/24"]}]}}
    names, variables = servers(a={"ansible_host": "203.0.113.1"}, b={"ansible_facts": facts})
    assert wake_server(names, variables, MINE) == "b"


def test_without_facts_the_address_by_which_it_is_reached_counts():
    names, variables = servers(a={"ansible_host": "wake.example.org"}, b={"powerwaked_address": "2001:db8::1"})
    assert wake_server(names, variables, MINE) == "b"
    names, variables = servers(a={}, b={"powerwaked_address": "wake.example.org", "ansible_host": "192.0.2.1"})
    assert wake_server(names, variables, MINE) == "b"


def test_facts_of_others_under_the_same_name_do_not_disturb():
    for facts in ("text", {"powernap": "text"}, {"powernap": {}}, {}):
        names, variables = servers(
            a={"ansible_host": "203.0.113.1"}, b={"ansible_facts": facts, "ansible_host": "192.0.2.1"}
        )
        assert wake_server(names, variables, MINE) == "b"


def test_what_the_inventory_says_stands_over_addresses():
    names, variables = servers(
        a={"powerwaked_subnets": ["192.0.2.0/24"], "ansible_host": "203.0.113.1"},
        b={"powerwaked_subnets": ["203.0.113.0/24"], "ansible_host": "192.0.2.1"},
    )
    assert wake_server(names, variables, MINE) == "a"


def test_of_several_the_one_with_the_smallest_network_then_the_first():
    names, variables = servers(
        a={"powerwaked_subnets": ["192.0.0.0/16"]},
        b={"powerwaked_subnets": ["192.0.2.0/24"]},
        c={"ansible_host": "192.0.2.1"},
    )
    assert wake_server(names, variables, MINE) == "b"


def test_a_network_of_ipv6_is_not_smaller_for_its_longer_prefix():
    names, variables = servers(
        a={"powerwaked_subnets": ["2001:db8::/64"]},
        b={"powerwaked_subnets": ["192.0.2.0/24"]},
        c={"powerwaked_subnets": ["192.0.0.0/16", "2001:db8::/64"]},
    )
    assert wake_server(names, variables, MINE) == "b"
    assert wake_server(["a", "c"], variables, MINE) == "c"


def test_where_networks_of_ipv4_are_alike_those_of_ipv6_tell():
    names, variables = servers(
        a={"powerwaked_subnets": ["192.0.2.0/24"]},
        b={"powerwaked_subnets": ["192.0.2.0/24", "2001:db8::/48"]},
        c={"powerwaked_subnets": ["192.0.2.0/24", "2001:db8::/64"]},
    )
    assert wake_server(names, variables, MINE) == "c"
    assert wake_server(["b", "a"], variables, MINE) == "b"


def test_an_interface_that_is_down_does_not_count():
    names, variables = servers(a={"ansible_host": "198.51.100.1"}, b={})
    assert wake_server(names, variables, MINE) == ""


def test_none_fits_where_nothing_is_known():
    names, variables = servers(a={}, b={})
    assert wake_server(names, variables, MINE) == ""
    assert wake_server(names, {}, None) == ""


def test_a_subnet_that_is_none_is_refused_with_the_name_of_the_wake_server():
    names, variables = servers(a={"powerwaked_subnets": ["192.0.2"]}, b={})
    with pytest.raises(AnsibleFilterError, match=r"powerwaked_subnets of a: '192\.0\.2' is no network"):
        wake_server(names, variables, MINE)
