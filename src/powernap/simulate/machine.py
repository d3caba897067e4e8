# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for a day: the real engine, monitors that see a trace, and somebody who carries the effects out.

What is assumed: activity that begins while the machine sleeps wakes it (a request through the wake server, a key, or a
timer by the clock's alarm), is served ``resume_seconds`` later, and ends when it did; nobody inhibits; the wake server
acknowledges at once; mains, and the lid is open; whatever happens while people are warned is noticed at once.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection
from dataclasses import replace

from powernap.nap.conditions import Surroundings
from powernap.nap.engine import step
from powernap.nap.events import (
    Acknowledged,
    Act,
    ActionDone,
    Effect,
    Event,
    GoingToSleep,
    Look,
    Register,
    Rehearse,
    Resumed,
    Undo,
)
from powernap.nap.evidence import Reading
from powernap.nap.planning import alone
from powernap.nap.policy import Policy, Step
from powernap.nap.state import NEVER, Ask, begin
from powernap.simulate.outcome import Interval, Nap, Outcome, Wrong, oracle, overlap
from powernap.simulate.trace import DAY_SECONDS, FORMS, Spans, Trace

#: How long the wake server and a change of knobs take.
ANSWER_SECONDS = 0.05
#: More looks than this at one moment are a defect of the engine.
SPINS = 10_000


def simulate(
    policy: Policy,
    trace: Trace,
    resume_seconds: float,
    suspend_seconds: float = 2.0,
    watched: Collection[str] | None = None,
    worthwhile_seconds: float | None = None,
) -> Outcome:
    """Return what the policy makes of a day.

    ``watched``: the names of the monitors that the policy's machine has; what the others of the trace saw is work all
    the same, and only the oracle knows of it. None: all. ``worthwhile_seconds``: the shortest gap in which an oracle
    sleeps; None: as long as it takes to fall asleep and wake up.
    """
    if worthwhile_seconds is None:
        worthwhile_seconds = suspend_seconds + resume_seconds
    names = set(trace.kinds()) if watched is None else set(trace.kinds()) & set(watched)
    machine = _Machine(replace(policy, observe=False), trace, names, resume_seconds, suspend_seconds)
    machine.run()
    every = Spans(trace.activities)
    gaps = every.gaps(trace.duration)
    ideal = oracle(gaps, suspend_seconds, worthwhile_seconds)
    ideal_seconds = sum(end - start for start, end in ideal)
    after = min((taken.after_seconds for taken in policy.steps if taken.sleeps), default=None)
    allowed = 0.0 if after is None else sum(max(0.0, end - start - after - suspend_seconds) for start, end in gaps)
    reached = overlap(machine.asleep, ideal)
    return Outcome(
        duration=trace.duration,
        asleep_seconds=sum(end - start for start, end in machine.asleep),
        powersave_seconds=machine.powersave_seconds,
        oracle_seconds=ideal_seconds,
        reached_seconds=reached,
        allowed_seconds=allowed,
        share=reached / ideal_seconds if ideal_seconds else 1.0,
        wakes=sum(1 for nap in machine.naps if nap.woken_by and nap.ended is not None and nap.asleep_seconds),
        waited_seconds=sum(nap.waited_seconds for nap in machine.naps),
        looks=machine.looks,
        partial_looks=machine.partial,
        naps=tuple(sorted(machine.naps, key=lambda nap: nap.at)),
        wrong=tuple(machine.wrong),
        unwatched=tuple(sorted(set(trace.kinds()) - names)),
    )


class _Monitor:
    """What one monitor sees of the trace. All call when activity begins while armed, and "hold" ones at its end."""

    def __init__(self, name: str, kind: str, spans: Spans) -> None:
        self.name, self.kind, self.spans = name, kind, spans
        self.form = FORMS.get(kind, "count")
        self._looked = 0.0

    def look(self, now: float, armed: bool) -> Reading:
        since, self._looked = self._looked, now
        last, running = self.spans.last(now), self.spans.running(now)
        if self.form == "stamp":
            return Reading(self.name, self.kind, last, calls=armed)
        if self.form == "hold":
            return Reading(self.name, self.kind, last, running, calls=running or armed)
        counted = running or (last is not None and last > since)
        return Reading(self.name, self.kind, now if counted else None, counts=True, calls=armed)

    def calls_at(self, now: float, armed: bool) -> list[float]:
        """When it calls next."""
        span = self.spans.until(now)
        ends = [span[1]] if self.form == "hold" and span is not None and span[1] > now else []
        start = self.spans.next_start(now) if armed else None
        return ends if start is None else [*ends, start]


class _Machine:
    """Runs a day. ``asleep``: when nothing ran."""

    def __init__(
        self, policy: Policy, trace: Trace, names: Collection[str], resume_seconds: float, suspend_seconds: float
    ) -> None:
        self._policy, self._trace = policy, trace
        self._resume_seconds, self._suspend_seconds = resume_seconds, suspend_seconds
        by_name: dict[str, list[int]] = {}
        for index, activity in enumerate(trace.activities):
            by_name.setdefault(activity.monitor, []).append(index)
        self._spans = {name: Spans(trace.activities[i] for i in indices) for name, indices in by_name.items()}
        kinds = trace.kinds()
        self._monitors = [_Monitor(name, kinds[name], self._spans[name]) for name in sorted(names)]
        if not self._monitors:  # one that never sees anything: without any, nothing ever naps
            self._monitors = [_Monitor("nothing", "tcp", Spans(()))]
        self._pending: list[tuple[float, int, Event]] = []
        self._number = itertools.count()
        self._fresh, self._not_before = 0.0, NEVER
        self._running: dict[Step, Nap] = {}
        self.state = begin(0.0)
        self.now = 0.0
        self._readings: tuple[Reading, ...] = ()
        self._called = False
        self.looks = self.partial = 0
        self.naps: list[Nap] = []
        self.wrong: list[Wrong] = []
        self.asleep: list[Interval] = []
        self.powersave_seconds = 0.0

    def run(self) -> None:
        spins, at = 0, -1.0
        while True:
            when, event = self._next()
            if when is None or when >= self._trace.duration:
                break
            self.now = max(self.now, when)
            spins, at = (spins + 1, at) if self.now == at else (0, self.now)
            if spins > SPINS:
                raise AssertionError(f"the engine looks again and again at {at} s")
            self._tell(event or self._look())
        for taken in tuple(self._running):
            self._end(taken, self._trace.duration, None, "")

    def _next(self) -> tuple[float | None, Event | None]:
        look: float | None = None  # while the machine sleeps
        if self.state.ask is not Ask.ACTING:
            planned = None if self.state.look_at is None else max(self.state.look_at, self.now)
            calls = [at for monitor in self._monitors for at in monitor.calls_at(self.now, self.state.attentive)]
            look = min(calls if planned is None else [planned, *calls], default=None)
            self._called = look in calls
        if self._pending and (look is None or self._pending[0][0] <= look):
            when, _number, event = heapq.heappop(self._pending)
            return when, event
        return look, None

    def _at(self, when: float, event: Event) -> None:
        heapq.heappush(self._pending, (when, next(self._number), event))

    def _look(self) -> Look:
        """Ask all, or, as the daemon does, only some at a look that was planned and nobody called for."""
        self.looks += 1
        some = frozenset() if self._called else alone(self.state, self._policy, self._readings, self.now)
        known = {reading.name: reading for reading in self._readings if some and reading.name not in some}
        self._readings = tuple(
            known.get(monitor.name) or monitor.look(self.now, self.state.attentive) for monitor in self._monitors
        )
        if some:
            self.partial += 1
            return Look(self._readings, None, partial=True)
        attempt = self.state.attempt if self.state.ask is Ask.ACKNOWLEDGED else 0
        return Look(self._readings, (), self._around(self.now), attempt)

    def _around(self, at: float) -> Surroundings:
        days, second = divmod(self._trace.second_of_day + at, DAY_SECONDS)
        return Surroundings(False, 100.0, False, False, int(self._trace.weekday + days) % 7, second, calls=True)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Resumed):
            self._fresh, self._not_before = self.now, self.now + self._policy.min_awake_seconds
        self.state, effects = step(self.state, event, self.now, self._policy)
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, (Register, Rehearse)):
            self._at(self.now + ANSWER_SECONDS, Acknowledged(effect.attempt))
        elif isinstance(effect, Undo):
            self._end(effect.step, self.now, self.now, self._who(self.now))
        elif isinstance(effect, Act):
            cause = f"idle for {self.now - self.state.idle_since:.0f} s; last activity: {self.state.cause}"
            nap = Nap(self.now, effect.step.action, cause, max(0.0, self.now - self._allowed(effect.step)))
            if effect.step.sleeps:
                self._sleep(nap)
            else:
                self._running[effect.step] = nap
                self._at(self.now + ANSWER_SECONDS, ActionDone(effect.attempt))

    def _allowed(self, taken: Step) -> float:
        """Return the first moment at which the policy allows the step, by what its monitors could have seen."""
        seen = [last for monitor in self._monitors if (last := monitor.spans.last(self.now)) is not None]
        at = max(max([self._fresh, *seen]) + taken.after_seconds, self._not_before)
        around = self._around(at)
        if taken.conditions.holds(around):
            return at
        # idle for long enough, but only later is it the time of day; people are then warned as before any other sleep
        return min(self.now, at + (taken.conditions.next_change(around) or 0.0))

    def _sleep(self, nap: Nap) -> None:
        down = self.now + self._suspend_seconds
        starts = [start for spans in self._spans.values() if (start := spans.next_start(self.now)) is not None]
        demand = min(starts, default=self._trace.duration)
        up = max(down, min(demand, self._trace.duration))
        for name, spans in self._spans.items():
            span = spans.until(self.now)
            if span is not None and self.now < span[1]:
                self.wrong.append(Wrong(self.now, name, max(0.0, min(span[1], up) - down)))
        down = min(down, self._trace.duration)
        up = min(up, self._trace.duration)
        if up > down:
            self.asleep.append((down, up))
        ready = up + self._resume_seconds
        woken = demand < self._trace.duration
        self.naps.append(
            replace(
                nap,
                ended=ready if woken and ready < self._trace.duration else None,
                woken_by=self._who(demand) if woken else "",
                asleep_seconds=up - down,
                waited_seconds=ready - demand if woken else 0.0,
            )
        )
        self._at(self.now, GoingToSleep())
        self._at(ready, Resumed(up - down, "activity"))

    def _end(self, taken: Step, at: float, ended: float | None, woken_by: str) -> None:
        nap = self._running.pop(taken, None)
        if nap is None:
            return
        if nap.action == "powersave":
            self.powersave_seconds += at - nap.at - overlap(self.asleep, [(nap.at, at)])
        self.naps.append(replace(nap, ended=ended, woken_by=woken_by))

    def _who(self, at: float) -> str:
        """Return whose activity there is at that moment."""
        newest = [(last, name) for name, spans in self._spans.items() if (last := spans.last(at)) is not None]
        return max(newest)[1] if newest else ""
