# SPDX-License-Identifier: GPL-3.0-or-later
"""Which demand is let through to a host."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.python.wake.play import DESK, DESK4, WEB4, Play, asked, knock, own, self_asked

from powernap.config.wake import WakeConfig, load_wake
from powernap.wake import events as ev
from powernap.wake.demand.doorkeeper import TOO_MANY, Doorkeeper
from powernap.wake.model import State, Visitor
from powernap.wake.path.base import Unwelcome

Doorkeepers = Callable[..., Doorkeeper]
SYN = Visitor("TCP SYN", DESK, DESK4, 50000, 80)


class FakeWolves:
    """Believes nobody of `demoted`."""

    def __init__(self) -> None:
        self.demoted: set[bytes] = set()
        self.told: list[tuple[Visitor, str]] = []

    def refusal(self, visitor: Visitor) -> str:
        return "cried wolf" if visitor.ip in self.demoted else ""

    def refused(self, host: str, visitor: Visitor, reason: str) -> None:
        self.told.append((visitor, reason))

    @property
    def reasons(self) -> list[str]:
        return [reason for _visitor, reason in self.told]


@pytest.fixture
def wolves() -> FakeWolves:
    return FakeWolves()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., WakeConfig]:
    def make(text: str = "") -> WakeConfig:
        path = tmp_path / "powerwaked.toml"
        path.write_text(text)
        return load_wake(path)

    return make


@pytest.fixture
def doorkeeper(config: Callable[..., WakeConfig], wolves: FakeWolves) -> Callable[..., Doorkeeper]:
    return lambda text="": Doorkeeper(config(text), wolves)


def sleeper(**host: object) -> Play:
    return Play(**host).asleep()


def test_without_rules_a_sleeper_hears_every_demand(doorkeeper: Doorkeepers, wolves: FakeWolves) -> None:
    host = sleeper().host
    for event in (knock(), asked(), self_asked(), own(knock()), ev.Tick()):
        assert doorkeeper().admit(host, event, 0.0) is event
    assert not doorkeeper().may_refuse(host)
    assert wolves.told == []


def test_denied_demand_is_not_heard_and_counted_with_the_rule(doorkeeper: Doorkeepers, wolves: FakeWolves) -> None:
    made = doorkeeper('[wake]\ndeny = ["198.18.0.9"]')
    assert made.admit(sleeper().host, knock(), 0.0) is None
    assert wolves.told == [(SYN, 'denied by the rule "198.18.0.9"')]


def test_what_is_denied_to_one_address_can_be_refused_without_asking(doorkeeper: Doorkeepers) -> None:
    made = doorkeeper('[wake]\ndeny = ["198.18.0.9", "fd4c::9 tcp/22"]\n[groups.lab]\ndeny = ["198.18.0.8"]')
    assert made.denied == {
        Unwelcome(DESK4): 'denied by the rule "198.18.0.9"',
        Unwelcome(ipaddress.ip_address("fd4c::9").packed, "tcp", 22): 'denied by the rule "fd4c::9 tcp/22"',
    }
    assert not made.may_refuse(sleeper().host)
    assert made.may_refuse(sleeper(group="lab").host), "what is denied to a group is not denied to all"


@pytest.mark.parametrize(
    "rule",
    [
        'deny = ["198.18.0.0/31"]',
        'deny = ["02:4c:00:00:00:09"]',
        'deny = ["tcp/22"]',
        'deny = ["198.18.0.9 tcp/1-2"]',
        'allow = ["198.18.0.9"]',
    ],
)
def test_what_only_the_daemon_can_judge_it_is_asked_for(doorkeeper: Doorkeepers, rule: str) -> None:
    made = doorkeeper(f"[wake]\n{rule}")
    assert made.may_refuse(sleeper().host) and made.denied == {}


def test_a_group_has_its_own_rules_beside_those_of_all(doorkeeper: Doorkeepers) -> None:
    made = doorkeeper('[wake]\nallow = ["10.0.0.0/8"]\n[groups.lab]\nallow = ["198.18.0.0/16"]\ndeny = ["tcp/22"]')
    assert made.admit(sleeper().host, knock(), 0.0) is None
    assert made.admit(sleeper(group="lab").host, knock(), 0.0) is not None
    assert made.admit(sleeper(group="unknown").host, knock(), 0.0) is None
    ssh = knock()._replace(held=knock().held._replace(visitor=SYN._replace(to_port=22)))
    assert made.admit(sleeper(group="lab").host, ssh, 0.0) is None


def test_a_denied_question_is_answered_but_does_not_wake(doorkeeper: Doorkeepers) -> None:
    made = doorkeeper('[wake]\ndeny = ["198.18.0.9"]')
    play = sleeper(wake_on="arp")
    event = made.admit(play.host, asked(), 0.0)
    assert event == asked()._replace(wakes=False)
    play.tell(event)
    assert play.state is State.PROXIED
    play.tell(doorkeeper().admit(play.host, asked(), 0.0))
    assert play.state is State.WAKING
    answering = sleeper()
    answering.tell(made.admit(answering.host, asked(), 0.0))
    assert answering.all(ev.Answer)


def test_what_cannot_wake_is_not_judged(doorkeeper: Doorkeepers, wolves: FakeWolves) -> None:
    made = doorkeeper('[wake]\ndeny = ["198.18.0.9"]')
    awake = Play(wake_on="arp")
    never = sleeper(wake_on="never")
    for host, event in (
        (awake.host, asked()),
        (awake.host, knock()),  # it has stale neighbours: their frames are passed on
        (never.host, knock()),
        (sleeper(wake_on="arp").host, asked(probe=True)),
        (sleeper().host, asked()),
    ):
        assert made.admit(host, event, 0.0) is event
    assert wolves.told == []


@pytest.mark.parametrize(
    ("monitor", "what"),
    [
        ("tcp_syn", "TCP SYN"),
        ("ssh_data", "TCP data"),
        ("udp", "UDP"),
        ("arp", "ARP"),
        ("neighbour_solicitation", "NS"),
    ],
)
def test_a_monitor_that_is_off_wakes_nobody(
    doorkeeper: Doorkeepers, wolves: FakeWolves, monitor: str, what: str
) -> None:
    made = doorkeeper(f"[demand]\n{monitor} = false")
    host = sleeper().host
    for each in ("TCP SYN", "TCP data", "UDP", "ARP", "NS"):
        event = ev.SelfAsked(WEB4, SYN._replace(what=each))
        assert (made.admit(host, event, 0.0) is None) is (each == what)
        assert made.is_on(each) is (each != what)
    assert wolves.reasons == ["its monitor is off"]
    assert made.may_refuse(host)


def test_who_cried_wolf_is_not_heard(doorkeeper: Doorkeepers, wolves: FakeWolves) -> None:
    made = doorkeeper()
    wolves.demoted.add(DESK4)
    assert made.admit(sleeper().host, knock(), 0.0) is None
    assert wolves.reasons == ["cried wolf"]


def test_one_source_wakes_only_so_many_hosts_unless_it_is_trusted(doorkeeper: Doorkeepers, wolves: FakeWolves) -> None:
    hosts = [sleeper().host for _ in range(10)]
    made = doorkeeper("[wake]\nwakes_per_source = 3")
    assert sum(made.admit(host, knock(), 0.0) is not None for host in hosts) == 3
    assert wolves.reasons == [TOO_MANY] * 7
    for source in ("198.18.0.0/16", "02:4c:00:00:00:09"):
        trusting = doorkeeper(f'[wake]\nwakes_per_source = 3\ntrusted = ["{source}"]')
        assert all(trusting.admit(host, knock(), 0.0) for host in hosts)


def test_demand_for_a_host_that_is_being_woken_is_no_new_wake(doorkeeper: Doorkeepers) -> None:
    made = doorkeeper("[wake]\nwakes_per_source = 1")
    waking = Play().waking()
    assert all(made.admit(waking.host, knock(port), 0.0) for port in range(1, 10))
    going_down = Play()
    going_down.tell(ev.Asleep(sleeper().host.sleep))
    going_down.tell(knock())
    assert all(made.admit(going_down.host, knock(port), 0.0) for port in range(1, 10))
    assert made.admit(sleeper().host, knock(), 0.0) is not None
    assert made.admit(sleeper().host, knock(), 0.0) is None


def test_a_reload_takes_new_rules_and_keeps_count(doorkeeper: Doorkeepers, config: Callable[..., WakeConfig]) -> None:
    made = doorkeeper("[wake]\nwakes_per_source = 1")
    assert made.admit(sleeper().host, knock(), 0.0) is not None
    made.adopt(config('[wake]\nwakes_per_source = 1\ndeny = ["udp/1"]'))
    assert made.may_refuse(sleeper().host)
    assert made.admit(sleeper().host, knock(), 0.0) is None
    made.adopt(config("[wake]\nwakes_per_source = 2"))
    assert made.admit(sleeper().host, knock(), 0.0) is not None
