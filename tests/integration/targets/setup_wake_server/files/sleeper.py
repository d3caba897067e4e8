# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine that sleeps: it has no address until a magic packet for its card comes.

sleeper.py ADDRESS/PREFIX NAME. NAME.magic has a line for each magic packet, "ethernet" or "udp", and its password.
SIGUSR1 sends it to sleep, and so does who opens NAME.d/power/state for writing: as with the kernel's own, the write is
through when the machine runs again, and its powernapd (NAME-powernapd.pid) stands still meanwhile. While NAME.d/deaf is
there, its card hears nothing.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_ALL = 0x0003  # ETH_P_ALL
_WRITE_SECONDS = 10.0


class Machine:
    def __init__(self, address, name):
        self.address, self.name = address, name
        self.state = os.open(f"{name}.d/power/state", os.O_RDONLY)
        self.ordered = False  # by a write that waits for its end
        signal.signal(signal.SIGUSR1, lambda *_signal: self.sleep())
        signal.signal(signal.SIGIO, lambda *_signal: self.asked())
        self.sleep()
        fcntl.fcntl(self.state, fcntl.F_SETLEASE, fcntl.F_RDLCK)

    def asked(self):
        """The kernel holds who opens the file for writing until the lease is given back: fcntl(2), F_SETLEASE."""
        if fcntl.fcntl(self.state, fcntl.F_GETLEASE) == fcntl.F_UNLCK:
            self.ordered = True
            self.sleep()

    def tell(self, number):
        with suppress(OSError, ValueError):
            os.kill(int(Path(f"{self.name}-powernapd.pid").read_text(encoding="ascii")), number)

    def sleep(self):
        self.tell(signal.SIGSTOP)
        subprocess.run(["ip", "addr", "flush", "dev", "eth0"], check=True)

    def wake(self):
        subprocess.run(["ip", "addr", "replace", self.address, "dev", "eth0"], check=True)
        before = os.fstat(self.state).st_mtime_ns
        if self.ordered:
            fcntl.fcntl(self.state, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        self.tell(signal.SIGCONT)
        if self.ordered:
            self.ordered = False
            self.lease_again(before)

    def lease_again(self, before):
        """Once the write is through, or it would be taken for another."""
        end = time.monotonic() + _WRITE_SECONDS
        while time.monotonic() < end:
            with suppress(BlockingIOError):
                if os.fstat(self.state).st_mtime_ns != before:
                    fcntl.fcntl(self.state, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                    return
            time.sleep(0.01)
        raise SystemExit("nothing was written")

    def run(self):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as card:
            card.bind(("eth0", 0))
            magic = b"\xff" * 6 + card.getsockname()[4] * 16
            while True:
                frame, where = card.recvfrom(2048)
                at = frame.find(magic)
                if at < 0 or where[2] == socket.PACKET_OUTGOING or Path(f"{self.name}.d/deaf").exists():
                    continue
                way = "ethernet" if frame[12:14] == b"\x08\x42" else "udp"
                with Path(f"{self.name}.magic").open("a", encoding="ascii") as file:
                    file.write(f"{way} {frame[at + len(magic) :].hex()}\n")
                self.wake()


if __name__ == "__main__":
    Machine(*sys.argv[1:]).run()
