# SPDX-License-Identifier: GPL-3.0-or-later
"""The design of the original powerwaked, re-created with scapy.

It sniffs ARP and sends one magic packet for each request that names a listed address; no answer, no check, no retry.
Arguments: interface, then ADDRESS=MAC pairs, or @FILE with one in a line. Prints "ready".
"""

import sys
from pathlib import Path

from scapy.all import ARP, Ether, Raw, sendp, sniff


def main() -> None:
    interface, *pairs = sys.argv[1:]
    if pairs[0].startswith("@"):
        pairs = Path(pairs[0][1:]).read_text().split()
    hosts = dict(pair.split("=") for pair in pairs)

    def seen(frame) -> None:
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst in hosts:
            mac = bytes.fromhex(hosts[frame[ARP].pdst].replace(":", ""))
            packet = Ether(dst="ff:ff:ff:ff:ff:ff", type=0x0842) / Raw(b"\xff" * 6 + mac * 16)
            sendp(packet, iface=interface, verbose=False)

    sniff(iface=interface, filter="arp", prn=seen, store=False, started_callback=lambda: print("ready", flush=True))


main()
