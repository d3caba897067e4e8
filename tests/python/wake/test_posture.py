# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet path is told in each state of a host."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.python.wake.play import OWNER, SLEEP, WEB4, WEB6, Play, knock

from powernap.wake import events as ev
from powernap.wake.host import Host
from powernap.wake.model import State
from powernap.wake.path.base import GATES, Entry
from powernap.wake.posture import Stance, at_rest, cards, posture, standing_by


def entry(host: Host, may_fire: bool = True) -> Entry:
    """That of the IPv4 address; that of the other is the same but for the card."""
    found = posture(host, may_fire)
    assert found.keys() == {WEB4, WEB6} and found[WEB4] == found[WEB6]
    return found[WEB4]


def does(host: Host) -> tuple[bool, bool, bool]:
    found = entry(host)
    assert found.mac == OWNER and found.host == host.number
    return found.answers, found.fires, found.on_question


def play(**host: object) -> Play:
    return Play(number=7, **host)


def test_a_sleeper_is_answered_for_and_woken() -> None:
    host = play().asleep().host
    assert does(host) == (True, True, False)
    assert (entry(host).tcp, entry(host).udp) == (SLEEP.tcp, SLEEP.udp)
    assert cards(host) == (OWNER,) and at_rest(host)


def test_a_wake_that_somebody_has_to_judge_is_not_the_kernels() -> None:
    host = play().asleep().host
    assert entry(host, may_fire=False) == replace(entry(host), fires=False)


def test_a_sleeper_of_a_group_is_behind_its_gate() -> None:
    lab, rack = (entry(play(group=group).asleep().host).gate for group in ("lab", "rack1"))
    assert 0 < lab < GATES and 0 < rack < GATES and lab != rack
    assert entry(play().asleep().host).gate == 0


def test_what_wakes_by_a_question_is_not_answered_for() -> None:
    assert does(play(wake_on="arp").asleep().host) == (False, True, True)


def test_what_is_never_to_wake_is_watched() -> None:
    assert does(play(wake_on="never").asleep().host) == (False, False, False)


def test_one_that_is_stood_in_for_and_may_no_longer_wake_is_answered_for() -> None:
    host = replace(play().asleep().host, wake_on="never")
    assert does(host) == (True, False, False)


def test_while_it_goes_to_sleep_it_is_watched() -> None:
    story = play()
    story.tell(ev.Asleep(SLEEP))
    assert story.state is State.REGISTERED and does(story.host) == (False, False, False)
    story.advance(1)
    assert story.state is State.ARMING and does(story.host) == (False, False, False)
    assert cards(story.host) == (OWNER,)


def test_while_it_wakes_it_is_answered_for_and_woken_by_the_daemon_alone() -> None:
    story = play().asleep()
    story.tell(knock())
    assert story.state is State.WAKING and does(story.host) == (True, False, False)
    assert not at_rest(story.host)


def test_a_machine_that_boots_is_not_answered_for() -> None:
    story = play().asleep(replace(SLEEP, action="poweroff"))
    story.tell(knock())
    story.tell(ev.OwnerSeen(WEB4.ip))
    assert story.host.wake is not None and story.host.wake.booting
    assert does(story.host) == (False, False, False)


def test_from_its_first_sign_of_life_on_nobody_answers_for_it() -> None:
    story = play().waking()
    story.tell(ev.OwnerSeen(WEB4.ip))
    assert story.state is State.RESTORING and does(story.host) == (False, False, False)
    story.tell(ev.Hello("resume"))
    story.advance(10)
    assert story.state is State.AWAKE and posture(story.host) == {} and cards(story.host) == ()


def test_one_that_did_not_wake_is_woken_again_by_the_next_demand() -> None:
    assert does(play().unreachable().host) == (True, True, False)


def test_one_that_never_slept_and_cannot_be_reached_is_watched() -> None:
    story = play(addresses=(WEB4, WEB6))
    story.tell(ev.Order("somebody", 1.0))
    story.advance(200)
    assert story.state is State.UNREACHABLE and does(story.host) == (False, False, False)


def test_an_address_whose_lease_is_over_concerns_nobody() -> None:
    story = play().asleep(replace(SLEEP, wake_by=1020.0, lease_ends=1030.0))
    story.advance(300)
    assert story.state is State.EXPIRED and posture(story.host) == {}
    assert cards(story.host) == (OWNER,)


def test_one_that_was_seen_awake_but_did_not_say_so_is_watched() -> None:
    story = play().asleep()
    story.tell(ev.OwnerSeen(WEB4.ip))
    story.advance(7, owner_answers=True)
    assert story.state is State.AWAKE and story.host.arm is not None
    assert does(story.host) == (False, False, False) and not at_rest(story.host)


def test_an_address_whose_card_is_not_known_cannot_be_woken_by_the_kernel() -> None:
    nobody = WEB4._replace(mac=bytes(6))
    found = standing_by(7, Stance(State.PROXIED, True, "demand"), SLEEP, (nobody,))
    assert (found[nobody].answers, found[nobody].fires) == (True, False)


@pytest.mark.parametrize(("password", "raw"), [(None, b""), ("02:4c:aa:bb:cc:dd", b"\x02\x4c\xaa\xbb\xcc\xdd")])
def test_the_kernel_knows_the_password_and_who_answers_pings(password: str | None, raw: bytes) -> None:
    host = play().asleep(replace(SLEEP, password=password, pings=True)).host
    assert (entry(host).password, entry(host).pings) == (raw, True)
    assert not entry(replace(host, captured=False)).pings
