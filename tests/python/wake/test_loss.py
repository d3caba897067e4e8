# SPDX-License-Identifier: GPL-3.0-or-later
"""How many wakes are missed where frames are lost: thousands of them, played with the pure state machine.

Each play is a sleeping host, a client that repeats its SYN as Linux does, and a wire that loses some of everything.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.python.wake.play import DESK4, WEB4, Play, asked, knock

from powernap.wake import events as ev
from powernap.wake.model import Policy

SYNS = (0, 1, 2, 3, 4, 5, 7, 11, 19, 35)  # seconds; Linux 6.18
SYN_ACKS = (0, 1, 3, 7, 15)
PACKETS_OF_A_VOLLEY = 3
ROUND_TRIP = 0.0005


@dataclass(frozen=True)
class Wire:
    """Shares that are lost: of all frames, of magic packets, of volleys as a whole (the link is just being set up)."""

    frames: float = 0.05
    magic: float = 0.20
    volleys: float = 0.0


class Story:
    """One wake. `ready`, `connected`: seconds after the client's first SYN; None where that never came."""

    def __init__(self, seed: int, wire: Wire, delay: float, policy: Policy, syns: tuple[int, ...]) -> None:
        self.dice, self.wire, self.delay = random.Random(seed), wire, delay
        self.play = Play(policy).asleep()
        self.start = self.play.now
        self.resuming = False
        self.ready: float | None = None
        self.connected: float | None = None
        self.at_server = True  # where the client believes that the address is
        self.flow_open = False
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        for seconds in syns:
            self.at(self.start + seconds, self.syn)
        self.run(self.start + SYNS[-1] + 5)

    def at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time, next(self._order), act))

    def passes(self, share: float | None = None) -> bool:
        return self.dice.random() >= (self.wire.frames if share is None else share)

    def run(self, end: float) -> None:
        play = self.play
        while self.connected is None:
            due = play.host.deadline(play.policy)
            time = min(self._agenda[0][0] if self._agenda else end, due)
            if time >= end:
                return
            play.now = max(play.now, time)
            if self._agenda and self._agenda[0][0] <= due:
                heapq.heappop(self._agenda)[2]()
            else:
                self.tell(ev.Tick())

    def tell(self, event: ev.Event) -> None:
        for effect in self.play.tell(event):
            if isinstance(effect, ev.Volley):
                self.volley()
            elif isinstance(effect, ev.Probe) and effect.address == WEB4:
                if self.ready is not None and self.passes() and self.passes():
                    self.soon(lambda: self.tell(ev.OwnerSeen(WEB4.ip)))
            elif isinstance(effect, ev.GiveBack) and effect.address == WEB4:
                self.at_server &= not self.passes()
            elif isinstance(effect, ev.Replay) and self.passes():
                self.arrives()

    def soon(self, act: Callable[[], None]) -> None:
        self.at(self.play.now + ROUND_TRIP, act)

    def volley(self) -> None:
        packets = sum(self.passes(self.wire.magic) for number in range(PACKETS_OF_A_VOLLEY))
        heard = self.passes(self.wire.volleys) and packets
        if heard and not self.resuming:
            self.resuming = True
            self.at(self.play.now + self.delay, self.resumed)

    def resumed(self) -> None:
        self.ready = self.play.now - self.start
        if self.passes():
            self.soon(lambda: self.tell(ev.OwnerSeen(WEB4.ip)))  # it announces itself
        hello = next(seconds for seconds in (0.01, 0.21, 0.61, 1.41, 3.0, 6.0, 12.0, 24.0) if self.passes())
        self.at(self.play.now + hello, lambda: self.tell(ev.Hello("resume")))

    def syn(self) -> None:
        if not self.passes():
            return
        if self.at_server:
            # Its question comes first, once; either is no more than one frame that may be lost.
            if self.play.now == self.start:
                self.tell(asked())
            self.tell(knock())
        else:
            self.arrives()

    def arrives(self) -> None:
        """A SYN reaches the host, which repeats its answer until one comes through."""
        if self.ready is None or self.flow_open:
            return
        self.flow_open = True
        if self.passes():
            self.soon(lambda: self.tell(ev.OwnerSeen(WEB4.ip, DESK4)))  # it asks where the client is
        for seconds in SYN_ACKS:
            if self.passes():
                self.at(self.play.now + seconds, self.opens)
                return

    def opens(self) -> None:
        self.connected = self.play.now - self.start


def stories(
    number: int, wire: Wire, delay: float, policy: Policy | None = None, syns: tuple[int, ...] = SYNS
) -> list[Story]:
    return [Story(seed, wire, delay, policy or Policy(), syns) for seed in range(number)]


def missed(told: list[Story]) -> float:
    return sum(story.ready is None for story in told) / len(told)


@pytest.mark.parametrize("delay", [0.5, 2.5, 5.5, 13.0])
def test_no_wake_is_missed_and_connections_open_soon(delay: float) -> None:
    told = stories(1500, Wire(), delay)
    assert missed(told) < 0.001
    assert sum(story.connected is None for story in told) / len(told) <= 0.001
    late = sorted(story.connected - story.ready for story in told if story.connected is not None)
    print(
        f"{delay} s: connected after ready: median {late[len(late) // 2]:.3f} s, 99 % {late[-len(late) // 100]:.3f} s"
    )
    assert late[len(late) // 2] < 0.15
    assert late[-len(late) // 100] < 2.0


def test_whole_volleys_may_be_lost() -> None:
    assert missed(stories(1500, Wire(volleys=0.2), 2.5)) < 0.001


def test_who_asks_once_only_wakes_the_host_too() -> None:
    assert missed(stories(1500, Wire(frames=0, volleys=0.2), 2.5, syns=SYNS[:1])) < 0.001


def test_a_server_that_did_not_repeat_itself_would_miss_a_fifth() -> None:
    """What these plays show where it is so."""
    share = missed(stories(400, Wire(frames=0, volleys=0.2), 2.5, Policy(volleys=1), syns=SYNS[:1]))
    assert 0.1 < share < 0.3
