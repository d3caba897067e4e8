# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's network card on a segment of network namespaces, with the wake-up line that QEMU's cards do not have."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

from guest import MAC, Guest
from tests.net.lan import Node

MAGIC = b"\xff" * 6 + bytes.fromhex(MAC.replace(":", "")) * 16


class Wire:
    """Passes frames between a port of the segment and the guest. While the guest sleeps its card takes nothing, and
    `magic` is set when a magic packet for it arrives: who waits for that presses the button.
    """

    def __init__(self, guest: Guest, port: Node) -> None:
        self.guest = guest
        self.asleep = False
        self.magic = threading.Event()
        self._socket = port.raw()
        self._socket.settimeout(0)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._inwards, self._outwards)]
        guest.heard()
        for thread in self._threads:
            thread.start()

    def _inwards(self) -> None:
        while not self._ended.is_set():
            if not select.select([self._socket], [], [], 0.1)[0]:
                continue
            try:
                frame, where = self._socket.recvfrom(65536)
            except OSError:  # the segment is gone
                return
            if where[2] == socket.PACKET_OUTGOING:
                continue
            if not self.asleep:
                self.guest.pass_on(frame)
            elif MAGIC in frame:
                self.magic.set()

    def _outwards(self) -> None:
        while not self._ended.is_set():
            for frame in self.guest.heard(0.1):
                with contextlib.suppress(OSError):
                    self._socket.send(frame)

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(2)
        self._socket.close()
