# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was off answers ARP long before its services take connections."""

from __future__ import annotations

from dataclasses import replace

from tests.python.wake.play import DESK, OWNER, SLEEP, WEB4, Play, asked, knock, own

from powernap.wake import events as ev
from powernap.wake.model import State

OFF = replace(SLEEP, action="poweroff")


def booting() -> Play:
    play = Play().asleep(OFF)
    play.tell(knock())
    play.advance(20)
    play.clear()
    play.tell(ev.OwnerSeen(WEB4.ip))
    return play


def test_what_was_held_is_kept_until_the_port_is_open() -> None:
    play = booting()
    play.advance(5)
    assert play.state is State.WAKING
    assert not play.all(ev.Replay)
    assert (WEB4, 80) in {(effect.address, effect.port) for effect in play.all(ev.TryPort)}
    play.tell(ev.PortOpen(WEB4, 80))
    assert play.state is State.RESTORING
    assert play.all(ev.Replay)
    assert WEB4 in [effect.address for effect in play.all(ev.GiveBack)]


def test_a_hello_alone_does_not_open_a_port() -> None:
    play = booting()
    play.tell(ev.Hello("boot"))
    play.advance(1)
    assert play.state is State.WAKING and not play.all(ev.Replay)
    play.tell(ev.PortOpen(WEB4, 80))
    play.advance(10)
    assert play.state is State.AWAKE and play.host.sleep is None, "the hello counts all the same"


def test_the_machine_that_boots_gets_no_more_magic_packets_and_answers_for_itself() -> None:
    play = booting()
    play.tell(asked())
    play.tell(knock(frame=b"again"))
    play.advance(10)
    assert not play.all(ev.Volley) and not play.all(ev.Answer)
    assert [held.frame for held in play.host.held] == [b"again"], "the newest SYN is held"


def test_who_waits_is_told_alone_to_go_on_waiting_here() -> None:
    play = Play().asleep(OFF)
    play.tell(asked())
    play.tell(knock())
    play.clear()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(2)
    assert {effect.to for effect in play.all(ev.Announce)} == {DESK}, "nobody else is"


def test_a_service_that_never_comes_is_an_alert_and_the_client_learns_it() -> None:
    play = booting()
    play.advance(play.policy.resume_timeout + 1)
    assert play.all(ev.Replay), "refused now, by the host itself"
    assert any(effect.event == "alert" for effect in play.all(ev.Log))


def test_another_port_that_opens_does_not_count() -> None:
    play = booting()
    play.tell(ev.PortOpen(WEB4, 22))
    play.advance(1)
    assert play.state is State.WAKING


def test_a_resume_does_not_wait_for_ports_nor_a_boot_that_nobody_waits_for() -> None:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.RESTORING
    play = Play().asleep(OFF)
    play.tell(ev.Order("admin", 60))
    play.tell(ev.OwnerSeen(WEB4.ip))
    assert play.state is State.RESTORING
    assert OWNER in play.host.all_macs()


def test_the_look_whether_a_port_is_open_is_not_held_as_demand() -> None:
    play = booting()
    before = play.host.held
    play.tell(own(knock(port=51000)))
    assert play.host.held == before
