# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waking by magic packets from here; the packets themselves go out in the integration target."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils._packets import (
    Sender,
    Target,
    ethernet_interfaces,
    look,
    wake_all,
)
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import BadValue

MAC = "02:4c:00:00:00:03"


class FakeSegment:
    """Machines that show themselves after so many rounds of magic packets."""

    def __init__(self, **wake_after):
        self.wake_after, self.sent, self.looks = wake_after, [], 0

    def send(self, payloads):
        self.sent.append(payloads)
        return {"ethernet": len(payloads)}, ""

    def look(self, targets):
        self.looks += 1
        return {each.name: "answers" for each in targets if len(self.sent) >= self.wake_after.get(each.name, 99)}


def wake(segment, *targets, **options):
    timing = dict({"timeout": 5, "interval": 0.01, "log": lambda text: None}, **options)
    return wake_all(list(targets), segment.send, segment.look, **timing)


def target(name="web1", **options):
    return Target(name, [MAC], ["192.0.2.3"], **options)


def test_sends_until_the_machine_answers():
    segment = FakeSegment(web1=2)
    (told,) = wake(segment, target())
    assert (told["was"], told["state"], told["changed"], told["proof"]) == ("silent", "awake", True, "answers")
    assert told["magic_packets"] == len(told["tries"]) == 2
    assert told["tries"][0]["ways"] == {"ethernet": 1}


def test_sends_nothing_to_a_machine_that_is_awake():
    segment = FakeSegment(web1=0)
    (told,) = wake(segment, target())
    assert (told["was"], told["state"], told["changed"], told["tries"]) == ("awake", "awake", False, [])
    assert segment.sent == []


def test_one_that_never_answers_is_an_error_with_its_remedy():
    (told,) = wake(FakeSegment(), target(port=443), timeout=0.3)
    assert told["state"] == "silent" and "TCP 443" in told["error"] and "Wake-on-LAN" in told["error"]


def test_without_an_address_it_says_that_it_cannot_know():
    segment = FakeSegment()
    (told,) = wake(segment, Target("web1", [MAC]))
    assert (told["was"], told["state"], told["changed"], "error" in told) == ("unknown", "unknown", True, False)
    assert len(segment.sent) == 3


def test_need_not_wait_and_then_does_not_look():
    segment = FakeSegment()
    (told,) = wake(segment, target(), wait=False)
    assert (told["state"], len(segment.sent), segment.looks) == ("unknown", 1, 0)


def test_a_rate_spreads_the_machines():
    segment = FakeSegment(a=1, b=2)
    log = []
    first, second = wake(segment, target("a"), target("b"), per_minute=120, interval=30, log=log.append)
    assert first["state"] == second["state"] == "awake"
    assert [text.split(":")[0] for text in log if "try 1" in text] == ["a", "b"]
    assert second["tries"][0]["at"] < 0.5  # counted from its own turn, half a second after the first one's


def test_where_no_packet_can_be_sent_it_says_why():
    (told,) = wake_all([Target("web1", [MAC])], lambda payloads: ({}, "ethernet: no"), look, 1, 0.01, log=print)
    assert told["error"] == "no magic packet could be sent (ethernet: no)"


def test_what_is_no_mac_address_or_password_is_refused_with_the_name():
    with pytest.raises(BadValue, match="web1: 'x' is no MAC address"):
        Target("web1", ["x"])
    with pytest.raises(BadValue, match="web1: the SecureOn password is wrong"):
        Target("web1", [MAC], password="secret")


def test_a_port_that_accepts_or_refuses_shows_life():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        open_one = Target("open", [MAC], ["127.0.0.1"], port)
        assert look([open_one]) == {"open": f"127.0.0.1 accepts TCP {port}"}
    assert look([open_one]) == {"open": f"127.0.0.1 refuses TCP {port}"}


def interface(root, name, kind="1", flags="0x1003", address="02:4c:00:00:00:01", master=False):
    folder = root / name
    folder.mkdir()
    for file, text in (("type", kind), ("flags", flags), ("address", address)):
        (folder / file).write_text(text + "\n")
    if master:
        (folder / "master").mkdir()


def test_interfaces_that_are_up_and_of_their_own_are_used(tmp_path):
    interface(tmp_path, "eth0")
    interface(tmp_path, "eth1", flags="0x1002")
    interface(tmp_path, "eth2", master=True)
    interface(tmp_path, "lo", kind="772")
    assert ethernet_interfaces(str(tmp_path)) == {"eth0": bytes.fromhex("024c00000001")}
    assert list(Sender(["eth0"], root=str(tmp_path)).interfaces) == ["eth0"]
    with pytest.raises(BadValue, match="interfaces: eth1 is no Ethernet interface that is up; there are: eth0"):
        Sender(["eth1"], root=str(tmp_path))


def test_without_an_interface_it_says_where_to_run(tmp_path):
    with pytest.raises(BadValue, match="run this on a machine of the segment"):
        Sender(root=str(tmp_path))
