# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed loop of a wake, as the engine sees it: budget, ways of waking, alerts and stories, behind one object."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.wake import events as ev
from powernap.wake.alerts import ALERTS, Alerts
from powernap.wake.budget import Limit
from powernap.wake.events import Effect, Event
from powernap.wake.gate import Gate
from powernap.wake.host import Host
from powernap.wake.methods import Outcome
from powernap.wake.methods.base import Segment
from powernap.wake.model import Policy
from powernap.wake.notes import Notes
from powernap.wake.story import Stories
from powernap.wake.waker import Waker

_MOST_COUNTED = 10_000


class Wakes:
    """`host(name)`, `tell(name, event)` and `note(name, event, detail)` are the engine's."""

    def __init__(
        self,
        segments: Mapping[str, Segment],
        config: WakeConfig,
        notes: Notes,
        clock: Callable[[], float],
        host: Callable[[str], Host | None],
        tell: Callable[[str, Event], None],
        note: Callable[[str, str, str], None],
        may_fire_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._host, self._tell, self._note = clock, host, tell, note
        self._waker = Waker(segments, config, self._told)
        self._alerts = Alerts(config.wake.alert, config.wake.program_seconds)
        self._packets: dict[str, int] = {}
        self.stories = Stories(notes)
        per_minute, limits = config.wake.wakes_per_minute, _limits(config)
        self.gate = Gate(clock, self._postponed, self._turn, per_minute, limits, may_fire_changed)

    def configure(self, config: WakeConfig) -> None:
        self._waker.configure(config)
        self._alerts.program, self._alerts.seconds = config.wake.alert, config.wake.program_seconds
        self.gate.configure(config.wake.wakes_per_minute, _limits(config))

    def close(self) -> None:
        self.gate.close()
        self._waker.close()
        self._alerts.close()

    # What the engine calls

    def volley(self, host: Host, effect: ev.Volley, policy: Policy, fired_at: float = 0.0) -> None:
        """Carry the effect out, unless the budget has it wait. `fired_at`: when the kernel sent the first packet."""
        if effect.number == 0 and not effect.granted:
            self._packets.pop(host.name, None)
            order = host.wake is not None and host.wake.wanted.reason == "order"
            if not self.gate.admit(host.name, host.group, order, bool(fired_at)):
                return
        now = self._clock()
        outcomes = self._waker.fire(host, effect.number, policy.volley_times())
        story = self.stories.running(host, now, time.time())  # after the packets, which are in a hurry
        if story is not None and fired_at:
            story.mark("kernel", fired_at)
        if not outcomes:
            return  # no way is due: of exec, say, there is one a wake
        if story is not None:
            story.sent(now, effect.number, outcomes)
        packets = sum(outcome.packets for outcome in outcomes.values())
        self._count(host.name, packets)
        ways = ", ".join(f"{way}: {outcome.text}" for way, outcome in outcomes.items() if outcome.text)
        self._note(host.name, "magic packet", f"volley {effect.number + 1}, {packets} packets" + (ways and f"; {ways}"))

    def hurry(self, host: Host) -> None:
        self.gate.hurry(host.name)

    def follow(self, new: Host, event: Event, effects: list[Effect]) -> None:
        """A step of the host has been carried out."""
        if effects and ev.WakeEnded in map(type, effects):
            self.gate.leave(new.name)
            self._waker.forget(new.name)
        self.stories.follow(new, event, effects, self._clock(), time.time())

    def forget(self, name: str) -> None:
        self.gate.leave(name)
        self._waker.forget(name)
        self.stories.forget(name)
        self._packets.pop(name, None)

    def alert(self, name: str, event: str, detail: str) -> None:
        """For every event that is noted; those that are alerts go to the site's program."""
        if event not in ALERTS:
            return
        host = self._host(name)
        told = {"time": time.time(), "host": name, "event": event, "detail": detail}
        told["group"] = host.group if host is not None else ""
        self._alerts.tell(told)

    # For people

    def packets(self, name: str) -> int:
        """Packets sent in the host's current or last wake."""
        return self._packets.get(name, 0)

    def counts(self) -> dict[str, Any]:
        return {"waiting_for_turn": self.gate.waiting, "alerts_dropped": self._alerts.dropped}

    # What comes later

    def _told(self, name: str, way: str, outcome: Outcome) -> None:
        self._count(name, outcome.packets)
        self._note(name, "way of waking", f"{way}: {outcome.text}")
        host = self._host(name)
        story = self.stories.running(host, self._clock(), time.time()) if host is not None else None
        if story is not None:
            story.packets += outcome.packets
            story.outcome(self._clock(), way, outcome.text)

    def _postponed(self, name: str) -> None:
        self._tell(name, ev.Postponed())

    def _turn(self, name: str) -> bool:
        host = self._host(name)
        if host is None or host.wake is None or not host.wake.waits:
            return False
        self._tell(name, ev.Turn())
        return True

    def _count(self, name: str, packets: int) -> None:
        before = self._packets.pop(name, 0)
        self._packets[name] = before + packets
        if len(self._packets) > _MOST_COUNTED:
            del self._packets[next(iter(self._packets))]


def _limits(config: WakeConfig) -> dict[str, Limit]:
    return {name: Limit(group.wakes_per_minute, group.priority) for name, group in config.groups.items()}
