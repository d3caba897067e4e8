# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and events to lines: who is who, what comes of a question or a knock, and in which order. Needs no scapy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.python.trace.frames import ALL, DESK, DESK_IP, SERVER, SERVER_IP, STRANGER, WEB1, WEB1_IP, WEB1_IP6, web1

from powernap.trace.lines import PATIENCE, Lines
from powernap.trace.names import Names
from powernap.trace.seen import Kind, Seen
from powernap.trace.words import concerned, text


def names(**changes: Any) -> Names:
    made = Names([SERVER], [SERVER_IP, "fd4c::1"])
    made.put(web1(**changes))
    return made


def lines(live: bool = True, **changes: Any) -> Lines:
    return Lines(names(**changes), live)


def question(at: float = 10.0, **changes: Any) -> Seen:
    told: dict[str, Any] = {"protocol": "ARP", "source": DESK_IP, "target": WEB1_IP, **changes}
    return Seen(at, told.pop("kind", Kind.QUESTION), eth_source=DESK, eth_destination=ALL, **told)


def answer(at: float = 10.01, mac: str = SERVER, **changes: Any) -> Seen:
    told: dict[str, Any] = {"source": DESK_IP, "target": WEB1_IP, "mac": mac, **changes}
    return Seen(at, Kind.ANSWER, "ARP", mac, DESK, **told)


def knock(at: float = 10.0, **changes: Any) -> Seen:
    told: dict[str, Any] = {"source": DESK_IP, "target": WEB1_IP, "source_port": 4711, "port": 80, **changes}
    return Seen(at, told.pop("kind", Kind.SYN), told.pop("protocol", "TCP"), DESK, SERVER, **told)


def event(what: str, at: float = 10.02, detail: str = "") -> dict[str, Any]:
    return {"id": 1, "time": at, "host": "web1", "event": what, "detail": detail}


def told(of: Lines) -> list[str]:
    return [line.text for line in of.take(float("inf"))]


def test_a_question_is_told_with_who_answers() -> None:
    for mac, who in ((SERVER, "wake server"), (WEB1, "web1"), (STRANGER, STRANGER)):
        made = lines()
        made.frame(question())
        made.frame(answer(mac=mac))
        assert told(made) == [f"{DESK_IP} ({DESK}) asks for web1 {WEB1_IP} -> {who} answers"]


def test_a_question_without_answer_says_so() -> None:
    made = lines()
    made.frame(question())
    made.frame(answer(target="198.18.0.4"))
    assert told(made)[0].endswith("-> no answer")


def test_answers_that_a_switch_does_not_bring_here_are_not_missed() -> None:
    made = lines()
    made.frame(question(target="198.18.0.4"))
    assert told(made) == [f"{DESK_IP} ({DESK}) asks for 198.18.0.4"]
    for made in (lines(wake_state="awake"), lines(live=False)):
        made.frame(question())
        assert "->" not in told(made)[0]


def test_a_second_card_that_answers_is_told() -> None:
    made = lines()
    made.frame(question())
    made.frame(answer())
    made.frame(answer(at=10.02, mac=WEB1))
    assert told(made) == [
        f"{DESK_IP} ({DESK}) asks for web1 {WEB1_IP} -> wake server answers",
        f"web1 ({WEB1}) tells {DESK_IP} ({DESK}): web1 {WEB1_IP} is at {WEB1}",
    ]


def test_an_answer_belongs_to_the_last_question() -> None:
    made = lines()
    made.frame(question(at=10.0))
    made.frame(question(at=10.3))
    made.frame(answer(at=10.31, mac=WEB1))
    assert [line.rpartition("-> ")[2] for line in told(made)] == ["no answer", "web1 answers"]


def test_names_that_are_learnt_while_a_frame_waits_are_told() -> None:
    made = Lines(Names([SERVER], [SERVER_IP]), True)
    made.frame(question())
    made.names.put(web1())
    (line,) = made.take(float("inf"))
    assert "asks for web1" in line.text and line.hosts == ("web1",)


