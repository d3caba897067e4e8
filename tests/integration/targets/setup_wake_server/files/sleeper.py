# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine that sleeps: it has no address until a magic packet for its card comes. SIGUSR1 sends it to sleep again.

sleeper.py ADDRESS/PREFIX LOG: a line of the log for each magic packet: "ethernet" or "udp", and the password in hex.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

_ALL = 0x0003  # ETH_P_ALL


def main(address, log):
    def sleep(*_signal):
        subprocess.run(["ip", "addr", "flush", "dev", "eth0"], check=True)

    signal.signal(signal.SIGUSR1, sleep)
    sleep()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as card:
        card.bind(("eth0", 0))
        magic = b"\xff" * 6 + card.getsockname()[4] * 16
        while True:
            frame, where = card.recvfrom(2048)
            at = frame.find(magic)
            if at < 0 or where[2] == socket.PACKET_OUTGOING:
                continue
            way = "ethernet" if frame[12:14] == b"\x08\x42" else "udp"
            with Path(log).open("a", encoding="ascii") as file:
                file.write(f"{way} {frame[at + len(magic) :].hex()}\n")
            subprocess.run(["ip", "addr", "replace", address, "dev", "eth0"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
