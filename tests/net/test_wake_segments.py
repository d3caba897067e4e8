# SPDX-License-Identifier: GPL-3.0-or-later
"""Several segments, which come and go: each host is stood in for where it sleeps, and nowhere else."""

from __future__ import annotations

import time

import pytest
from tests.net.crowd import syn
from tests.net.lan import Lan, Node, addresses, on_each_path, run, wait_for

FAMILIES = ("ipv4", "ipv6")


class Two:
    """A wake server with a card in each of two segments, and in each a client and a sleeper."""

    def __init__(self, lan: Lan) -> None:
        self.lan, self.server = lan, lan.server
        lan.add_segment()
        self.server.add_card("eth1", 1)
        wait_for(lambda: self.cards() == {"eth0", "eth1"})
        self.clients = [Node(lan, f"desk{number}", 9, number) for number in (0, 1)]
        lan.nodes += self.clients
        self.sleepers = [lan.sleeper(f"web{number}", 3, segment=number) for number in (0, 1)]
        for sleeper in self.sleepers:
            sleeper.serve(80)

    def cards(self) -> set[str]:
        return {card["name"] for card in self.server.admin.get("/api/v1/status")["interfaces"]}

    def card_mac(self, segment: int) -> str:
        return f"02:4c:00:00:{segment:02x}:01"


@pytest.fixture
def two(lan: Lan) -> Two:
    return Two(lan)


@on_each_path
def test_each_host_is_stood_in_for_on_its_own_segment(two: Two) -> None:
    for sleeper in two.sleepers:
        sleeper.nap()
    for number, client in enumerate(two.clients):
        here, elsewhere = two.sleepers[number], two.sleepers[1 - number]
        for family in FAMILIES:
            assert client.owners(getattr(here, family)) == {two.card_mac(number)}
            assert client.owners(getattr(elsewhere, family)) == set()
    two.clients[1].connect(two.sleepers[1].ipv6, 80)
    assert two.sleepers[1].magic_at and not two.sleepers[0].magic_at
    two.clients[0].connect(two.sleepers[0].ipv4, 80)
    assert two.sleepers[0].magic_at


def test_hosts_on_two_segments_may_have_the_same_link_local_address(two: Two) -> None:
    for sleeper in two.sleepers:
        run("ip", "-n", sleeper.namespace, "addr", "add", "fe80::5/64", "dev", "eth0", "nodad")
        registration = sleeper.registration()
        registration["interfaces"][0]["addresses"].append("fe80::5/64")
        assert sleeper.say("asleep", registration)[0] == 200
        sleeper.sleep()
        two.lan.wait_for_state(sleeper.name, "proxied")
    first, second = two.sleepers
    two.clients[1].connect("fe80::5%eth0", 80)
    assert second.magic_at and not first.magic_at
    two.clients[0].connect("fe80::5%eth0", 80)
    assert first.magic_at


@on_each_path
def test_a_segment_that_goes_away_and_comes_back_has_its_sleepers_again(two: Two) -> None:
    first, second = two.sleepers
    for sleeper in two.sleepers:
        sleeper.nap()
    two.server.run("ip", "link", "del", "eth1")
    wait_for(lambda: two.cards() == {"eth0"})
    assert two.lan.state(second.name) == "proxied"
    assert two.clients[1].owners(second.ipv4) == set()
    two.clients[0].connect(first.ipv4, 80)  # the others are served meanwhile
    assert first.magic_at
    two.server.add_card("eth1", 1)
    wait_for(lambda: two.cards() == {"eth0", "eth1"})
    for family in FAMILIES:
        wait_for(lambda family=family: two.clients[1].owners(getattr(second, family)) == {two.card_mac(1)})
    assert not second.magic_at
    two.clients[1].connect(second.ipv6, 80)
    assert second.magic_at


@on_each_path
def test_tagged_frames_concern_no_sleeper_of_the_untagged_segment(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    knock = syn(lan.server.mac, desk.mac, desk.ipv4, web1.ipv4, 40000)
    with desk.raw() as wire:
        for tag in (b"\x81\x00\x00\x07", b"\x88\xa8\x00\x07", b"\x81\x00\x00\x07\x81\x00\x00\x08"):
            wire.send(knock[:12] + tag + knock[12:])
        if lan.server.path == "classic":  # eBPF knows them by their VLAN, and drops them in the kernel
            dropped = wait_for(lambda: lan.server.admin.get("/api/v1/status")["interfaces"][0]["dropped"])
            assert set(dropped) == {"vlan"}
        time.sleep(0.2)
        assert lan.state("web1") == "proxied" and not web1.magic_at
        wire.send(knock[:12] + b"\x81\x00\xe0\x00" + knock[12:])  # VLAN id 0: a priority, and no VLAN
        wait_for(lambda: web1.magic_at)


@pytest.fixture(params=["VLAN 7 of eth0", "a card of its own"])
def second_card(two: Two, request: pytest.FixtureRequest) -> str:
    """One more network, that of segment 2, on a card with the MAC of eth0, as VLAN interfaces have."""
    nodes = (two.server, two.clients[0], two.sleepers[0])
    two.lan.add_segment()
    for node in nodes:
        if request.param == "a card of its own":
            node.add_card("eth0.7", 2, node.mac)
            continue
        batch = f"""link add link eth0 name eth0.7 type vlan id 7
            addr add {addresses(node.number, 2)[0]}/16 dev eth0.7
            link set eth0.7 up"""
        if run("ip", "-n", node.namespace, "-batch", "-", input=batch, check=False).returncode:
            pytest.skip("this kernel has no VLAN interfaces")
    wait_for(lambda: "eth0.7" in two.cards())
    return "eth0.7"


def test_a_host_is_stood_in_for_on_two_networks_of_one_mac(two: Two, second_card: str) -> None:
    desk, web = two.clients[0], two.sleepers[0]
    address = addresses(web.number, 2)[0]
    for target in (address, web.ipv4):
        registration = web.registration()
        registration["interfaces"].append({"name": second_card, "mac": web.mac, "addresses": [f"{address}/16"]})
        status, content = web.say("asleep", registration)
        assert status == 200, content
        web.sleep()
        two.lan.wait_for_state(web.name, "proxied")
        connection, connected = desk.connect(target, 80)
        connection.close()
        assert web.magic_at and connected - web.ready_at < 1
        web.settle()
        two.lan.wait_for_state(web.name, "awake")
        for each in (address, web.ipv4):
            desk.knows(each)
            assert desk.run("ip", "neigh", "show", each).stdout.split()[4] == web.mac
