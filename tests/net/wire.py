# SPDX-License-Identifier: GPL-3.0-or-later
"""Two namespaces and a veth between them: the wake server's end (pn0), and one from which a test sends frames."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.net.lan import run

from powernap.machine import ebpf
from powernap.net import arp, interfaces, ndp
from powernap.net.interfaces import Interface
from powernap.net.rawsocket import RawSocket

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)

OURS = bytes.fromhex("024c00000001")
OURS4, OURS6 = bytes((198, 18, 0, 1)), bytes.fromhex("fe80000000000000004cfffe00000001")
OWNER, ASKER, OTHER = (bytes.fromhex(f"024c0000000{number}") for number in (3, 9, 8))
SLEEPER4, ASKER4 = bytes((198, 18, 0, 3)), bytes((198, 18, 0, 9))
SLEEPER6, ASKER6 = bytes.fromhex("fd4c" + 13 * "00" + "03"), bytes.fromhex("fd4c" + 13 * "00" + "09")


def no_ebpf() -> str:
    """Why eBPF cannot be used here; "" where it can."""
    try:
        ebpf.Map(ebpf.ARRAY, 4, 4, 1).close()
    except OSError as error:
        return f"eBPF: {error.strerror}"
    return ""


class Wire:
    def __init__(self) -> None:
        self.here, self.there = (f"pn{os.getpid()}w{next(_numbers)}{end}" for end in ("here", "there"))
        for name in (self.here, self.there):
            run("ip", "netns", "add", name)
            script = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"
            run("ip", "netns", "exec", name, "sh", "-c", script)
        batch = f"link add pn0 address {OURS.hex(':')} type veth peer name pn1 netns {self.there}\n"
        batch += "addr add 198.18.0.1/16 dev pn0\nlink set lo up\nlink set pn0 up\n"
        run("ip", "-n", self.here, "-batch", "-", input=batch)
        run("ip", "-n", self.there, "-batch", "-", input="link set pn1 up\n")
        self.far = self.inside(self.there, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self.far.bind(("pn1", 3))
        self.far.settimeout(0.05)
        self.drain()

    def inside(self, namespace: str, act: Callable[[], T]) -> T:
        """In a thread that is in that namespace; what is opened there stays there."""
        result: list[T] = []
        error: list[BaseException] = []

        def body() -> None:
            with Path("/run/netns", namespace).open() as handle:
                assert _libc.setns(handle.fileno(), 0x40000000) == 0
            try:
                result.append(act())
            except BaseException as caught:  # noqa: BLE001  handed to the caller
                error.append(caught)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if error:
            raise error[0]
        return result[0]

    @property
    def interface(self) -> Interface:
        return self.inside(self.here, lambda: interfaces.read()["pn0"])

    def raw(self) -> RawSocket:
        return self.inside(self.here, lambda: RawSocket("pn0"))

    def send(self, frame: bytes) -> None:
        self.far.send(frame.ljust(60, b"\0"))

    def answers(self, count: int = 1, seconds: float = 3.0) -> list[bytes]:
        """The next frames that the server's end sends; fewer where there are no more in time."""
        found: list[bytes] = []
        end = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                frame, where = self.far.recvfrom(4096)
                if where[2] != socket.PACKET_OUTGOING:
                    found.append(frame)
        return found

    def drain(self) -> None:
        while self.answers(1, 0.1):
            pass

    def close(self) -> None:
        self.far.close()
        for name in (self.here, self.there):
            run("ip", "netns", "del", name, check=False)


def received(raw: RawSocket, count: int = 1, seconds: float = 3.0) -> list[bytes]:
    """What has passed the filter."""
    found: list[bytes] = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        captured = raw.receive()
        if captured is None:
            time.sleep(0.005)
        else:
            found.append(captured.frame)
    return found


def nothing_more(raw: RawSocket) -> bool:
    """What was sent before has been through the kernel already: a veth passes frames on at once."""
    return not received(raw, 1, 0.05)


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    made = Wire()
    try:
        yield made
    finally:
        made.close()


def question(target: bytes = SLEEPER4, source: bytes = ASKER4, mac: bytes = ASKER) -> bytes:
    return arp.request(mac, source, target)


def solicitation(target: bytes = SLEEPER6, source: bytes = ASKER6, mac: bytes = ASKER) -> bytes:
    return ndp.solicitation(mac, source, target)