def test_an_answer_to_a_probe_defends_the_address() -> None:
    made = lines()
    made.frame(question(kind=Kind.PROBE, source=""))
    made.frame(answer(source=""))
    assert told(made) == [f"{DESK} asks whether web1 {WEB1_IP} is free -> wake server answers"]


def test_a_knock_is_told_with_what_powerwaked_makes_of_it() -> None:
    made = lines()
    made.frame(knock())
    made.frame(knock(at=10.05, source_port=4712))
    made.event(event("demand", detail=f"TCP SYN to port 80 from {DESK_IP}:4711 ({DESK})"))
    assert told(made) == [
        f"SYN {DESK_IP}:4711 -> web1:80 -> demand: powerwaked wakes web1",
        f"powerwaked, web1: demand: TCP SYN to port 80 from {DESK_IP}:4711 ({DESK})",
        f"SYN {DESK_IP}:4712 -> web1:80 -> held: web1 is being woken",
    ]


def test_a_knock_that_is_read_after_what_came_of_it_is_told_the_same() -> None:
    made = lines()
    made.event(event("demand", detail=f"TCP SYN to port 80 from {DESK_IP}:4711 ({DESK})"))
    made.names.put(web1(wake_state="waking"))
    made.frame(knock())
    made.frame(knock(at=12.0))
    assert [line.rpartition("-> ")[2] for line in told(made) if line.startswith("SYN")] == [
        "demand: powerwaked wakes web1",
        "held: web1 is being woken",
    ]


@pytest.mark.parametrize(
    ("host", "seen", "comes"),
    [
        ({}, knock(port=81), "no demand: web1 did not register this port"),
        ({"wake_on": "never"}, knock(), "no demand: wake_on of web1 is never"),
        ({"wake_state": "waking"}, knock(), "held: web1 is being woken"),
        ({}, knock(kind=Kind.DATAGRAM, protocol="UDP", port=162), "no demand: web1 did not register this port"),
        ({}, knock(), "powerwaked does not wake web1 for it: see 'powerwake status web1' and 'powerwake criers'"),
        ({"tcp_ports": ""}, knock(), "no demand: web1 did not register this port"),
    ],
)
def test_a_knock_that_is_no_demand_says_why(host: dict[str, Any], seen: Seen, comes: str) -> None:
    made = lines(**host)
    made.frame(seen)
    assert told(made)[0].endswith(f" -> {comes}")


def test_a_knock_that_is_ignored_says_by_what_rule() -> None:
    made = lines()
    made.frame(knock())
    assert made.unexplained
    made.refusals[DESK_IP] = "wakes too many hosts"
    assert told(made)[0].endswith("-> ignored: wakes too many hosts")
    assert not made.unexplained


def test_nothing_comes_of_a_knock_at_a_host_that_is_awake_or_that_was_recorded() -> None:
    for made in (lines(wake_state="awake"), lines(live=False)):
        made.frame(knock())
        assert told(made) == [f"SYN {DESK_IP}:4711 -> web1:80"]


def test_a_question_that_is_demand_says_so() -> None:
    made = lines(wake_on="arp")
    made.frame(question())
    made.event(event("demand", detail=f"ARP from {DESK_IP} ({DESK})"))
    assert told(made)[0].endswith("-> demand: powerwaked wakes web1")


def test_a_question_that_may_not_wake_says_why() -> None:
    made = lines(wake_on="arp")
    made.frame(question())
    assert made.unexplained
    made.refusals[DESK_IP] = 'denied by the rule "198.18.0.9"'
    assert told(made)[0].endswith('-> ignored: denied by the rule "198.18.0.9"')
    made = lines(wake_on="never")
    made.frame(question())
    assert told(made)[0].endswith("-> no answer: wake_on of web1 is never")
    made = lines(wake_on="arp")
    made.frame(question())
    made.frame(answer(mac=WEB1))
    assert told(made)[0].endswith("-> web1 answers")


