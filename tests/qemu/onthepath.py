# SPDX-License-Identifier: GPL-3.0-or-later
"""In the guest: the packet path on one end of a veth, tried from the other, with powerwaked's end and without.

Prints what was seen as JSON. Arguments: the archive, and a directory in the bpf file system.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from powernap.machine import ebpf_tc
from powernap.net import arp, checksum, ethernet, interfaces
from powernap.net.rawsocket import RawSocket
from powernap.wake.path.base import Entry, Key, Unwelcome, gate_of
from powernap.wake.path.ebpf import EbpfPath
from powernap.wake.path.tables import unpin

PINS = Path(sys.argv[2])
OURS, ASKER, OWNER = (bytes.fromhex(f"024c0000000{number}") for number in (1, 9, 3))
SLEEPER4, ASKER4 = bytes((198, 18, 0, 3)), bytes((198, 18, 0, 9))
ENTRY = Entry(7, OWNER, answers=True, fires=True, tcp=((22, 22),), gate=gate_of("lab"))
QUESTION = arp.request(ASKER, ASKER4, SLEEPER4)
ANSWER = arp.answer(OURS, SLEEPER4, ASKER, ASKER4)
MAGIC = b"\xff" * 6 + OWNER * 16


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def syn() -> bytes:
    head = bytes.fromhex("4500002800000000400600 00".replace(" ", "")) + ASKER4 + SLEEPER4
    head = head[:10] + checksum.checksum(head).to_bytes(2, "big") + head[12:]
    return OURS + ASKER + b"\x08\x00" + head + bytes.fromhex("9c400016000000010000000050020400") + bytes(4)


class Wire:
    def __init__(self) -> None:
        subprocess.run(["ip", "link", "del", "pn0"], check=False, stderr=subprocess.DEVNULL)
        ip(
            "link",
            "add",
            "pn0",
            "address",
            OURS.hex(":"),
            "type",
            "veth",
            "peer",
            "name",
            "pn1",
            "address",
            ASKER.hex(":"),
        )
        for name in ("pn0", "pn1"):
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
            ip("link", "set", name, "up")
        self.there = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.there.bind(("pn1", 0))
        self.there.settimeout(0.1)
        self.here = interfaces.read()["pn0"]

    def answers(self, frame: bytes) -> list[str]:
        """What comes back for a frame: "answer", "magic packet" or hexadecimal."""
        self.there.send(frame)
        seen, until = [], time.monotonic() + 2
        while time.monotonic() < until and not seen:
            try:
                data, address = self.there.recvfrom(2048)
            except TimeoutError:
                continue
            if address[2] == socket.PACKET_OUTGOING or data[12:14] == b"\x86\xdd":
                continue
            if data[:42] == ANSWER:
                seen.append("answer")
            else:
                seen.append("magic packet" if MAGIC in data and data[:6] == ethernet.BROADCAST else data.hex())
        return seen


def tc(*words: str) -> str:
    return subprocess.run(["tc", *words], capture_output=True, text=True, check=False).stdout


def filters() -> str:
    return tc("filter", "show", "dev", "pn0", "ingress")


def beside_anothers(wire: Wire, raw: RawSocket, key: Key, seen: dict[str, object]) -> None:
    """Where somebody else has a filter in the place of ours."""
    others = [
        "tc",
        "filter",
        "add",
        "dev",
        "pn0",
        "ingress",
        "prio",
        str(ebpf_tc.PRIORITY),
        "handle",
        hex(ebpf_tc.HANDLE),
    ]
    subprocess.run([*others, "bpf", "bytecode", "1,6 0 0 0"], check=True)
    path = EbpfPath(PINS)
    path.attach(raw, wire.here)
    path.put({key: ENTRY})
    seen["another's"] = wire.answers(QUESTION)
    path.close(keep=False)
    seen["another's stays"] = "bytecode" in filters()


def main() -> None:
    wire, seen = Wire(), {}
    key = Key(wire.here.index, 0, SLEEPER4)
    unpinned = EbpfPath(None)
    seen["kernel"], seen["not pinned"] = os.uname().release, unpinned.name
    unpinned.close(keep=False)

    path, raw = EbpfPath(PINS), RawSocket("pn0")
    seen["name"] = path.name
    path.attach(raw, wire.here)
    path.put({key: ENTRY})
    seen["question"] = wire.answers(QUESTION)
    path.shut({gate_of("lab")})
    seen["behind a shut gate"] = wire.answers(syn())
    path.shut(set())
    path.refuse({Unwelcome(ASKER4, "tcp", 22): float("inf")})
    seen["refused"] = wire.answers(syn())
    path.refuse({})
    seen["demand"] = wire.answers(syn())
    path.close(keep=True)
    raw.close()

    seen["question to nobody"] = wire.answers(QUESTION)
    time.sleep(1.1)
    seen["demand of nobody"] = wire.answers(syn())
    seen["filter"] = filters()

    path, raw = EbpfPath(PINS), RawSocket("pn0")
    path.attach(raw, wire.here)
    seen["adopted"] = dict(path.adopted()) == {key: ENTRY}
    seen["answered"], seen["fired"] = path.done(key).answered, path.counters()["fired"]
    path.remove([key])
    seen["removed"] = wire.answers(QUESTION)
    path.put({key: ENTRY})
    seen["filters"] = filters().count(f"handle {ebpf_tc.HANDLE:#x}")
    path.detach(wire.here.index)
    seen["detached"] = [wire.answers(QUESTION), filters()]
    path.attach(raw, wire.here)
    path.close(keep=True)
    seen["unpinned"] = [unpin(PINS), wire.answers(QUESTION), filters()]
    seen["loopback"] = tc("qdisc", "show", "dev", "lo")

    if "clsact" in seen["name"]:
        beside_anothers(wire, raw, key, seen)
    raw.close()
    ip("link", "del", "pn0")
    print(json.dumps(seen))


main()
