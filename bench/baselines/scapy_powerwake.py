# SPDX-License-Identifier: GPL-3.0-or-later
"""The design of the original powerwaked, re-created with scapy.

It sniffs ARP and sends one magic packet for each request that names a listed address; no answer, no check, no retry.
Arguments: interface, then ADDRESS=MAC pairs, or @FILE with one in a line. Prints "ready", and at SIGUSR1 how many
frames it has looked at.
"""

import signal
import sys
from pathlib import Path

from scapy.all import ARP, Ether, Raw, get_if_hwaddr, sendp, sniff


def main() -> None:
    interface, *pairs = sys.argv[1:]
    if pairs[0].startswith("@"):
        pairs = Path(pairs[0][1:]).read_text().split()
    hosts = dict(pair.split("=") for pair in pairs)

    frames, own = 0, get_if_hwaddr(interface)

    def tell(_number: int, _frame: object) -> None:
        print(frames, flush=True)

    def seen(frame) -> None:
        nonlocal frames
        frames += 1
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst in hosts:
            mac = bytes.fromhex(hosts[frame[ARP].pdst].replace(":", ""))
            packet = Ether(dst="ff:ff:ff:ff:ff:ff", src=own, type=0x0842) / Raw(b"\xff" * 6 + mac * 16)
            sendp(packet, iface=interface, verbose=False)

    signal.signal(signal.SIGUSR1, tell)
    sniff(iface=interface, filter="arp", prn=seen, store=False, started_callback=lambda: print("ready", flush=True))


main()
