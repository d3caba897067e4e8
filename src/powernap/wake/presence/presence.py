# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as it comes in, from the link, the wake server's state machine and looks; what changes is an event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from powernap.shared.mac import format_mac
from powernap.wake.clock import clock
from powernap.wake.host import Host
from powernap.wake.link.hub import LEASE_SECONDS, HubListener, Peer
from powernap.wake.link.words import Hello, Said
from powernap.wake.model import State
from powernap.wake.notes import Notes
from powernap.wake.presence.known import Known, Store
from powernap.wake.presence.marks import Marks
from powernap.wake.presence.naps import Naps
from powernap.wake.presence.status import Condition, Facts, Look, Parting, Status, Word, asleep, fuse
from powernap.wake.roster import Roster

_UP = (State.AWAKE, State.RESTORING)
_ITS_CARD = " of its card"
_SAYS_SO = (State.AWAKE, State.EXPIRED)
#: Ways by which a host is reached through a broker, which learns late that one is gone, or never.
_BY_BROKER = ("mqtt", "stomp")


class _Brief(NamedTuple):
    """What the wake server's state machine says of a host. `since`: CLOCK_BOOTTIME."""

    name: str
    number: int
    group: str
    state: State
    since: float
    action: str
    asked: bool


class Link(NamedTuple):
    """An open link of a host. `since`: Unix time. `brief`: at hand for hosts that say much."""

    since: float
    transport: str
    address: str
    brief: _Brief


