# SPDX-License-Identifier: GPL-3.0-or-later
"""What is no demand wakes nobody; what would harm an address is fended off."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest
from tests.net.crowd import Crowd
from tests.net.lan import Lan, on_each_path, wait_for

from powernap.net import arp, ethernet
from powernap.shared.mac import mac_bytes

scapy = pytest.importorskip("scapy.all")
chatter = pytest.importorskip("tests.net.chatter")


def test_scans_and_chatter_wake_nobody(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap(tcp="80,8000-8099", udp="161")
    raw = desk.raw()
    mine, source = mac_bytes(desk.mac), socket.inet_aton(desk.ipv4)
    for host in range(1, 255):
        raw.send(arp.request(mine, source, bytes([198, 18, 0, host])))
    ether = scapy.Ether(src=desk.mac, dst=lan.server.mac)
    four, six = scapy.IP(src=desk.ipv4, dst=web1.ipv4), scapy.IPv6(src=desk.ipv6, dst=web1.ipv6)
    ports = (*range(1, 80), 81, 443, 7999, 8100, 65535)
    frames = [ether / four / scapy.TCP(sport=40000, dport=port) for port in ports]
    frames += [ether / six / scapy.TCP(sport=40000, dport=port) for port in (22, 81, 443, 7999, 8100)]
    frames += [ether / four / scapy.ICMP(), ether / six / scapy.ICMPv6EchoRequest()]
    frames += [ether / four / scapy.TCP(sport=40000, dport=80, flags=flags) / b"x" for flags in ("A", "PA", "R", "FA")]
    frames += [ether / four / scapy.UDP(sport=40000, dport=161) / b"\xff", ether / four / scapy.UDP(dport=53) / b"xy"]
    broadcast = scapy.Ether(src=desk.mac, dst="ff:ff:ff:ff:ff:ff")
    frames.append(broadcast / scapy.IP(src=desk.ipv4, dst="255.255.255.255") / scapy.UDP(dport=161) / b"who is there")
    frames.append(broadcast / four / scapy.TCP(dport=80))
    for frame in frames:
        raw.send(bytes(frame))
    for address in (web1.ipv4, web1.ipv6):
        ping = desk.run("ping", "-c2", "-i0.2", "-W0.5", "-n", address, check=False)
        assert ping.returncode == 1, "the wake server's own kernel must not answer for a sleeper"
    addresses = lan.server.run("ip", "addr").stdout
    assert web1.ipv4 not in addresses and web1.ipv6 not in addresses
    assert lan.state("web1") == "proxied"
    assert not web1.magic_at
    # The same segment still wakes it for a real knock.
    raw.send(bytes(ether / four / scapy.TCP(sport=40000, dport=8042)))
    wait_for(lambda: web1.magic_at)


@on_each_path
def test_a_trace_of_chatter_wakes_nobody_and_little_of_it_reaches_the_daemon(lan: Lan) -> None:
    trace = lan.server.directory / "chatter.pcap"
    chatter.write(trace, chatter.trace())
    desk = lan.client()
    sleepers = [lan.sleeper(f"host{number}", number) for number in (3, 4, 5)]
    assert [(each.mac, each.ipv4, each.ipv6) for each in sleepers] == list(chatter.SLEEPERS)
    for sleeper in sleepers:
        sleeper.nap(tcp="22,80,8000-8099", udp="4500,5000")

    def seen() -> int:
        return int(lan.server.admin.get("/api/v1/status")["interfaces"][0]["frames"])

    before = seen()
    with desk.raw() as wire, desk.raw() as ears:
        ears.setblocking(False)
        answered = 0
        for number, frame in enumerate(chatter.read(trace)):
            wire.send(frame)
            if number % 20 == 19:
                time.sleep(0.002)
                answered += answers(ears, mac_bytes(chatter.SCANNER.mac))
        time.sleep(0.5)
        answered += answers(ears, mac_bytes(chatter.SCANNER.mac))
    status = lan.server.admin.get("/api/v1/status")["interfaces"][0]
    sent, reached = number + 1, seen() - before
    print(f"{sent} frames on the wire, {reached} reached the daemon; dropped there: {status['dropped']}")
    assert {lan.state(sleeper.name) for sleeper in sleepers} == {"proxied"}
    assert not any(sleeper.magic_at for sleeper in sleepers)
    assert not [each for sleeper in sleepers for each in lan.events(sleeper.name, "demand")]
    assert answered == 3 * (1 + len(sleepers)), "each of three sweeps is told where the server and the sleepers are"
    assert reached < 0.8 * sent


@on_each_path
def test_a_scan_of_open_ports_does_not_wake_them_all(bare_lan: Lan) -> None:
    lan = bare_lan
    lan.server.settings["wakes_per_minute"] = "0"  # it is the source that is limited
    lan.server.start()
    desk, crowd = lan.client(), Crowd(lan, 200)
    with desk.raw() as wire:
        for member in crowd.members:
            wire.send(crowd.syn(member, (desk.mac, desk.ipv4), 40000))
            time.sleep(0.002)
    wait_for(lambda: crowd.woken)
    time.sleep(1)
    print(f"{len(crowd.woken)} of {len(crowd.members)} woken by one source")
    assert 30 <= len(crowd.woken) <= 35, "wakes_per_source is 30 a minute, and a second or two have passed"
    before = set(crowd.woken)
    asleep = next(member for member in reversed(crowd.members) if member.mac not in before)
    with desk.raw() as wire:  # another machine still wakes any of them
        wire.send(crowd.syn(asleep, ("02:4c:00:00:00:63", "198.18.0.99"), 40000))
    wait_for(lambda: crowd.woken == before | {asleep.mac})


def answers(ears: socket.socket, to: bytes) -> int:
    """How many ARP replies to that card wait."""
    found = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            frame = ears.recv(2000)
            found += frame[:6] == to and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2"
    return found


def test_the_trace_is_the_same_each_time(tmp_path: Path) -> None:
    chatter.write(tmp_path / "one", chatter.trace())
    assert list(chatter.read(tmp_path / "one")) == chatter.trace() != chatter.trace(1)


def test_strange_frames_are_counted_and_harm_nothing(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    raw = desk.raw()
    here, there = socket.inet_aton(desk.ipv4), socket.inet_aton(web1.ipv4)
    question = arp.request(mac_bytes(desk.mac), here, there)
    raw.send(question[:30])
    raw.send(question[:12] + b"\x81\x00\x00\x07" + question[12:])
    forged = arp.Arp(mac_bytes(desk.mac), ethernet.BROADCAST, 1, b"\xff" * 6, here, bytes(6), there)
    raw.send(forged.to_bytes())

    def dropped() -> dict[str, int]:
        return dict(lan.server.admin.get("/api/v1/status")["interfaces"][0]["dropped"])

    wait_for(lambda: dropped().get("bad arp", 0) >= 1 and dropped().get("vlan", 0) >= 1)
    assert lan.state("web1") == "proxied"


@on_each_path
def test_a_sleepers_ipv4_address_is_defended(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    # RFC 5227 section 2.1: a probe has no sender address, and any ARP frame from the wanted one means that it is taken.
    probe = scapy.ARP(op="who-has", hwsrc=desk.mac, psrc="0.0.0.0", pdst=web1.ipv4)
    with desk.raw() as wire:
        wire.send(bytes(scapy.Ether(src=desk.mac, dst="ff:ff:ff:ff:ff:ff") / probe))
        claims = (scapy.Ether(wire.recv(2048)) for _ in range(100))
        owner = next(
            frame[scapy.ARP].hwsrc for frame in claims if scapy.ARP in frame and frame[scapy.ARP].psrc == web1.ipv4
        )
    assert owner == lan.server.mac
    assert lan.state("web1") == "proxied"


@on_each_path
def test_a_sleepers_ipv6_address_is_defended_on_a_real_kernel(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    desk.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
    desk.run("ip", "addr", "add", f"{web1.ipv6}/64", "dev", "eth0")

    def flags() -> str:
        return desk.run("ip", "-6", "addr", "show", "dev", "eth0").stdout

    wait_for(lambda: "dadfailed" in flags())
    assert lan.state("web1") == "proxied"


@on_each_path
@pytest.mark.parametrize("pause", [0.0, 0.3, 1.9], ids=lambda pause: f"after {pause} s")
def test_the_owners_own_duplicate_address_detection_succeeds(lan: Lan, pause: float) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    desk.knows(web1.ipv6)
    web1.nap()
    web1.says_hello = False
    # As after a boot: the addresses are made anew, and detection, of a second or two, runs while the wake server stands
    # in, which announces itself 0, 1, 3 and 7 s after it began to. The pauses keep away from these.
    web1.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
    web1.run("ip", "addr", "del", f"{web1.ipv6}/64", "dev", "eth0")
    time.sleep(pause)
    web1.wake()
    web1.run("ip", "addr", "add", f"{web1.ipv6}/64", "dev", "eth0")

    def flags() -> str:
        return web1.run("ip", "-6", "addr", "show", "dev", "eth0").stdout

    wait_for(lambda: "tentative" not in flags() or "dadfailed" in flags())
    assert "dadfailed" not in flags()
    wait_for(lambda: desk.run("ping", "-c1", "-W1", "-n", web1.ipv6, check=False).returncode == 0)
    assert desk.neighbour(web1.ipv6) == web1.mac


@on_each_path
def test_another_machine_that_takes_the_address_wakes_its_owner(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    mine = mac_bytes(desk.mac)
    desk.raw().send(arp.announcement(mine, mine, socket.inet_aton(web1.ipv4)))
    wait_for(lambda: web1.magic_at)
    assert lan.events("web1", "conflict")


@on_each_path
def test_arp_mode_wakes_on_a_question_and_stands_in_for_nothing(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper(wake_on="arp")
    listener = web1.listen(80)
    web1.nap()
    desk.connect(web1.ipv4, 80)
    assert web1.magic_at
    assert desk.neighbour(web1.ipv4) == web1.mac
    listener.close()
