# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interfaces are registered, and which cards are armed."""

from __future__ import annotations

import pytest

from powernap.machine.nics import NoInterface, choose


def link(name, mac="02:00:00:00:00:01", addresses=(("198.18.0.3", 16),), up=True, kind="", **more):
    return {
        "ifname": name,
        "link_type": "ether",
        "address": mac,
        "flags": ["UP", "LOWER_UP"] if up else ["UP"],
        "addr_info": [{"local": ip, "prefixlen": length, "scope": "global"} for ip, length in addresses],
        **({"linkinfo": {"info_kind": kind}} if kind else {}),
        **more,
    }


LO = {
    "ifname": "lo",
    "link_type": "loopback",
    "address": "00:00:00:00:00:00",
    "flags": ["UP", "LOWER_UP"],
    "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}],
}


def chosen(links, wanted=(), cards=("eth0", "eth1"), towards=""):
    return choose(links, tuple(wanted), lambda name: name in cards, lambda: towards)


def test_a_card_that_is_up_is_taken_with_its_addresses():
    (found,) = chosen([LO, link("eth0", addresses=(("198.18.0.3", 16), ("fe80::1", 64)))])
    assert found.name == "eth0"
    assert found.addresses == ("198.18.0.3/16", "fe80::1/64")
    assert found.cards == (("eth0", "02:00:00:00:00:01"),)


def test_bridges_of_containers_and_cards_without_cable_or_address_are_not():
    links = [LO, link("eth0", up=False), link("eth1", addresses=()), link("docker0", kind="bridge")]
    with pytest.raises(NoInterface, match="plug a cable in"):
        chosen(links)


def test_a_radio_alone_keeps_it_awake():
    with pytest.raises(NoInterface, match="no wired Ethernet"):
        chosen([LO, link("wlan0")], cards=())


def test_without_a_real_card_the_way_to_the_wake_server_is_taken():
    (found,) = chosen([LO, link("veth7"), link("veth8")], cards=(), towards="veth7")
    assert found.name == "veth7"


def test_the_loopback_is_never_the_way():
    with pytest.raises(NoInterface):
        chosen([LO], cards=(), towards="lo")


def test_every_member_of_a_bond_is_armed_by_its_own_address():
    member = {"info_slave_kind": "bond", "info_slave_data": {"perm_hwaddr": "02:00:00:00:00:0b"}}
    links = [
        link("bond0", kind="bond"),
        link("eth0", addresses=(), master="bond0", linkinfo={"info_slave_kind": "bond"}, permaddr="02:00:00:00:00:0a"),
        link("eth1", addresses=(), master="bond0", linkinfo=member),
    ]
    (found,) = chosen(links)
    assert found.name == "bond0"
    assert found.cards == (("eth0", "02:00:00:00:00:0a"), ("eth1", "02:00:00:00:00:0b"))


def test_under_a_vlan_on_a_bond_the_members_are_found():
    links = [
        link("bond0.7", kind="vlan", link="bond0"),
        link("bond0", kind="bond", addresses=()),
        link("eth0", addresses=(), master="bond0"),
    ]
    (found,) = chosen(links)
    assert (found.name, [card for card, _mac in found.cards]) == ("bond0.7", ["eth0"])


def test_a_bridge_over_a_card_counts():
    links = [link("br0", kind="bridge"), link("eth0", addresses=(), master="br0"), link("vnet0", master="br0")]
    (found,) = chosen(links)
    assert found.name == "br0"


def test_the_configured_interface_is_taken_whatever_it_is():
    (found,) = chosen([LO, link("eth0"), link("veth7", up=False)], wanted=["veth7"])
    assert found.name == "veth7"


def test_a_configured_interface_that_is_not_there_is_told():
    with pytest.raises(NoInterface, match=r"there is no interface eth9: it is one of eth0, lo"):
        chosen([LO, link("eth0")], wanted=["eth9"])


def test_a_configured_interface_that_is_no_ethernet_is_told():
    with pytest.raises(NoInterface, match="lo is no Ethernet"):
        chosen([LO], wanted=["lo"])


def test_tentative_addresses_are_left_out():
    tentative = {"local": "fd4c::3", "prefixlen": 64, "scope": "global", "tentative": True}
    (found,) = chosen([{**link("eth0"), "addr_info": [tentative]}, link("eth1")], cards=("eth1",))
    assert found.name == "eth1"
