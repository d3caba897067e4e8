# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated machine for the engine: a clock, activity at known times, and somebody who carries the effects out."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_right
from dataclasses import dataclass, field, replace

from powernap.nap import events as ev
from powernap.nap.conditions import Surroundings
from powernap.nap.engine import step
from powernap.nap.evidence import Reading
from powernap.nap.planning import alone
from powernap.nap.policy import Policy
from powernap.nap.state import Ask, begin

START = 1000.0
END = float("inf")


@dataclass
class Source:
    """A monitor with a known truth: ``times`` of activity; for the kinds "hold" and "level" they are (begin, end).

    A hold calls at its end, a level must be looked at. ``armed``: it calls at the next activity, always;
    ``promises``: it does so while it is asked to. ``told``: without a look it knows of a stamp.
    """

    kind: str
    times: list = field(default_factory=list)
    armed: bool = False
    looked: float = START
    promises: bool = False
    name: str = ""
    told: bool = False

    def __post_init__(self) -> None:
        self.name = self.name or self.kind
        self.times = sorted(self.times)
        if self.spans:
            merged: list = []
            for begin, end in self.times:
                if merged and begin <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
                else:
                    merged.append((begin, end))
            self.times = merged

    @property
    def spans(self) -> bool:
        return self.kind in ("hold", "level")

    def past(self, now: float) -> list:
        """The last one until now; none where there was none yet."""
        at = bisect_right(self.times, (now, END) if self.spans else now)
        return self.times[max(0, at - 1) : at]

    def look(self, now: float) -> Reading:
        since, self.looked = self.looked, now
        seen = self.past(now)
        if self.kind == "hold":
            running = bool(seen) and now < self.finish(seen)
            last = self.finish(seen) if seen else None
            return Reading(self.name, "hold", now if running else last, active_now=running, calls=running)
        if self.kind == "level":
            return Reading(self.name, "level", active_now=bool(seen) and now < self.finish(seen), counts=True)
        if self.kind == "stamp":
            return Reading(self.name, "stamp", seen[-1] if seen else None, calls=self.armed)
        if self.kind == "failing" and seen and now < seen[-1] + 5:
            return Reading(self.name, "failing", error="cannot be read")
        counted = bool(seen) and seen[-1] > since
        return Reading(self.name, "count", now if counted else None, counts=True, calls=self.armed)

    @staticmethod
    def finish(spans: list) -> float:
        """The end of the last span; spans are made not to overlap."""
        return spans[-1][1]

    def truth(self, now: float) -> float:
        """The newest activity that really was, until now."""
        seen = self.past(now)
        if not seen:
            return -END
        return min(self.finish(seen), now) if self.spans else seen[-1]

    def following(self, now: float) -> list[float]:
        """The next moment at which it would call by itself, if any."""
        if self.kind == "hold":
            seen = self.past(now)
            return [self.finish(seen)] if seen and self.finish(seen) > now else []
        if not self.armed or self.spans:
            return []
        at = bisect_right(self.times, now)
        return self.times[at : at + 1]


