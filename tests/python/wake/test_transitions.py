# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event in every state: which state follows, as one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.python.wake.play import DESK, DESK4, SLEEP, THIRD, WEB4, Play, asked, knock, own, self_asked

from powernap.wake import events as ev
from powernap.wake.hosts import _HANDLERS
from powernap.wake.model import State, Visitor

_SHORT = {
    State.AWAKE: "AWA",
    State.REGISTERED: "REG",
    State.ARMING: "ARM",
    State.PROXIED: "PRO",
    State.WAKING: "WAK",
    State.RESTORING: "RES",
    State.UNREACHABLE: "UNR",
    State.EXPIRED: "EXP",
}


def registered() -> Play:
    play = Play()
    play.tell(ev.Asleep(SLEEP))
    return play


def arming() -> Play:
    play = registered()
    play.advance(1)
    return play


def watched() -> Play:
    play = Play().waking()
    play.tell(ev.OwnerSeen(WEB4.ip))
    play.advance(5.5)
    return play


def asked_whether_awake() -> Play:
    play = Play()
    play.tell(ev.Order("root", 60))
    return play


def waiting() -> Play:
    play = Play().waking()
    play.tell(ev.Postponed())
    return play


def quiet() -> Play:
    play = Play().asleep()
    play.tell(ev.OwnerSeen(None))
    return play


def booting() -> Play:
    play = Play().asleep(replace(SLEEP, action="poweroff"))
    play.tell(knock())
    play.tell(ev.OwnerSeen(WEB4.ip))
    return play


def restoring() -> Play:
    play = Play().waking()
    play.tell(ev.Hello("resume"))
    return play


def expired() -> Play:
    play = Play(wake_on="never").asleep(replace(SLEEP, lease_ends=1200.0, wake_by=1100.0))
    play.advance(300)
    return play


WAYS: dict[str, Callable[[], Play]] = {
    "awake": Play,
    "awake, watched": watched,
    "registered": registered,
    "arming": arming,
    "proxied": lambda: Play().asleep(),
    "proxied, arp": lambda: Play(wake_on="arp").asleep(),
    "proxied, never": lambda: Play(wake_on="never").asleep(),
    "checking": asked_whether_awake,
    "waking": lambda: Play().waking(),
    "waking, waits": waiting,
    "waking, quiet": quiet,
    "waking, booting": booting,
    "restoring": restoring,
    "unreachable": lambda: Play().unreachable(),
    "expired": expired,
}
EVENTS: dict[str, ev.Event] = {
    "tick": ev.Tick(),
    "look": ev.Look(),
    "asleep": ev.Asleep(SLEEP),
    "recalled": ev.Recalled(SLEEP),
    "hello": ev.Hello("resume"),
    "order": ev.Order("root", 60),
    "postponed": ev.Postponed(),
    "turn": ev.Turn(),
    "port": ev.PortOpen(WEB4, 80),
    "seen": ev.OwnerSeen(WEB4.ip),
    "card": ev.OwnerSeen(None),
    "asked": asked(),
    "probed": asked(probe=True),
    "self": self_asked(),
    "pinged": ev.Pinged(WEB4, Visitor("ping", DESK, DESK4), b"echo"),
    "claimed": ev.Claimed(WEB4, THIRD),
    "knock": knock(50009),
    "own": own(knock(50009)),
}
HEADS = "tic loo asl rec hel ord pos tur por see car ask pro sel pin cla kno own"
TABLE = {
    "awake": "AWA AWA REG ARM AWA WAK AWA AWA AWA AWA AWA AWA AWA AWA AWA AWA AWA AWA",
    "awake, watched": "AWA AWA REG ARM AWA WAK AWA AWA AWA AWA AWA AWA AWA AWA AWA AWA AWA AWA",
    "registered": "REG REG REG ARM AWA REG REG REG REG REG REG REG REG REG REG REG REG REG",
    "arming": "ARM ARM REG ARM AWA ARM ARM ARM ARM ARM ARM ARM ARM ARM ARM ARM ARM ARM",
    "proxied": "PRO PRO REG ARM RES WAK PRO PRO PRO RES WAK PRO PRO WAK PRO WAK WAK WAK",
    "proxied, arp": "PRO PRO REG ARM AWA WAK PRO PRO PRO AWA WAK WAK PRO WAK PRO PRO WAK WAK",
    "proxied, never": "PRO PRO REG ARM AWA WAK PRO PRO PRO AWA WAK PRO PRO PRO PRO PRO PRO PRO",
    "checking": "WAK WAK REG ARM AWA WAK WAK WAK WAK AWA WAK WAK WAK WAK WAK WAK WAK WAK",
    "waking": "WAK WAK REG ARM RES WAK WAK WAK WAK RES WAK WAK WAK WAK WAK WAK WAK WAK",
    "waking, waits": "WAK WAK REG ARM RES WAK WAK WAK WAK RES WAK WAK WAK WAK WAK WAK WAK WAK",
    "waking, quiet": "WAK WAK REG ARM RES WAK WAK WAK WAK RES WAK WAK WAK WAK WAK WAK WAK WAK",
    "waking, booting": "WAK WAK REG ARM WAK WAK WAK WAK RES WAK WAK WAK WAK WAK WAK WAK WAK WAK",
    "restoring": "RES RES REG ARM RES RES RES RES RES RES RES RES RES RES RES RES RES RES",
    "unreachable": "UNR UNR REG ARM RES WAK UNR UNR UNR RES WAK UNR UNR WAK UNR WAK WAK WAK",
    "expired": "EXP EXP REG ARM AWA WAK EXP EXP EXP AWA AWA EXP EXP EXP EXP EXP EXP EXP",
}


def next_state(way: str, event: str) -> str:
    play = WAYS[way]()
    play.tell(EVENTS[event])
    return _SHORT[play.state]


def test_the_table_has_every_event_and_every_state() -> None:
    assert {type(event) for event in EVENTS.values()} == set(_HANDLERS)
    assert HEADS.split() == [name[:3] for name in EVENTS]
    assert TABLE.keys() == WAYS.keys()
    assert {_SHORT[play().state] for play in WAYS.values()} == set(_SHORT.values())


@pytest.mark.parametrize("way", WAYS)
def test_what_follows_from_every_event(way: str) -> None:
    assert dict(zip(EVENTS, (next_state(way, event) for event in EVENTS), strict=True)) == dict(
        zip(EVENTS, TABLE[way].split(), strict=True)
    )
