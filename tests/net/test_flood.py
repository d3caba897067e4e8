# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods and forged frames: powerwaked lives, stays small, wakes whom it should, and is as before afterwards."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
import time

import psutil
import pytest
from tests.net.lan import Lan, Node, Sleeper, on_each_path, wait_for

from powernap.net import arp
from powernap.shared.mac import mac_bytes

pytestmark = pytest.mark.alone

FLOOD_SECONDS = 2.0
GROWTH = 10 << 20  # bytes
# What is sent in a second: as many frames as go out, at most 20,000.
FLOODER = """
import random, socket, struct, sys, time
from powernap.net import arp
from powernap.net.checksum import checksum, pseudo_header
kind, owner, target, here, seconds = sys.argv[1], *map(bytes.fromhex, sys.argv[2:5]), float(sys.argv[5])
dice = random.Random(1)
nic = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
nic.bind(("eth0", 3))
def source():
    return bytes((198, 18, dice.randrange(2, 255), dice.randrange(1, 255)))
def garbage():
    length, to = dice.randrange(0, 200), dice.choice((b"\\xff" * 6, here))
    kind = dice.choice((b"\\x08\\x06", b"\\x08\\x00", b"\\x86\\xdd", b"\\x81\\x00", b"\\x08\\x42"))
    return to + b"\\x02\\x66" + dice.randbytes(4) + kind + dice.randbytes(length)
def storm():
    return arp.request(b"\\x02\\x66" + dice.randbytes(4), source(), target)
def syn():
    tcp = struct.pack("!HHIIBBHHH", dice.randrange(1024, 65536), 80, dice.randrange(1 << 32), 0, 0x50, 2, 64240, 0, 0)
    peer = source()
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0x4000, 64, 6, 0, peer, target)
    ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
    tcp = tcp[:16] + checksum(pseudo_header(peer, target, 6, 20) + tcp).to_bytes(2, "big") + tcp[18:]
    return here + b"\\x02\\x66" + dice.randbytes(4) + b"\\x08\\x00" + ip + tcp
frames = [{"garbage": garbage, "arp": storm, "syn": syn}[kind]() for _each in range(4000)]
began, sent = time.monotonic(), 0
while (now := time.monotonic() - began) < seconds:
    if sent < 20_000 * now:
        for frame in frames[sent % 4000 : sent % 4000 + 100]:
            try:
                nic.send(frame.ljust(60, b"\\0"))
            except OSError:
                pass
        sent += 100
    else:
        time.sleep(0.002)
print(sent / seconds)
"""


class Flood:
    """One kind of frame from a node, while the block runs and until it has ended."""

    def __init__(self, node: Node, kind: str, target: Sleeper, seconds: float = FLOOD_SECONDS) -> None:
        address = ipaddress.ip_address(target.ipv4).packed.hex()
        facts = [mac_bytes(target.mac).hex(), address, mac_bytes(node.lan.server.mac).hex(), str(seconds)]
        self._process = node.start(sys.executable, "-c", FLOODER, kind, *facts, stdout=subprocess.PIPE)

    def end(self) -> float:
        """Frames per second that were sent."""
        out, _ = self._process.communicate(timeout=30)
        return float(out)


@on_each_path
def test_in_a_flood_it_lives_stays_small_and_wakes_whom_it_should(lan: Lan) -> None:
    desk, loud = lan.client(), lan.client("loud", 8)
    web1, web2, quiet = lan.sleeper(), lan.sleeper("web2", 4), lan.sleeper("quiet", 5)
    for host in (web1, web2):
        host.serve(80)
        host.nap()
    quiet.nap("22")
    assert lan.server.process is not None
    process = psutil.Process(lan.server.process.pid)
    before = process.memory_info().rss
    for kind in ("garbage", "arp", "syn"):
        flood = Flood(loud, kind, web1)
        time.sleep(0.5)
        asked = time.monotonic()
        connection, connected = desk.connect(web2.ipv4, 80, 10)
        connection.close()
        woken = web2.magic_at[0] - asked
        status = lan.server.admin.get("/api/v1/status")
        assert status["held_frames"] <= 64
        rate = flood.end()
        print(
            f"{kind}: {rate:.0f} frames/s, magic packet after {woken * 1000:.0f} ms, {connected - asked:.2f} s in all"
        )
        assert rate > 2000
        assert woken < 2 and process.is_running()
        web2.settle()
        lan.wait_for_state("web2", "awake")
        if kind != "syn":
            assert web1.asleep and lan.state("web1") == "proxied"
        web2.nap()
    web1.settle()  # a SYN is demand, whoever sends it
    lan.wait_for_state("web1", "awake")
    desk.connect(web1.ipv4, 80, 10)[0].close()
    status = lan.server.admin.get("/api/v1/status")
    assert status["held_frames"] == 0
    assert quiet.asleep and lan.state("quiet") == "proxied"
    grown = process.memory_info().rss - before
    print(f"grown by {grown / 1024:.0f} KiB")
    assert grown < GROWTH
    web1.nap()
    desk.connect(web1.ipv4, 80, 10)[0].close()


def test_a_sleeper_whose_card_is_forged_is_stood_in_for_again_when_that_ends(lan: Lan) -> None:
    """Who can send on the segment can pretend to be its owner: while it does, nobody stands in."""
    desk, evil, web1 = lan.client(), lan.client("evil", 8), lan.sleeper()
    web1.serve(80)
    web1.nap()
    forged = arp.announcement(mac_bytes(web1.mac), mac_bytes(web1.mac), ipaddress.ip_address(web1.ipv4).packed)
    with evil.raw() as nic:
        nic.send(forged)
        lan.wait_for_state("web1", "awake")
        began = time.monotonic()
        lan.wait_for_state("web1", "proxied", 30)
        print(f"stood in for again after {time.monotonic() - began:.1f} s")
        for _time in range(10):
            nic.send(forged)
            time.sleep(0.1)
        assert lan.state("web1") != "proxied"
        ended = time.monotonic()
        lan.wait_for_state("web1", "proxied", 30)
        print(f"and {time.monotonic() - ended:.1f} s after the last of ten")
    desk.connect(web1.ipv4, 80, 10)[0].close()
    web1.settle()
    wait_for(lambda: lan.state("web1") == "awake")
