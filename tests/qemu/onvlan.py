# SPDX-License-Identifier: GPL-3.0-or-later
"""In the guest: a VLAN interface on one end of a veth, tried from the other end's, with the packet path and a monitor.

Prints what was seen as JSON. Argument: the archive. The kernel that runs the tests may have no VLAN interfaces.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from powernap.machine import clocks
from powernap.nap.monitors.udp import UdpMonitor
from powernap.nap.sources import Sources
from powernap.net import arp, frames, interfaces
from powernap.net.rawsocket import RawSocket
from powernap.wake.path.base import Entry, Key
from powernap.wake.path.ebpf import EbpfPath

OURS, ASKER, OWNER = (bytes.fromhex(f"024c0000000{number}") for number in (1, 9, 3))
SLEEPER4, ASKER4 = bytes((198, 18, 0, 3)), bytes((198, 18, 0, 9))
ENTRY = Entry(7, OWNER, answers=True, fires=True, tcp=((22, 22),))
QUESTION = arp.request(ASKER, ASKER4, SLEEPER4)
ANSWER = arp.answer(OURS, SLEEPER4, ASKER, ASKER4)
DATAGRAM_PORT = 8001


def make() -> None:
    batch = f"""link add pn0 address {OURS.hex(":")} type veth peer name pn1 address {ASKER.hex(":")}
        link add link pn0 name pn0.7 type vlan id 7
        link add link pn1 name pn1.7 type vlan id 7
        addr add 198.19.0.1/24 dev pn0.7
        addr add 198.19.0.2/24 dev pn1.7
        link set pn0 up
        link set pn1 up
        link set pn0.7 up
        link set pn1.7 up
        """
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)


def answers(name: str, frame: bytes) -> list[str]:
    """What comes back by that interface within two seconds: "answer", "magic packet"."""
    seen, until = [], time.monotonic() + 2
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as there:
        there.bind((name, 0))
        there.settimeout(0.1)
        there.send(frame)
        while time.monotonic() < until and not seen:
            try:
                data, address = there.recvfrom(2048)
            except TimeoutError:
                continue
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if data[:42] == ANSWER:
                seen.append("answer")
            elif b"\xff" * 6 + OWNER * 16 in data:
                seen.append("magic packet")
    return seen


def heard(raw: RawSocket) -> list[str]:
    """The kinds of frames that wait for the daemon, or why it would drop them."""
    found = []
    for captured in iter(raw.receive, None):
        frame = frames.parse(captured.frame, captured.vlan)
        found.append(frame.reason if isinstance(frame, frames.Dropped) else type(frame).__name__)
    return found


def syn() -> bytes:
    head = bytes.fromhex("45000028000000004006") + bytes(2) + ASKER4 + SLEEPER4
    total = sum(int.from_bytes(head[at : at + 2], "big") for at in range(0, 20, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + (0xFFFF - total).to_bytes(2, "big") + head[12:]
    return OURS + ASKER + b"\x08\x00" + head + bytes.fromhex("9c400016000000010000000050020400") + bytes(4)


def tried(path: EbpfPath, here: interfaces.Interface) -> dict[str, object]:
    seen: dict[str, object] = {"name": path.name}
    raw = RawSocket(here.name)
    path.attach(raw, here)
    path.put({Key(here.index, 0, SLEEPER4): ENTRY})
    seen["question"], seen["demand"], seen["untagged"] = (
        answers("pn1.7", QUESTION),
        answers("pn1.7", syn()),
        answers("pn1", QUESTION),
    )
    seen["heard"] = heard(raw)
    raw.close()
    return seen


def on_the_parent(path: EbpfPath) -> dict[str, object]:
    """The same address sleeps on the untagged network of the card: tagged frames are none of its business."""
    here, seen = interfaces.read()["pn0"], {}
    raw = RawSocket("pn0")
    path.attach(raw, here)
    path.put({Key(here.index, 0, SLEEPER4): ENTRY})
    seen["untagged"] = answers("pn1", QUESTION)
    path.remove([Key(interfaces.read()["pn0.7"].index, 0, SLEEPER4)])
    seen["tagged"] = [answers("pn1.7", QUESTION), answers("pn1.7", syn())]
    seen["heard"] = heard(raw)
    raw.close()
    return seen


def counted() -> str:
    """What a monitor of a UDP port says of one datagram that came by the VLAN."""
    loop, shared = asyncio.new_event_loop(), Sources()
    watcher = UdpMonitor("ports", {"ports": ((8000, 8099),)})
    watcher.attach(loop, lambda: None, shared)
    shared.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"pn1.7")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"x", ("198.19.0.255", DATAGRAM_PORT))
    time.sleep(0.5)
    said = watcher.look(clocks.now()).detail
    watcher.close()
    shared.close()
    loop.close()
    return said


def main() -> None:
    make()
    for name in ("pn0", "pn1", "pn0.7", "pn1.7"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    pins = Path(sys.argv[2])
    path = EbpfPath(pins)
    seen = tried(path, interfaces.read()["pn0.7"])
    seen["parent"] = on_the_parent(path)
    path.close(keep=False)
    seen["counted"] = counted()
    subprocess.run(["ip", "link", "del", "pn0"], check=True)
    print(json.dumps(seen))


main()
