# SPDX-License-Identifier: GPL-3.0-or-later
"""Which registered host a machine is, by what it shows of itself: one pure function from evidence to verdict.

docs/enrolment.md tells of each case. A machine is known by its key. Machine id (of the installation), board (of the
hardware) and cards say whether two that have the same key, or claim the same place, are one machine or two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Boot(str, Enum):
    """What the newcomer's boot is to that of the open link: a machine never comes back to a boot that it left."""

    UNKNOWN = "unknown"
    SAME = "same"
    OTHER = "other"
    LEFT = "left"


@dataclass(frozen=True)
class Likeness:
    """What a machine has in common with one registered host; None: it is not known of both.

    `card`: at least one of its cards is that host's. `linked`: that host has an open link. `heard`: it was heard
    within its lease, or sleeps as it has registered; who is linked is.
    """

    host: str
    name: bool = False
    key: bool = False
    machine: bool | None = None
    board: bool | None = None
    card: bool = False
    linked: bool = False
    heard: bool = False
    boot: Boot = Boot.UNKNOWN

    @property
    def alive(self) -> bool:
        return self.linked or self.heard

    @property
    def same_hardware(self) -> bool:
        """By the board, where it is known of both; a card alone says less, since it can be moved or copied."""
        return self.card if self.board is None else self.board

    @property
    def here_twice(self) -> bool:
        """The link of that host is open while a machine in another boot asks: they are two, or it has just crashed."""
        return self.linked and self.boot is not Boot.SAME


class Kind(str, Enum):
    """NEW: like none. KNOWN: that host. MOVED: that host, on other hardware, and the former is silent.
    REPLACES: that host's place, by a key of its own. CLONE: a copy of that host, which goes on.
    TWICE: the key of that host is used by two at the same time. TAKEN: only the name is that host's.
    AMBIGUOUS: like several hosts.
    """

    NEW = "new"
    KNOWN = "known"
    MOVED = "moved"
    REPLACES = "replaces"
    CLONE = "clone"
    TWICE = "twice"
    TAKEN = "taken"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class Verdict:
    """`host`: which one it is, or is like; `why`: for people."""

    kind: Kind
    host: str = ""
    why: str = ""

    @property
    def is_host(self) -> bool:
        """Whether the machine is that host, and goes on as it."""
        return self.kind in (Kind.KNOWN, Kind.MOVED)

    @property
    def may_be_admitted(self) -> bool:
        """Whether a token or a rule suffices; else it takes an operator."""
        return self.kind in (Kind.NEW, Kind.REPLACES)

    def said(self) -> str:
        """Such as "replaces web1: ..."."""
        texts = {
            Kind.NEW: "new",
            Kind.KNOWN: f"is {self.host}",
            Kind.MOVED: f"is {self.host}",
            Kind.REPLACES: f"replaces {self.host}",
            Kind.CLONE: f"clone of {self.host}",
            Kind.TWICE: f"uses the key of {self.host}",
            Kind.TAKEN: f"has the name of {self.host}",
            Kind.AMBIGUOUS: "is like several machines",
        }
        return texts[self.kind] + (f": {self.why}" if self.why else "")


def judge(likenesses: Iterable[Likeness]) -> Verdict:
    """The verdict by all hosts with which the machine has anything in common."""
    found = list(likenesses)
    own = [each for each in found if each.key]
    if own:
        return _by_key(own[0])
    alike = [each for each in found if each.machine or each.same_hardware or each.card]
    verdicts = [_without_key(each) for each in alike]
    clones = [verdict for verdict in verdicts if verdict.kind is Kind.CLONE]
    if clones:
        return clones[0]
    if len(verdicts) > 1:
        names = " and ".join(verdict.host for verdict in verdicts)
        return Verdict(Kind.AMBIGUOUS, verdicts[0].host, f"it shares hardware with {names}")
    taken = next((each for each in found if each.name), None)
    if verdicts:
        return verdicts[0]
    if taken is not None:
        return Verdict(Kind.TAKEN, taken.host, "nothing else of it is that machine's")
    return Verdict(Kind.NEW)


def _by_key(like: Likeness) -> Verdict:
    if like.linked and like.boot is Boot.LEFT:
        return Verdict(Kind.TWICE, like.host, "it comes in turn with another that has the same key")
    if like.same_hardware:
        return Verdict(Kind.KNOWN, like.host, "" if like.machine is not False else "it was installed anew")
    if like.card and not like.here_twice:
        return Verdict(Kind.KNOWN, like.host, "its board is another, a card is the same")
    if like.alive:
        what = "board" if like.board is False else "cards"
        return Verdict(Kind.CLONE, like.host, f"it has the same key and another {what}, while the first is alive")
    return Verdict(Kind.MOVED, like.host, "its hardware is another, and the former is silent")


def _without_key(like: Likeness) -> Verdict:
    # Copies of a machine that ran, and containers of one machine, are in the same boot.
    if like.here_twice or (like.linked and not like.same_hardware):
        return Verdict(Kind.CLONE, like.host, "the first is connected at the same time")
    if like.same_hardware:
        why = "the same hardware and installation, another key" if like.machine else "the same hardware, installed anew"
        return Verdict(Kind.REPLACES, like.host, why)
    if like.alive and like.boot is not Boot.SAME:
        what = "installation" if like.machine else "card"
        return Verdict(Kind.CLONE, like.host, f"it has the same {what} and other hardware, while the first is alive")
    return Verdict(Kind.REPLACES, like.host, "other hardware, and the former is silent")