class Presence(HubListener):
    """`note(name, event, detail)` is the engine's. `lost(name)`: a host may be gone, and is to be looked for now.

    `changed(name, group, condition)`: what a host is has changed. `forsaken(name, why)`: its link leads nowhere.
    """

    def __init__(self, roster: Roster, notes: Notes, note: Callable[[str, str, str], None]) -> None:
        self.lost: Callable[[str], None] = lambda name: None
        self.forsaken: Callable[[str, str], None] = lambda name, why: None
        self.changed: list[Callable[[str, str, Condition], None]] = []
        self.naps = Naps(notes)
        self._roster = roster
        self._note = note
        self._store = Store(notes)
        self._marks = Marks()
        self._links: dict[str, Link] = {}
        self._by_post: set[str] = set()
        self._began = clock()

    # What hosts say (HubListener)

    def hello(self, name: str, hello: Hello, peer: Peer) -> None:
        now, host = time.time(), self._brief(name)
        if host is None:
            return
        if peer.lasts:
            self._links[name] = Link(now, peer.transport, peer.address, host)
            self._by_post.discard(name)
        else:
            self._by_post.add(name)
        word = Word(hello.state, now, now, hello.cause)
        known = self._store.get(host.number).heard(word)
        self._learn(host, known._replace(profile=hello.profile, version=hello.version))

    def said(self, name: str, said: Said) -> None:
        now, host = time.time(), self._brief(name)
        if host is not None:
            next_at = None if said.next_at_seconds is None else now + said.next_at_seconds
            word = Word(said.state, now, now - said.since_seconds, said.why, next_at)
            known = self._store.get(host.number).heard(word)
            profile = known.profile if said.profile is None else said.profile
            self._learn(host, known._replace(activity=dict(said.activity), profile=profile))

    def left(self, name: str, how: str, peer: Peer) -> None:
        link = self._links.pop(name, None)
        host = link.brief if link is not None else self._brief(name)
        if host is None:
            return
        known = self._store.get(host.number)
        parting = known.parting or Parting("", time.time())
        self._learn(host, known._replace(parting=parting))
        if host.state in _SAYS_SO and parting.cause not in ("poweroff", "reboot") and not self.is_silent(host.number):
            self.lost(name)

    def bye(self, name: str, cause: str) -> None:
        self._by_post.discard(name)
        host = self._brief(name)
        if host is not None:
            known = self._store.get(host.number)
            self._learn(host, known._replace(parting=Parting(cause, time.time()), look=None))

    def heard(self, name: str, cause: str) -> None:
        """A host has said that it is awake, and why."""
        self._speaks(name, Word("awake", time.time(), time.time(), cause))

    def spoke(self, name: str) -> None:
        """A host has said something that tells nothing of what it is, but that it is there."""
        self._speaks(name, None)

    def _speaks(self, name: str, word: Word | None) -> None:
        host, now = self._brief(name), time.time()
        if host is None:
            return
        known = self._store.get(host.number)
        before = known.word
        if before is not None and (word is None or (before.state, before.why) == (word.state, word.why)):
            word = before._replace(at=now)
        self._learn(host, known.heard(word or Word("awake", now, now)))

    # What the wake server sees

    def followed(self, before: Host | None, after: Host | None) -> None:
        """The wake server's own state of a host has changed, or what is registered for it; None: it is forgotten."""
        if after is None:
            if before is not None:
                self._forget(before)
            return
        if before is None:
            self.lost(after.name)  # it was registered just now: is it there?
            return
        old, new = _brief_of(before), _brief_of(after)
        link = self._links.get(after.name)
        if after.state is State.PROXIED and before.state is not State.PROXIED:
            self._links.pop(after.name, None)  # it is silent: what seems open ends nowhere
        elif link is not None:
            self._links[after.name] = link._replace(brief=new)
        was = self._told(old)
        naps = after.state is State.REGISTERED and before.state is not State.REGISTERED
        if naps or (after.state in _UP and before.state not in _UP):
            known, now = self._store.get(after.number), time.time()
            self.naps.follow(before, after, _why_naps(known), now)
            self._store.put(after.number, _after(after, known, now))
        self._publish(new, was, self._status(new))

    def answered(self, name: str, number: int, how: str) -> None:
        """A host that is not asleep has answered, or was seen."""
        if self._marks.is_up(number):
            self._marks.see(number, clock() - self._began, how)
            return  # as most: nothing new
        host = self._brief(name)
        if host is None or host.state not in _SAYS_SO:
            return
        known, now = self._store.get(number), time.time()
        look = known.look
        since = look.since if look is not None and look.answered else now
        self._learn(host, known._replace(look=Look(True, how, since, now)))
        self._marks.see(number, clock() - self._began, how)

    def silent(self, name: str, number: int, how: str, other: str = "") -> None:
        """A host that is not asleep has answered none of several questions; `other`: the card that did."""
        host = self._brief(name)
        if host is None or host.state not in _SAYS_SO or self.is_vouched_for(name):
            return
        if self._links.pop(name, None) is not None:
            self.forsaken(name, how)
        known, now = self._store.get(number), time.time()
        look = known.look
        since = look.since if look is not None and not look.answered else now
        self._learn(host, known._replace(look=Look(False, how, since, now, other)))

    def port(self, number: int) -> int:
        """A TCP port at which the host can be asked; 0: none is known."""
        return self._store.get(number).port

    def is_silent(self, number: int) -> bool:
        """It has been looked for in this run of the daemon, in vain."""
        return self._marks.condition(number) in (Condition.UNREACHABLE, Condition.OFF)

    def is_vouched_for(self, name: str) -> bool:
        """Its link is open, and would have ended were the host gone."""
        link = self._links.get(name)
        return link is not None and link.transport not in _BY_BROKER

    def speaks(self, name: str) -> bool:
        """It has a link, or spoke by POST within its lease: before that is over it says something again."""
        if name in self._links:
            return True
        return name in self._by_post and self.heard_since(name, time.time() - LEASE_SECONDS)

    # What is known

    def linked(self, name: str) -> bool:
        return name in self._links

    def counts(self, registered: int) -> dict[str, int]:
        """How many of all that are registered are what; of whom nothing is known yet is unknown."""
        counts = self._marks.counts()
        counts[Condition.UNKNOWN] += max(0, registered - sum(counts.values()))
        return {condition.value: count for condition, count in counts.items()}

    def take_over(self, sleepers: Iterable[tuple[int, str, str]]) -> None:
        """What the wake server knew of hosts when it started: number, state and registered action of each."""
        for number, state, action in sleepers:
            condition = _before_this_run(state, action)
            if condition is not Condition.UNKNOWN:
                self._marks.take_over(number, condition)

    def status(self, host: Host) -> Status:
        return self._status(_brief_of(host))

    def is_up(self, number: int) -> bool:
        """It was seen to be up in this run of the daemon, and nothing has shown otherwise since."""
        return self._marks.is_up(number)

    def up(self, group: str) -> int:
        """How many of the group are."""
        return self._marks.up(group)

    def waking(self, group: str) -> int:
        """How many of the group are on their way up."""
        return self._marks.waking(group)

    def heard_since(self, name: str, time_then: float) -> bool:
        """It has spoken itself since then (Unix time)."""
        host = self._brief(name)
        word = None if host is None else self._store.get(host.number).word
        return word is not None and word.at >= time_then

    def software(self, number: int) -> tuple[str, str]:
        """The profile and the version of powernapd that the host last said it has; "" where it has not."""
        known = self._store.get(number)
        return known.profile, known.version

    def describe(self, host: Host) -> dict[str, Any]:
        known, status = self._store.get(host.number), self.status(host)
        link, evidence = self._links.get(host.name), status.evidence
        if evidence.endswith(_ITS_CARD) and len(host.all_macs()) == 1:
            evidence += f" {format_mac(host.all_macs()[0])}"
        told = {
            "state": status.condition.value,
            "since": status.since,
            "why": status.why,
            "evidence": evidence,
            "evidence_at": status.evidence_at,
            "next_at": known.word.next_at if known.word is not None and link is not None else None,
            "activity": dict(known.activity or {}) if status.condition.is_up else {},
            "profile": known.profile,
            "version": known.version,
            "link": None,
            "last_nap": next(iter(self.naps.of(host.number, 1)), None),
        }
        if link is not None:
            told["link"] = {"since": link.since, "transport": link.transport, "address": link.address}
        return told

    def links(self) -> int:
        return len(self._links)

    def close(self) -> None:
        """Let what is known reach the notes."""
        self._store.flush()

    # Within

    def _brief(self, name: str) -> _Brief | None:
        link = self._links.get(name)
        if link is not None:
            return link.brief
        host = self._roster.peek(name)
        return None if host is None else _brief_of(host)

    def _learn(self, host: _Brief, known: Known) -> None:
        was = self._told(host)
        self._store.put(host.number, known)
        self._publish(host, was, self._status(host))

    def _told(self, host: _Brief) -> Condition:
        """What it was last said to be."""
        return self._marks.condition(host.number) or self._status(host).condition

    def _status(self, host: _Brief) -> Status:
        wall, now = time.time(), clock()
        linked = self._links[host.name].since if host.name in self._links else None
        facts = Facts(host.state, wall - (now - host.since), host.action, host.asked, linked)
        followed = asleep(facts)
        if followed is not None:
            return followed
        known = self._store.get(host.number)
        look, seen = known.look, self._marks.seen(host.number)
        if seen is not None and (look is None or look.answered):
            at = wall - (now - self._began - seen[0])
            if at > max(known.word.at if known.word else 0.0, known.parting.at if known.parting else 0.0):
                look = Look(True, seen[1], look.since if look is not None else at, at)
        return fuse(replace(facts, word=known.word, parting=known.parting, look=look), wall)

    def _publish(self, host: _Brief, was: Condition, status: Status) -> None:
        self._marks.set(host.number, status.condition, host.group)
        if status.condition is was:
            return
        self._note(host.name, "state", f"{status.condition.value}: {status.why} (was {was.value})")
        for changed in self.changed:
            changed(host.name, host.group, status.condition)

    def _forget(self, host: Host) -> None:
        self._marks.set(host.number, None, "")
        self._store.forget(host.number)
        self.naps.forget(host.number)
        self._links.pop(host.name, None)
        self._by_post.discard(host.name)


def _after(host: Host, known: Known, now: float) -> Known:
    """What is known of a host that has just registered, or come up."""
    if host.state in _UP:
        return known._replace(parting=None, look=Look(True, "frames of its card", now, now))
    # What it said before was of before; its ports serve to look for it one day.
    port = host.sleep.tcp[0][0] if host.sleep is not None and host.sleep.tcp else 0
    return known._replace(parting=None, look=None, port=port)


@lru_cache(maxsize=64)
def _before_this_run(state: str, action: str) -> Condition:
    return fuse(Facts(State(state), 0.0, action), 0.0).condition


def _brief_of(host: Host) -> _Brief:
    action = host.sleep.action if host.sleep is not None else ""
    asked = host.wake is not None and host.wake.check_until is not None
    return _Brief(host.name, host.number, host.group, host.state, host.since, action, asked)


def _why_naps(known: Known) -> str:
    """What it said of its nap, where it said anything."""
    word = known.word
    return word.why if word is not None and word.state in ("warned", "napping", "off") else ""
