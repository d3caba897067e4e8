# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose an address is: gateways with old entries, detection of duplicates, and hosts that swap their addresses."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.net.lan import Lan, Node, Sleeper, on_each_path, run, wait_for

ANNOUNCED_FOR = 7.5  # seconds; the last announcement of a capture leaves after 7


def detects_a_duplicate(node: Node, address: str) -> bool:
    """RFC 5227's probes, by iputils: it exits with 1 where somebody has the address."""
    return node.run("arping", "-q", "-D", "-I", "eth0", "-c2", "-w2", address, check=False).returncode == 1


def takes(node: Node, old: str, new: str) -> None:
    """Give up an address for another, as an administrator does who is sure of it."""
    run("ip", "-n", node.namespace, "addr", "del", f"{old}/16", "dev", "eth0")
    run("ip", "-n", node.namespace, "addr", "add", f"{new}/16", "dev", "eth0")
    node.run("arping", "-q", "-U", "-I", "eth0", "-c1", "-w1", new, check=False)


def verify_soon(node: Node) -> None:
    """Its kernel asks about an entry that it used after 1 s instead of 5, thrice in 0.6 s instead of 3 s."""
    for family in ("ipv4", "ipv6"):
        script = f"cd /proc/sys/net/{family}/neigh/eth0; echo 1 > delay_first_probe_time; echo 200 > retrans_time_ms"
        node.run("sh", "-c", script)


def remember(node: Node, address: str, mac: str, state: str) -> None:
    node.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", "eth0", "nud", state)


def belief(node: Node, address: str) -> str:
    """The MAC and the state of a neighbour entry."""
    return f"{node.neighbour(address)} {node.run('ip', 'neigh', 'show', address).stdout.split()[-1]}"


@on_each_path
def test_a_gateways_old_entry_is_replaced_when_the_host_sleeps(lan: Lan) -> None:
    away, router = lan.routed_client(), lan.router
    assert router is not None
    web1 = lan.sleeper()
    web1.serve(80)
    for address in (web1.ipv4, web1.ipv6):
        remember(router, address, web1.mac, "stale")
    web1.nap()
    for address in (web1.ipv4, web1.ipv6):
        wait_for(lambda address=address: router.neighbour(address) == lan.server.mac)
    _, connected = away.connect(web1.ipv4, 80)
    assert web1.magic_at and connected - web1.ready_at < 1


@on_each_path
def test_a_gateway_that_missed_every_announcement_finds_the_server_in_the_end(lan: Lan) -> None:
    """It still sends to the sleeper's card, and asks that card alone. Where the switch floods, the server answers for
    it; else the gateway's kernel gives the card up, and asks everybody.
    """
    away, router = lan.routed_client(), lan.router
    assert router is not None
    verify_soon(router)
    ways = [(family, floods) for family in ("ipv4", "ipv6") for floods in (False, True)]
    sleepers = [lan.sleeper(f"host{number}", 20 + number) for number in range(len(ways))]
    for sleeper, (family, floods) in zip(sleepers, ways, strict=True):
        sleeper.serve(80)
        remember(router, getattr(sleeper, family), sleeper.mac, "permanent")
        sleeper.nap()
        if floods:  # as after the sleeper's link went down for a moment
            run("ip", "-n", lan.switch, "link", "set", sleeper.name, "type", "bridge_slave", "fdb_flush")
    time.sleep(ANNOUNCED_FOR)

    def reach(sleeper: Sleeper, family: str, floods: bool) -> None:
        address = getattr(sleeper, family)
        assert router.neighbour(address) == sleeper.mac
        remember(router, address, sleeper.mac, "stale")
        before = time.monotonic()
        connected = away.connect(address, 80, 20)[1]
        print(f"{family}, {'flooded' if floods else 'to the port'}: connected after {connected - before:.1f} s")
        assert sleeper.magic_at

    with ThreadPoolExecutor(len(ways)) as pool:
        for started in [pool.submit(reach, sleeper, *way) for sleeper, way in zip(sleepers, ways, strict=True)]:
            started.result()


