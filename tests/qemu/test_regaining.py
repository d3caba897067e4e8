# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPv6 address that NetworkManager gave failed duplicate-address detection after a sleep: powernapd adds it anew,
and NetworkManager does not undo that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from guest import MAC, Guest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether
from tests.net.node import wait_for

CARD, ADDRESS, RIVAL = "ens2", "fd4d::2", "52:54:00:00:00:99"
CONFIG = """
[nap]
absent_seconds = 3000
[monitors.nobody]
kind = "process"
pattern = "^nobody-runs-this"
"""
NETWORK_MANAGER = f"""
systemctl stop systemd-networkd.socket systemd-networkd
systemctl start NetworkManager
nmcli connection add type ethernet ifname {CARD} con-name lan ipv4.method manual ipv4.addresses 192.0.2.2/24 \\
    ipv6.method manual ipv6.addresses {ADDRESS}/64
nmcli connection up lan
"""
NO_NETWORK_MANAGER = "nmcli connection delete lan; systemctl stop NetworkManager; systemctl start systemd-networkd"
#: While it brings a connection up, NetworkManager itself begins anew where an address fails; later it does not look.
LATER = f"""
ip -6 address del {ADDRESS}/64 dev {CARD}
ip -6 address add {ADDRESS}/64 dev {CARD} noprefixroute
"""


class Rival:
    """Somebody else who says once that the address is taken."""

    def __init__(self, guest: Guest) -> None:
        self.guest, self.questions = guest, 0
        self._ended = threading.Event()
        guest.heard()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ended.is_set():
            for frame in self.guest.heard(0.1):
                said = Ether(frame)
                if ICMPv6ND_NS in said and said[ICMPv6ND_NS].tgt == ADDRESS and said[IPv6].src == "::":
                    self.questions += 1
                    if self.questions == 1:
                        self.guest.pass_on(self._claim())

    @staticmethod
    def _claim() -> bytes:
        head = Ether(src=RIVAL, dst="33:33:00:00:00:01") / IPv6(src=ADDRESS, dst="ff02::1", hlim=255)
        return bytes(head / ICMPv6ND_NA(tgt=ADDRESS, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=RIVAL))

    def end(self) -> None:
        self._ended.set()
        self._thread.join(2)


@pytest.fixture
def rival(guest: Guest) -> Iterator[list[Rival]]:
    begun: list[Rival] = []
    yield begun
    for each in begun:
        each.end()


def test_an_address_that_failed_after_a_sleep_is_in_use_again_and_stays(guest, napper, rival):
    def shown(*words: str) -> str:
        return guest.run(["ip", "-6", "address", "show", "dev", CARD, "to", ADDRESS, *words])

    def settled() -> bool:
        return f"connected:{CARD}" in guest.run(["nmcli", "-g", "STATE,DEVICE", "device"])

    guest.run(["sh", "-c", NETWORK_MANAGER])
    try:
        wait_for(lambda: shown("-tentative") and settled(), 60)
        napper.start(CONFIG)
        guest.run(["systemd-run", "--on-active=2", "systemctl", "suspend"])
        guest.event("SUSPEND", 120)
        guest.qmp("system_wakeup")
        guest.event("WAKEUP", 20)
        wait_for(lambda: shown("-tentative") and settled(), 60)
        rival.append(Rival(guest))
        guest.run(["sh", "-c", LATER])
        wait_for(lambda: f"{ADDRESS}/64 is in use again" in napper.log(), 120)
        assert rival[0].questions == 2
        assert shown("-tentative") and settled()
        assert MAC in guest.run(["ip", "link", "show", "dev", CARD])
    finally:
        guest.run(["sh", "-c", NO_NETWORK_MANAGER], check=False)