class World:
    """Runs the engine against sources, with scripted answers; checks on the way what must always hold.

    ``around``: when the surroundings change, and to what; ``midnight``: a time that is Monday, 00:00.
    """

    def __init__(
        self, policy: Policy, sources: list[Source], answers=(), actions=(), inhibited=(), sleep=500.0,
        around=(), midnight=None,
    ):  # fmt: skip
        self.policy, self.sources = policy, sources
        self.state = begin(START)
        self.now = START
        self.answers = iter(answers)
        self.actions = iter(actions)
        self.inhibited = list(inhibited)
        self.sleep = sleep
        self.log: list[tuple[float, ev.Effect]] = []
        self.events: list[tuple[float, ev.Event]] = []
        self._pending: list = []
        self._number = itertools.count()
        self.acknowledged: set[int] = set()
        self.ordered_attempts: set[int] = set()
        self.fresh = START
        self.warned = False
        self.applied: list[str] = []
        self.owes_announcement = False
        self.looks = self.partial = 0
        self.readings: tuple[Reading, ...] = ()
        self.around = sorted(around, key=lambda change: change[0])
        self.midnight = midnight

    def at(self, when: float, event: ev.Event) -> None:
        heapq.heappush(self._pending, (when, next(self._number), event))

    def holds(self) -> tuple[str, ...]:
        return ("inhibited",) if any(a <= self.now < b for a, b in self.inhibited) else ()

    def surroundings(self, now: float) -> Surroundings:
        """The truth."""
        seen = [around for when, around in self.around if when <= now]
        known = seen[-1] if seen else Surroundings(calls=True)
        if self.midnight is None:
            return known
        return replace(known, weekday=0, second_of_day=0.0).later(now - self.midnight)

    def run(self, until: float) -> World:
        for _ in range(400_000):
            when, event = self._next()
            if when > until:
                if event is not None:
                    self.at(when, event)
                self.now = until
                return self
            self.now = max(self.now, when)
            self.tell(event)
        raise AssertionError("the engine spins")

    def _next(self) -> tuple[float, ev.Event | None]:
        times = [] if self.state.look_at is None else [max(self.state.look_at, self.now)]
        for source in self.sources:
            if source.kind == "hold" or self.state.attentive:
                times += source.following(self.now)
        times += [end for _begin, end in self.inhibited if end > self.now]
        if self.surroundings(self.now).calls:
            times += [when for when, _around in self.around if when > self.now][:1]
        look = min(times, default=float("inf"))
        if self._pending and self._pending[0][0] <= look:
            when, _number, event = heapq.heappop(self._pending)
            return when, event
        return look, None

    def tell(self, event: ev.Event | None, now: float | None = None) -> None:
        now = self.now if now is None else now
        if event is None:
            self.looks += 1
            commit = self.state.attempt if self.state.ask is Ask.ACKNOWLEDGED else 0
            planned = self.state.look_at is not None and now >= self.state.look_at
            past = [(each, when) for each in self.sources if each.told for when in each.past(now)]
            told = {each.name: when for each, when in past if when > each.looked}
            some = alone(self.state, self.policy, self.readings, now, told) if planned else frozenset()
            known = {reading.name: reading for reading in self.readings if some and reading.name not in some}
            self.readings = tuple(known.get(source.name) or source.look(now) for source in self.sources)
            self.partial += bool(some)
            if some:
                event = ev.Look(self.readings, None, partial=True)
            else:
                event = ev.Look(self.readings, self.holds(), self.surroundings(now), commit)
        elif isinstance(event, ev.NapNow):
            event = ev.NapNow(self.holds(), self.surroundings(now))
        self.events.append((now, event))
        before = self.state
        self.state, effects = step(before, event, now, self.policy)
        if isinstance(event, ev.Acknowledged):
            self.acknowledged.add(event.attempt)
        if isinstance(event, (ev.Recover, ev.Resumed)):
            self.fresh = now
        for effect in effects:
            self.log.append((now, effect))
            self._carry_out(effect, event, now)
        for source in self.sources:
            source.armed = source.armed if not source.promises else self.state.attentive and not self.policy.observe

    def _carry_out(self, effect: ev.Effect, event: ev.Event, now: float) -> None:
        if isinstance(effect, ev.Warn):
            assert not self.warned, "warned twice"
            self.warned = True
        elif isinstance(effect, ev.CancelWarning):
            assert self.warned, "cancelled a warning that was not given"
            self.warned = False
        elif isinstance(effect, (ev.Register, ev.Rehearse)):
            self.owes_announcement = self.owes_announcement or isinstance(effect, ev.Register)
            if isinstance(event, ev.NapNow):
                self.ordered_attempts.add(effect.attempt)
            ok, delay = next(self.answers, (True, 0.01))
            if ok is None:
                return  # it gets lost
            answer = ev.Acknowledged(effect.attempt) if ok else ev.Refused(effect.attempt, "the wake server is down")
            self.at(now + delay, answer)
        elif isinstance(effect, ev.Announce):
            self.owes_announcement = False
        elif isinstance(effect, ev.Act):
            self._act(effect, event, now)
        elif isinstance(effect, ev.Undo):
            assert effect.step in self.applied, "took back what was not there"
            self.applied.remove(effect.step)

    def _act(self, effect: ev.Act, event: ev.Event, now: float) -> None:
        self.warned = False
        stage, ok = effect.step, next(self.actions, True)
        ordered = isinstance(event, ev.NapNow) or effect.attempt in self.ordered_attempts
        assert not self.policy.observe, "acted while observing"
        assert not self.policy.never
        assert stage.conditions.holds(self.surroundings(now)), "a step although its conditions do not hold"
        if stage.sleeps:
            assert effect.attempt in self.acknowledged, "slept without acknowledgement"
            assert not self.holds(), "slept although inhibited"
        if not ordered:
            silent = now - max(self.fresh, *(source.truth(now) for source in self.sources))
            assert silent >= stage.after_seconds - 1e-6, f"{stage.action} after {silent} s of silence"
        if not stage.sleeps:
            assert stage not in self.applied, "took a step twice"
            self.applied.append(stage)
            self.at(
                now + 0.01, ev.ActionDone(effect.attempt) if ok else ev.ActionFailed(effect.attempt, "a knob is stuck")
            )
        elif ok:
            self.at(now + 0.02, ev.GoingToSleep())
            self.at(now + self.sleep, ev.Resumed(self.sleep))
        else:
            self.at(now + 0.02, ev.ActionFailed(effect.attempt, "a device refused"))

    def times(self, kind: type, **fields) -> list[float]:
        """When effects of that type came out."""
        return [
            time
            for time, effect in self.log
            if isinstance(effect, kind) and all(getattr(effect, key) == value for key, value in fields.items())
        ]

    def first(self, kind: type):
        return next(effect for _time, effect in self.log if isinstance(effect, kind))