@on_each_path
def test_a_gateways_own_check_of_its_entry_is_answered_and_wakes_nobody(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    verify_soon(desk)
    web1.nap()
    for address in (web1.ipv4, web1.ipv6):
        remember(desk, address, lan.server.mac, "delay")  # it used the entry, and asks the card it knows
    for address in (web1.ipv4, web1.ipv6):
        wait_for(lambda address=address: belief(desk, address) == f"{lan.server.mac} REACHABLE")
    assert not web1.magic_at and lan.state("web1") == "proxied"


def test_while_a_host_sleeps_its_address_counts_as_taken(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    assert detects_a_duplicate(desk, web1.ipv4)
    assert not detects_a_duplicate(desk, "198.18.0.77")
    assert desk.owners(web1.ipv4) == desk.owners(web1.ipv6) == {lan.server.mac}
    assert lan.state("web1") == "proxied" and not web1.magic_at


@on_each_path
def test_a_waking_host_finds_no_duplicate_of_itself(lan: Lan) -> None:
    """Its detection runs, as after a boot, before it has said anything, while the server still stands in."""
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    web1.says_hello = False
    web1.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
    for address in (f"{web1.ipv4}/16", f"{web1.ipv6}/64"):
        run("ip", "-n", web1.namespace, "addr", "del", address, "dev", "eth0")
    web1.wake()
    run("ip", "-n", web1.namespace, "addr", "add", f"{web1.ipv6}/64", "dev", "eth0")
    assert not detects_a_duplicate(web1, web1.ipv4)
    run("ip", "-n", web1.namespace, "addr", "add", f"{web1.ipv4}/16", "dev", "eth0")

    def ipv6_state() -> str:
        return run("ip", "-n", web1.namespace, "-6", "addr", "show", "dev", "eth0").stdout

    wait_for(lambda: "tentative" not in ipv6_state())
    assert "dadfailed" not in ipv6_state()
    web1.say("awake", {"cause": "boot", "slept_seconds": 1.0})
    lan.wait_for_state("web1", "awake", 8)
    assert desk.owners(web1.ipv4) == desk.owners(web1.ipv6) == {web1.mac}


@on_each_path
def test_hosts_that_swapped_their_addresses_sleep_and_wake_with_the_new_ones(lan: Lan) -> None:
    desk = lan.client()
    web1, web2 = lan.sleeper("web1", 3), lan.sleeper("web2", 4)
    for each in (web1, web2):
        each.serve(80)
        desk.knows(each.ipv4)
    web1.nap()
    web1.wake()
    lan.wait_for_state("web1", "awake")
    for each, other in ((web1, web2), (web2, web1)):
        run("ip", "-n", each.namespace, "addr", "del", f"{each.ipv4}/16", "dev", "eth0")
        run("ip", "-n", each.namespace, "addr", "add", f"{other.ipv4}/16", "dev", "eth0")
    web1.ipv4, web2.ipv4 = web2.ipv4, web1.ipv4
    web1.nap()  # web2 does not sleep: its new address is web1's in what the administrator gave
    assert desk.owners(web1.ipv4) == {lan.server.mac}
    assert desk.owners(web2.ipv4) == {web2.mac}
    web2.nap()
    assert desk.owners(web1.ipv4) == desk.owners(web2.ipv4) == {lan.server.mac}
    desk.connect(web1.ipv4, 80)
    assert web1.magic_at and not web2.magic_at
    lan.wait_for_state("web1", "awake")
    assert desk.owners(web1.ipv4) == {web1.mac}
    assert desk.owners(web2.ipv4) == {lan.server.mac}
    desk.connect(web2.ipv4, 80)
    lan.wait_for_state("web2", "awake")
    assert desk.owners(web2.ipv4) == {web2.mac}
    for each in (web1, web2):
        assert desk.neighbour(each.ipv4) == each.mac


@on_each_path
def test_a_host_that_takes_a_sleepers_address_in_a_swap_wakes_it(lan: Lan) -> None:
    desk = lan.client()
    web1, web2 = lan.sleeper("web1", 3), lan.sleeper("web2", 4)
    first, second = web1.ipv4, web2.ipv4
    desk.knows(second)
    web1.nap()
    takes(web2, second, first)
    wait_for(lambda: web1.magic_at)
    web1.settle()
    takes(web1, first, second)
    lan.wait_for_state("web1", "awake", 8)
    for address, owner in ((first, web2), (second, web1)):
        assert desk.owners(address) == {owner.mac}
        desk.knows(address)
        assert desk.neighbour(address) == owner.mac
