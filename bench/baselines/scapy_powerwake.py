# SPDX-License-Identifier: GPL-3.0-or-later
"""The design of the original powerwaked, re-created with scapy.

It sniffs ARP and sends one magic packet for each request that names a listed address; no answer, no check, no retry.
Arguments: interface, then ADDRESS=MAC pairs. Prints "ready".
"""

import sys

from scapy.all import ARP, Ether, Raw, sendp, sniff


def main() -> None:
    interface = sys.argv[1]
    hosts = dict(pair.split("=") for pair in sys.argv[2:])

    def seen(frame) -> None:
        if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst in hosts:
            mac = bytes.fromhex(hosts[frame[ARP].pdst].replace(":", ""))
            packet = Ether(dst="ff:ff:ff:ff:ff:ff", type=0x0842) / Raw(b"\xff" * 6 + mac * 16)
            sendp(packet, iface=interface, verbose=False)

    sniff(iface=interface, filter="arp", prn=seen, store=False, started_callback=lambda: print("ready", flush=True))


main()
