# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole story of a wake: who knocked, what was sent, when the host answered, what became of the knocks.

In memory only while the wake runs; then a row of the notes.
"""

from __future__ import annotations

import ipaddress
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from powernap.shared.mac import format_mac
from powernap.wake import events as ev
from powernap.wake.events import Effect, Event
from powernap.wake.host import Host
from powernap.wake.methods import Outcome
from powernap.wake.model import Evidence, Visitor
from powernap.wake.notes import Notes

_PER_HOST, _IN_ALL = 20, 50_000
_KNOCKS, _VOLLEYS, _OUTCOMES = 16, 40, 20
_FINISHED = 1000
_LOGGED = {"hello": "hello", "booting": "booting", "restored": "restored", "waits": "waited_from"}


@dataclass(slots=True)
class _Knock:
    at: float
    reason: str
    by: Visitor | str
    count: int = 1

    def told(self) -> dict[str, Any]:
        return {"at": self.at, "reason": self.reason, "by": _who(self.by), "count": self.count}


@dataclass(slots=True)
class Story:
    """One wake. `began`: by the engine's clock; all times told are seconds since then, `started` apart (Unix time)."""

    host: str
    started: float
    began: float
    reason: str
    asked_by: Visitor | str
    knocks: list[_Knock] = field(default_factory=list)
    more_knocks: int = 0
    volleys: list[tuple[float, int, Mapping[str, Outcome]]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    packets: int = 0
    probes: int = 0
    replays: int = 0
    released: int = 0
    at: dict[str, float] = field(default_factory=dict)
    end: ev.WakeEnded | None = None

    def knock(self, now: float, asked_by: Visitor | str, reason: str) -> None:
        for known in self.knocks:
            if known.by == asked_by:
                known.count += 1
                return
        if len(self.knocks) >= _KNOCKS:
            self.more_knocks += 1
        else:
            self.knocks.append(_Knock(self.since(now), reason, asked_by))

    def sent(self, now: float, number: int, outcomes: Mapping[str, Outcome]) -> None:
        self.packets += sum(outcome.packets for outcome in outcomes.values())
        if len(self.volleys) < _VOLLEYS:
            self.volleys.append((self.since(now), number, outcomes))

    def outcome(self, now: float, way: str, text: str) -> None:
        if len(self.outcomes) < _OUTCOMES:
            self.outcomes.append({"at": self.since(now), "way": way, "text": text})

    def mark(self, what: str, now: float) -> None:
        """The first time that this happens."""
        self.at.setdefault(what, self.since(now))

    def since(self, now: float) -> float:
        return round(now - self.began, 3)

    def told(self) -> dict[str, Any]:
        """As the admin API has it. `first_sign` ended the wake; `verified` is the strongest that came with it."""
        end = self.end
        first = end.verified.value if end is not None and end.verified is not None else None
        result = "running" if end is None else "woken" if end.woken else "given up"
        return {
            "host": self.host,
            "started": self.started,
            "reason": self.reason,
            "asked_by": str(self.asked_by),
            "result": result,
            "seconds": None if end is None else round(end.seconds, 3),
            "first_sign": first,
            "verified": Evidence.HELLO.value if first is not None and "hello" in self.at else first,
            "knocks": [knock.told() for knock in self.knocks],
            "more_knocks": self.more_knocks,
            "volleys": [
                {"at": at, "number": number, "ways": {way: outcome._asdict() for way, outcome in outcomes.items()}}
                for at, number, outcomes in self.volleys
            ],
            "outcomes": self.outcomes,
            "magic_packets": self.packets,
            "probes": self.probes,
            "replays": self.replays,
            "released": self.released,
            "at": self.at,
        }


class Stories:
    """Follows what the engine does, host by host."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._running: dict[str, Story] = {}
        self._finished: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._unwritten: dict[tuple[str, float], dict[str, Any]] = {}
        columns = "host TEXT NOT NULL, started REAL NOT NULL, story TEXT NOT NULL, verdict TEXT, UNIQUE (host, started)"
        notes.add_table("wakes", columns, _IN_ALL)

    def running(self, host: Host, now: float, wall: float) -> Story | None:
        """The story of the host's present wake, begun where it was not yet; None where it is not being woken."""
        wake = host.wake
        if wake is None or wake.quiet:
            return self._running.get(host.name)
        story = self._running.get(host.name)
        if story is None:
            began = min(wake.started, now)
            story = Story(host.name, wall - (now - began), began, *wake.wanted)
            self._running[host.name] = story
        return story

    def follow(self, new: Host, event: Event, effects: list[Effect], now: float, wall: float) -> None:
        """One step of a host has been carried out."""
        story = self._running.get(new.name)
        if story is None and new.wake is None:
            return
        is_new = story is None
        story = story or self.running(new, now, wall)
        if story is None:
            return
        asked = _asked_by(event, new.wake_on)
        if asked is None and (is_new or not story.knocks) and new.wake is not None:
            asked = new.wake.wanted.asked_by, new.wake.wanted.reason
        if asked is not None:
            story.knock(now if story.knocks else story.began, *asked)
        for effect in effects:
            self._follow(story, effect, now)
        if story.end is not None and new.restore is None:
            self._finish(story)

    def _follow(self, story: Story, effect: Effect, now: float) -> None:
        if isinstance(effect, (ev.Probe, ev.TryPort)):
            story.probes += 1
        elif isinstance(effect, ev.Replay):
            story.replays += 1
        elif isinstance(effect, ev.Released):
            story.released += effect.frames
        elif isinstance(effect, ev.WakeEnded):
            story.end = story.end or effect
            story.mark("ended", now)
        elif isinstance(effect, ev.Log) and effect.event in _LOGGED:
            story.mark(_LOGGED[effect.event], now)
        elif isinstance(effect, ev.Volley) and effect.granted:
            story.mark("turn", now)

    def _finish(self, story: Story) -> None:
        del self._running[story.host]
        if story.end is not None and story.end.was_awake:
            return  # there was nothing to wake
        told = story.told()
        self._finished[story.host] = told
        self._finished.move_to_end(story.host)
        if len(self._finished) > _FINISHED:
            self._finished.popitem(last=False)
        add = "INSERT OR REPLACE INTO wakes (host, started, story) VALUES (?, ?, ?)"
        key = story.host, story.started
        self._unwritten[key] = {**told, "verdict": None}
        written = self._notes.write(add, (*key, json.dumps(told)))
        written.add_done_callback(lambda _written: self._unwritten.pop(key, None))
        self._notes.write(
            "DELETE FROM wakes WHERE host = ?1 AND started <= "
            "(SELECT started FROM wakes WHERE host = ?1 ORDER BY started DESC LIMIT 1 OFFSET ?2)",
            (story.host, _PER_HOST),
        )

    def verdict(self, host: str, text: str) -> None:
        """What became of the last wake: somebody used the host, or nobody did."""
        self._notes.write(
            "UPDATE wakes SET verdict = ?2 WHERE host = ?1 AND verdict IS NULL AND "
            "started = (SELECT max(started) FROM wakes WHERE host = ?1)",
            (host, text),
        )

    def forget(self, host: str) -> None:
        self._running.pop(host, None)
        self._finished.pop(host, None)
        self._unwritten = {key: told for key, told in self._unwritten.items() if key[0] != host}
        self._notes.write("DELETE FROM wakes WHERE host = ?", (host,))

    def of(self, host: str) -> list[dict[str, Any]]:
        """All wakes of the host that are known, the newest first."""
        found = [self._running[host].told()] if host in self._running else []
        unwritten = [told for key, told in self._unwritten.items() if key[0] == host]
        return found + _newest(unwritten, self._read("WHERE host = ? ORDER BY started DESC", (host,)))

    def last_of(self, host: str) -> dict[str, Any] | None:
        """The host's present or last wake."""
        if host in self._running:
            return self._running[host].told()
        if host in self._finished:  # it may be on its way to disk
            return self._finished[host]
        return next(iter(self._read("WHERE host = ? ORDER BY started DESC LIMIT 1", (host,))), None)

    def last(self, number: int) -> list[dict[str, Any]]:
        """The last wakes of all hosts, the newest first."""
        running = sorted(self._running.values(), key=lambda story: -story.started)[:number]
        kept = _newest(list(self._unwritten.values()), self._read("ORDER BY rowid DESC LIMIT ?", (number,)))
        return ([story.told() for story in running] + kept)[:number]

    def _read(self, which: str, parameters: tuple[object, ...]) -> list[dict[str, Any]]:
        rows = self._notes.read(f"SELECT story, verdict FROM wakes {which}", parameters)
        return [{**json.loads(story), "verdict": verdict} for story, verdict in rows]


def _newest(unwritten: list[dict[str, Any]], written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those on their way to disk before those that are there. One may be both, for a moment."""
    there = {(told["host"], told["started"]) for told in written}
    return [told for told in reversed(unwritten) if (told["host"], told["started"]) not in there] + written


def _asked_by(event: Event, wake_on: str) -> tuple[Visitor | str, str] | None:
    if isinstance(event, ev.Knock):
        return event.held.visitor, "demand"
    if isinstance(event, ev.SelfAsked):
        return event.visitor, "demand"
    if isinstance(event, ev.Asked):
        return (event.visitor, "arp") if wake_on == "arp" and event.wakes and not event.probe else None
    if isinstance(event, ev.Order):
        return event.asked_by, "order"
    return None


def _who(asked_by: Visitor | str) -> dict[str, Any]:
    if isinstance(asked_by, str):
        return {"what": asked_by}
    return {
        "what": asked_by.what,
        "address": str(ipaddress.ip_address(asked_by.ip)),
        "mac": format_mac(asked_by.mac),
        "port": asked_by.port,
        "to_port": asked_by.to_port,
        "own": asked_by.own,
    }
