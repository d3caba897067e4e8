# SPDX-License-Identifier: GPL-3.0-or-later
"""What is believed of whom: sessions, sequence numbers, rates, and which link of a host counts. Pure: the clock is an
argument, seconds of any clock that only grows.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from powernap.shared.errors import PowernapError

P = TypeVar("P")
#: Sessions of hosts that have no link are let go of beyond so many, the longest silent first.
MOST_SESSIONS = 200_000
BURST_SECONDS = 5.0
LEAST_BURST = 20.0
#: A host that would have to wait longer for its turn is refused.
LONGEST_WAIT = 2.0


class Replayed(PowernapError):
    """A number that was used before, by another message. ``told``: beside the sentence, to whoever signed it."""

    def __init__(self, sentence: str, seen: int) -> None:
        super().__init__(sentence)
        self.told = {"seen": seen}


class HelloFirst(PowernapError):
    """Something else than a hello from a host of which nothing is known since this server's start."""


class Gone(PowernapError):
    """A host that was forgotten, or has another key, while its message was looked at."""


class Flood(PowernapError):
    """A host that says too much. ``again_seconds``: when it may speak again."""

    def __init__(self, sentence: str, again_seconds: float) -> None:
        super().__init__(sentence)
        self.again_seconds = again_seconds


@dataclass(slots=True)
class Session(Generic[P]):
    """``id``: of the last hello. ``seq``: the greatest number heard. ``signature`` and ``answer``: of that message.

    ``slept_at``: Unix time at which it last registered that it sleeps; 0 where it did not since this server's start.
    """

    id: str = ""
    seq: int = 0
    signature: str = ""
    answer: str | None = None
    heard: float = 0.0
    link: P | None = None
    tokens: float = field(default=LEAST_BURST)
    floods: int = 0
    slept_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Again:
    """The very message that was heard last: to be answered as it was, not to be done again. None: still under way."""

    answer: str | None


class Sessions(Generic[P]):
    """``P``: whatever stands for a way to a host; one host has one at most.

    ``per_second``: how many messages of a host are taken on average.
    """

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._sessions: OrderedDict[str, Session[P]] = OrderedDict()
        self._names: dict[int, str] = {}

    # Messages

    def judge(self, name: str, kind: str, seq: int, signature: str, known_seq: int, now: float) -> Again | None:
        """Of a message with the right signature; None: it is new. ``known_seq``: the greatest number on disk.

        Raises Replayed, HelloFirst.
        """
        session = self._of(name, now)
        if seq == session.seq and signature == session.signature:
            return Again(session.answer)
        seen = max(known_seq, session.seq)
        if seq <= seen:
            raise Replayed(f"sequence number {seq} was used before: send a greater one than {seen}", seen)
        if kind not in ("hello", "awake", "asleep") and not session.id:
            raise HelloFirst(f"{kind}: say hello first: this wake server has started since you did")
        session.seq, session.signature, session.answer = seq, signature, None
        return None

    def _of(self, name: str, now: float) -> Session[P]:
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = Session(tokens=self._burst(), heard=now)
            self._let_go()
        else:
            self._sessions.move_to_end(name)
        return session

    def wait(self, name: str, now: float) -> float:
        """Count a message with the right signature. Returns for how many seconds it is to wait. Raises Flood."""
        session = self._of(name, now)
        passed, session.heard = max(0.0, now - session.heard), now
        session.tokens = min(self._burst(), session.tokens + passed * self.per_second)
        seconds = max(0.0, 1 - session.tokens) / self.per_second
        if seconds > LONGEST_WAIT:
            session.floods += 1
            raise Flood(f"too many messages: at most {self.per_second:g} a second are taken", seconds)
        session.tokens -= 1
        return seconds

    def answered(self, name: str, seq: int, answer: str) -> None:
        """What that message was answered; kept until the host's next."""
        session = self._sessions.get(name)
        if session is not None and session.seq == seq:
            session.answer = answer

    def sleeps(self, name: str, at: float) -> None:
        """It has registered that it sleeps. ``at``: Unix time."""
        session = self._sessions.get(name)
        if session is not None:
            session.slept_at = at

    def slept_at(self, name: str) -> float:
        session = self._sessions.get(name)
        return session.slept_at if session is not None else 0.0

    def _burst(self) -> float:
        return max(LEAST_BURST, BURST_SECONDS * self.per_second)

    def _let_go(self) -> None:
        if len(self._sessions) > MOST_SESSIONS:
            for name, session in self._sessions.items():
                if session.link is None:
                    del self._sessions[name]
                    return

    # Links

    def begin(self, name: str, session_id: str, link: P | None) -> P | None:
        """A hello was heard by that way (None: by one that does not last). Returns the way that it replaces, or None.

        A hello by a way that does not last leaves an open link as it is. Raises Gone.
        """
        session = self._sessions.get(name)
        if session is None:
            raise Gone(f"{name} was forgotten just now, or has another key")
        session.id = session_id
        if link is None:
            return None
        former = session.link
        said_before = self._names.get(id(link))
        if said_before is not None and said_before != name:
            self._sessions[said_before].link = None
        session.link = link
        self._names[id(link)] = name
        if former is None or former is link:
            return None
        del self._names[id(former)]
        return former

    def is_link(self, link: P) -> bool:
        """Whether it is a host's now."""
        return id(link) in self._names

    def lost(self, link: P) -> str | None:
        """Return the host whose link this was, or None: it was replaced before, or never said hello."""
        name = self._names.pop(id(link), None)
        if name is not None:
            self._sessions[name].link = None
        return name

    def forget(self, name: str) -> P | None:
        """The host is no longer known, or has another key. Returns the link that it had."""
        session = self._sessions.pop(name, None)
        if session is None or session.link is None:
            return None
        del self._names[id(session.link)]
        return session.link

    def link(self, name: str) -> P | None:
        session = self._sessions.get(name)
        return session.link if session is not None else None

    def session(self, name: str) -> str:
        """The id of the host's present session; "" where it has none."""
        session = self._sessions.get(name)
        return session.id if session is not None else ""

    def floods(self, name: str) -> int:
        session = self._sessions.get(name)
        return session.floods if session is not None else 0

    def links(self) -> list[tuple[str, P]]:
        return [(name, session.link) for name, session in self._sessions.items() if session.link is not None]

    def __len__(self) -> int:
        """How many hosts have a link."""
        return len(self._names)
