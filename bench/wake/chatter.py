# SPDX-License-Identifier: GPL-3.0-or-later
"""What chatter wakes, and whether real demand is missed in it.

The trace of tests/net/chatter.py (scans, monitoring, discovery, housekeeping) is sent while machines sleep: first
alone, then together with one client that wants each of HERD other sleepers once: a question for the address, and a SYN.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.net import chatter
from tests.net.crowd import syn
from tests.net.lan import Lan, Node, Sleeper

from bench.results import keep
from bench.segment import own_namespaces
from bench.until import until
from bench.wake import herd
from bench.wake.names import CLASSIC, EBPF, SCAPY
from bench.wake.world import Original, segment_with, unregistered
from powernap.net import arp
from powernap.shared.mac import format_mac, mac_bytes

HERD, PAUSE = 60, 0.0007
MEMBERS = [herd.member(number, "198.18", 16) for number in range(HERD)]
PORTS = {"tcp": "22,80,8000-8099", "udp": "4500,5000"}


class Ears:
    """Which machines have been sent a magic packet, as heard at the client's end of the segment."""

    def __init__(self, node: Node) -> None:
        self._wires = [_listening(node, 0x0842), _listening(node, 0x0800)]

    def heard(self) -> dict[str, int]:
        """Magic packets for each card since the last time."""
        found: dict[str, int] = {}
        for wire in self._wires:
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, where = wire.recvfrom(2048)
                    at = frame.find(b"\xff" * 6, 12)
                    if where[2] != socket.PACKET_OUTGOING and at > 0 and frame[at + 6 : at + 12] * 16 in frame:
                        mac = format_mac(frame[at + 6 : at + 12])
                        found[mac] = found.get(mac, 0) + 1
        return found


def _listening(node: Node, protocol: int) -> socket.socket:
    def act() -> socket.socket:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        opened.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        opened.bind(("eth0", protocol))
        opened.setblocking(False)
        return opened

    return node.inside(act)


def play(wire: socket.socket, frames: list[bytes], wanted: Iterator[list[bytes]]) -> None:
    every = max(1, len(frames) // (HERD + 1))
    for number, frame in enumerate(frames):
        wire.send(frame)
        if number % every == every - 1:
            for mine in next(wanted, ()):
                wire.send(mine)
                time.sleep(PAUSE)
        time.sleep(PAUSE)


def demand(lan: Lan, desk: Node) -> Iterator[list[bytes]]:
    mac, ip = mac_bytes(desk.mac), socket.inet_aton(desk.ipv4)
    for number, member in enumerate(MEMBERS):
        knock = syn(lan.server.mac, desk.mac, desk.ipv4, member.ipv4, 40000 + number)
        yield [arp.request(mac, ip, socket.inet_aton(member.ipv4)), knock]


def measure(lan: Lan, sleepers: list[Sleeper], reached: Callable[[], int]) -> dict[str, Any]:
    desk = lan.client()
    ears, wire = Ears(desk), desk.raw()
    frames = chatter.trace()
    before = reached()
    play(wire, frames, iter(()))
    time.sleep(2)
    after = reached()
    false = ears.heard()
    play(wire, frames, demand(lan, desk))
    time.sleep(2)
    woken = ears.heard()
    macs = {member.mac for member in MEMBERS}
    return {
        "frames": len(frames),
        "reached user space": after - before,
        "machines woken for nothing": len(false.keys() - macs),
        "magic packets for nothing": sum(false.values()),
        "of machines": len(sleepers),
        "wanted": HERD,
        "missed": len(macs - woken.keys()),
    }


def ours(use: str) -> dict[str, Any]:
    with segment_with(use, wakes_per_minute="0", wakes_per_source="0") as lan:
        lan.server.start()
        sleepers = [lan.sleeper(f"host{number}", number) for number in (3, 4, 5)]
        for sleeper in sleepers:
            sleeper.lose = 1 << 30
            sleeper.nap(**PORTS)
        keys = asyncio.run(herd.enrol(MEMBERS, lan.server.admin.path))
        lan.server.inside(lambda: asyncio.run(herd.fall_asleep(MEMBERS, keys, lan.server.ipv4)) or True)
        everybody = HERD + len(sleepers)
        status = "/api/v1/status"
        until(lambda: lan.server.admin.get(status)["wake_states"]["proxied"] == everybody, "sleep of every machine")

        def reached() -> int:
            return int(lan.server.admin.get(status)["interfaces"][0]["frames"])

        return measure(lan, sleepers, reached)


def original() -> dict[str, Any]:
    with segment_with("classic") as lan:
        sleepers = [unregistered(lan, f"host{number}", number) for number in (3, 4, 5)]
        for sleeper in sleepers:
            sleeper.lose = 1 << 30
            sleeper.sleep()
        pairs = [(sleeper.ipv4, sleeper.mac) for sleeper in sleepers]
        server = Original(lan, pairs + [(member.ipv4, member.mac) for member in MEMBERS])
        figures = measure(lan, sleepers, server.frames)
        server.end()
        return figures


def main() -> None:
    own_namespaces()
    figures = {SCAPY: original(), CLASSIC: ours("classic"), EBPF: ours("ebpf")}
    for name, row in figures.items():
        print(name, row, flush=True)
    keep("wake-chatter", {"figures": figures})


if __name__ == "__main__":
    main()