def test_probes_of_the_wake_server_that_nobody_answers_are_told_apart() -> None:
    probe = Seen(10.0, Kind.QUESTION, "ARP", SERVER, WEB1, source="198.18.0.1", target=WEB1_IP)
    for of_web1, idle in (([], True), ([replace(answer(mac=WEB1), eth_destination=SERVER)], False)):
        made = lines(wake_on="never")
        for frame in (probe, *of_web1):
            made.frame(frame)
        assert [line.is_idle_probe for line in made.take(float("inf"))] == [idle]
    made = lines()
    made.frame(question())
    assert [line.is_idle_probe for line in made.take(float("inf"))] == [False]


def test_lines_come_in_the_order_of_their_time_and_wait_for_what_follows() -> None:
    made = lines()
    made.frame(question(at=10.2, target="198.18.0.8"))
    made.event(event("proxied", at=10.1))
    assert made.take(10.1 + PATIENCE - 0.01) == []
    assert [line.time for line in made.take(10.1 + PATIENCE)] == [10.1]
    assert [line.time for line in made.take(99.0)] == [10.2]


def test_a_flood_is_bounded_and_counted() -> None:
    made = lines()
    for number in range(10_050):
        made.frame(question(target=f"198.18.{number % 200}.9"))
    assert made.left_out == 50
    assert len(told(made)) == 10_000


def test_announcements_say_whose_the_address_is_now() -> None:
    def announced(source: str, at: str) -> str:
        return text(Seen(1.0, Kind.ANNOUNCEMENT, "ARP", source, ALL, target=WEB1_IP, mac=at), names())

    assert announced(SERVER, SERVER) == f"wake server stands in for web1: {WEB1_IP} is here, told to all"
    assert announced(SERVER, WEB1) == f"wake server gives {WEB1_IP} back to web1 ({WEB1}), told to all"
    assert announced(WEB1, WEB1) == f"web1 ({WEB1}) says that {WEB1_IP} is its own"
    assert announced(STRANGER, STRANGER) == f"{STRANGER} says that {WEB1_IP} of web1 is its own: a conflict"


def test_magic_packets_are_told_with_whom_they_wake_and_how() -> None:
    by_type = Seen(1.0, Kind.MAGIC, "EtherType 0x0842", SERVER, WEB1, mac=WEB1)
    assert text(by_type, names()) == f"magic packet for web1 ({WEB1}) (EtherType, unicast) from wake server"
    by_udp = Seen(1.0, Kind.MAGIC, "UDP", DESK, ALL, mac=STRANGER, port=9, secured=True, vlan=7)
    assert text(by_udp, names()) == (
        f"magic packet for {STRANGER}, which is not registered (UDP port 9, broadcast, with a SecureOn password) "
        f"from {DESK} [VLAN 7]"
    )


def test_a_replayed_frame_is_told_from_the_first() -> None:
    again = Seen(1.0, Kind.SYN, "TCP", SERVER, WEB1, source=DESK_IP, target=WEB1_IP, source_port=4711, port=80)
    assert text(again, names()).endswith("passed on by the wake server")
    own = Seen(1.0, Kind.SYN, "TCP", SERVER, WEB1, source=SERVER_IP, target=WEB1_IP6, source_port=4711, port=80)
    assert text(own, names()) == "SYN wake server:4711 -> web1:80"


def test_a_frame_concerns_who_asks_is_asked_for_or_is_woken() -> None:
    assert concerned(question(), names()) == ("web1",)
    assert concerned(question(source=WEB1_IP, target=DESK_IP), names()) == ("web1",)
    assert concerned(Seen(1.0, Kind.MAGIC, "UDP", DESK, ALL, mac=WEB1), names()) == ("web1",)
    assert concerned(question(target="198.18.0.8"), names()) == ()


def test_a_host_that_changed_or_is_forgotten_keeps_no_address() -> None:
    made = names()
    made.put(web1(addresses=["198.18.0.4/16"]))
    assert (made.of_ip(WEB1_IP), made.of_ip("198.18.0.4")) == (None, "web1")
    made.put({**web1(), "name": "web2", "addresses": ["198.18.0.4"]})
    made.remove("web1")
    assert (made.of_ip("198.18.0.4"), made.of_mac(WEB1)) == ("web2", "web2")
