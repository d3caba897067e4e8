# SPDX-License-Identifier: GPL-3.0-or-later
"""The module powernap_wol against real keepers of network cards: after a boot and after a sleep, the card is armed.

Six cards: beneath systemd-networkd, with a .link file of the site, by udev without .link files, and of NetworkManager
with a profile that says nothing, one that says "none", and one that is made anew at each boot, as netplan's are. The
driver begins with Wake-on-LAN off: a card that is armed after a boot has been armed since.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest import FIRST_SLOT, Guest, mac

HERE = Path(__file__).parent
NETWORKD, SITE, RULED = "ens2", "site", "ruled"
QUIET, NONE, MADE = (f"ens{FIRST_SLOT + place}" for place in (2, 3, 4))
UUID = "00000000-0000-4000-8000-00000000000{}"
KEEPERS = {
    NETWORKD: ("systemd", f"/etc/systemd/network/10-powernap-{NETWORKD}.link"),
    SITE: ("systemd", "/etc/systemd/network/20-site.link.d/60-powernap.conf"),
    RULED: ("udev", f"/etc/udev/rules.d/81-powernap-{RULED}.rules"),
    QUIET: ("NetworkManager", f"/etc/NetworkManager/conf.d/60-powernap-{QUIET}.conf"),
    NONE: ("NetworkManager", f"connection {UUID.format(4)}"),
    MADE: ("NetworkManager", f"/etc/NetworkManager/dispatcher.d/60-powernap-{MADE}"),
}
LINK = f"[Match]\\nPermanentMACAddress={mac(1)}\\n[Link]\\nName={SITE}\\nWakeOnLan=off\\n"
PREPARE = f"""
set -e
printf '{LINK}' >/etc/systemd/network/20-site.link
{{
    echo 'SUBSYSTEM=="net", ATTR{{address}}=="{mac(2)}", NAME="{RULED}", GOTO="without_link"'
    grep -v '^#' /lib/udev/rules.d/80-net-setup-link.rules
    echo 'LABEL="without_link"'
}} >/etc/udev/rules.d/80-net-setup-link.rules
for slot in {FIRST_SLOT:x} {FIRST_SLOT + 1:x}; do
    for verb in unbind bind; do echo 0000:00:$slot.0 >/sys/bus/pci/drivers/e100/$verb; done
done
cat >/etc/NetworkManager/conf.d/site.conf <<END
[main]
no-auto-default=*
[keyfile]
unmanaged-devices=*,except:interface-name:{QUIET},except:interface-name:{NONE},except:interface-name:{MADE}
END
profile() {{
    printf '[connection]\\nid=%s\\nuuid=%s\\ntype=ethernet\\ninterface-name=%s\\n' "$1" "$2" "$1"
    printf '# of the site\\n[ethernet]\\n%s\\n' "$3"
    printf '[ipv4]\\nmethod=manual\\naddress1=198.51.100.2/24\\n[ipv6]\\nmethod=disabled\\n'
}}
cd /etc/NetworkManager/system-connections
umask 77
profile {QUIET} {UUID.format(3)} '' >{QUIET}.nmconnection
profile {NONE} {UUID.format(4)} wake-on-lan=0 >{NONE}.nmconnection
mkdir /etc/made
profile {MADE} {UUID.format(5)} wake-on-lan=0 >/etc/made/{MADE}
umask 22
cat >/etc/tmpfiles.d/made.conf <<END
d /run/NetworkManager/system-connections 0755
C /run/NetworkManager/system-connections/{MADE}.nmconnection 0600 - - - /etc/made/{MADE}
END
systemd-tmpfiles --create made.conf
udevadm settle
systemctl enable NetworkManager
systemctl start NetworkManager
"""
#: Until all three are up: nmcli's own way of waiting knows of no resume.
CONNECTED = """
for try in $(seq 100); do
    [ "$(nmcli -g STATE device | grep -cx connected)" = 3 ] && exit
    sleep 1
done
exit 1
"""
#: Scripts of NetworkManager's dispatcher run after the connection is up.
LETTERS = f"""
show() {{ for card in {" ".join(KEEPERS)}; do ethtool $card | sed -n 's/^\\tWake-on: //p'; done; }}
for try in $(seq 30); do
    [ -n "$(show | grep -vx "$1")" ] || break
    sleep 1
done
show
"""
TREE = """
set -e
cd /
find etc run/NetworkManager/system-connections -printf '%p %y %m %U %G %l\\n' | sort
find etc run/NetworkManager/system-connections -type f -exec sha256sum {} + | sort -k 2
ls -d var/lib/powernap 2>/dev/null || true
"""
#: Its driver and whoever keeps it meet each card for the first time again.
MEET_ANEW = """
cd /sys/bus/pci/drivers/e100
for card in 0000:*; do echo "$card" >unbind; echo "$card" >bind; done
udevadm settle
"""
SLOW = 300


class Story:
    """What was seen, in the order of the calls of ``tell``."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        asked = [{"interfaces": list(KEEPERS), "_ansible_check_mode": check} for check in (True, False)]
        asked += [{"state": "absent", "_ansible_check_mode": check} for check in (True, False)]
        arguments = [dict(each, _ansible_diff=True) for each in asked]
        request = json.dumps({"module": "powernap_wol", "arguments": arguments})
        made = subprocess.run(
            [sys.executable, HERE / "ansiballz.py"], input=request, stdout=subprocess.PIPE, text=True, check=True
        )
        names = ("foretell", "arm", "foretell return", "return")
        self._programs = dict(zip(names, json.loads(made.stdout), strict=True))

    def module(self, what: str) -> dict:
        """Carry the module out as a host does that ansible-core sends it to with pipelining."""
        return json.loads(self.guest.run(["python3"], text=self._programs[what], seconds=SLOW))

    def tree(self) -> str:
        return self.guest.run(["sh", "-c", TREE], seconds=SLOW)

    def connected(self) -> None:
        self.guest.run(["sh", "-c", CONNECTED], seconds=SLOW)

    def letters(self, awaited: str) -> dict[str, str]:
        """Return what each card wakes on, once it is what is awaited or after half a minute."""
        said = self.guest.run(["sh", "-s", awaited], text=LETTERS, seconds=SLOW)
        return dict(zip(KEEPERS, said.split(), strict=True))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    folder = tmp_path_factory.mktemp("cards")
    (folder / "carried").mkdir()
    guest = Guest(folder, folder / "carried", more=5)
    try:
        guest.ready()
        yield told(Story(guest))
    finally:
        print(guest.console()[-3000:])
        guest.end()


def told(story: Story) -> dict:
    guest, seen = story.guest, {}
    guest.run(["sh", "-c", PREPARE], seconds=SLOW)
    story.connected()
    seen["before"] = story.tree(), story.letters("d")
    seen["foretold"] = story.module("foretell")
    seen["after check mode"] = story.tree(), story.letters("d")
    seen["done"] = story.module("arm")
    seen["while done"] = story.letters("g")
    guest.reboot()
    story.connected()
    seen["after a boot"] = story.letters("g")
    seen["done again"] = story.module("arm")
    guest.run(["systemctl", "--no-block", "suspend"])
    guest.event("SUSPEND", SLOW)
    guest.qmp("system_wakeup")
    guest.event("WAKEUP", 20)
    story.connected()
    seen["after a sleep"] = story.letters("g")
    seen["return foretold"] = story.module("foretell return")
    seen["returned"] = story.module("return")
    seen["in the end"] = story.tree(), story.letters("d")
    guest.run(["sh", "-c", MEET_ANEW], seconds=SLOW)
    story.connected()
    seen["met anew"] = story.letters("d")
    return seen


def test_each_card_is_armed_by_who_sets_it_up(seen: dict) -> None:
    assert {card["name"]: (card["keeper"], card["by"]) for card in seen["done"]["cards"]} == KEEPERS
    assert set(seen["while done"].values()) == {"g"}


def test_check_mode_foretells_it_and_changes_nothing(seen: dict) -> None:
    assert seen["foretold"]["changed"] and seen["foretold"]["diff"] == seen["done"]["diff"]
    assert seen["after check mode"] == seen["before"]
    assert seen["return foretold"]["changed"] and seen["return foretold"]["diff"] == seen["returned"]["diff"]


def test_every_card_is_armed_after_a_boot_and_the_module_has_nothing_to_do(seen: dict) -> None:
    assert seen["after a boot"] == dict.fromkeys(KEEPERS, "g")
    assert not seen["done again"]["changed"], seen["done again"]["diff"]


def test_every_card_is_armed_after_a_sleep(seen: dict) -> None:
    assert seen["after a sleep"] == dict.fromkeys(KEEPERS, "g")


def test_all_comes_back_as_it_was_byte_for_byte(seen: dict) -> None:
    assert seen["returned"]["problems"] == []
    assert seen["in the end"] == seen["before"]
    assert set(seen["before"][1].values()) == {"d"}


def test_no_card_is_armed_anew_once_the_module_has_gone(seen: dict) -> None:
    assert seen["met anew"] == dict.fromkeys(KEEPERS, "d")
