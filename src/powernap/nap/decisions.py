# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of decisions: what was decided, when, why, and on which readings. The newest 200 are kept in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from powernap.nap.events import Event, Resumed
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy
from powernap.nap.state import Phase, State, due, next_step
from powernap.shared.errors import PowernapError

KEPT = 200
#: MESSAGE_ID of the journal's entries, by what happened: docs/explaining.md lists them.
MESSAGE_IDS = {
    "deadline": "90087383b9aa4fa7b4095fbe0621f3e2",
    "awake": "b0d21c6bad194f3eb822e4acfc023718",
    "warned": "4bb53f3c2ce04af0952a2ee903cf8d39",
    "powersave": "fa1357a72b5b438b998e2b85dd3586b5",
    "suspending": "7327e2471edc44d5bc445219661d996d",
    "asleep": "bc8cf8e8db3d40d9a5c84b402520a4a5",
    "resuming": "0dbe772805134b45ac28594b2b77ce6f",
    "held": "93ada4df65664045b3101b722a8e4257",
    "backoff": "be33c422bd684b3c80723f6f46a0b150",
    "observing": "0557be22b834419d9350e6b40c3dc3f4",
}

#: How many may watch, and how many records each may be behind.
WATCHERS = 16
BEHIND = 100


class Watcher:
    """Somebody who reads the decisions as they come; nobody waits for a slow one."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def show(self, record: dict[str, Any]) -> None:
        if self.queue.qsize() < BEHIND:
            self.queue.put_nowait(record)
        else:
            self.end()

    def end(self) -> None:
        """After this nothing comes."""
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Decisions:
    """Records as dictionaries, ready for JSON.

    ``time``: wall clock; ``boottime``: CLOCK_BOOTTIME; ``event``: "deadline" where only that moved, else the new state;
    ``in_effect``: the action that the machine is in, or ""; ``slept_seconds``, ``woken_by``: after a sleep.
    """

    def __init__(self) -> None:
        self._records: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._watchers: list[Watcher] = []
        self._depth = 0

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """Yield each record from now on; ends with the daemon, or where it is read too slowly. Raises PowernapError."""
        if len(self._watchers) >= WATCHERS:
            raise PowernapError(f"{WATCHERS} watch already, and more are not let in: end one of them")
        watcher = Watcher()
        self._watchers.append(watcher)
        try:
            while (record := await watcher.queue.get()) is not None:
                yield record
        finally:
            self._watchers.remove(watcher)

    def end(self) -> None:
        """Let the watchers go."""
        for watcher in self._watchers:
            watcher.end()

    def add(
        self,
        wall: float,
        state: State,
        policy: Policy,
        cause: str,
        readings: Iterable[Reading],
        event: Event | None = None,
    ) -> dict[str, Any]:
        """Note a decision, and the event that brought it about."""
        deadline = due(state, policy)
        before = self.last() or {}
        doing = in_effect(state, policy, before.get("state", ""))
        phase = state.phase.value
        following = next_step(state, policy)
        same = (before.get("state"), before.get("in_effect"), self._depth) == (phase, doing, state.depth)
        self._depth = state.depth
        record: dict[str, Any] = {
            "time": wall,
            "boottime": round(state.now, 3),
            "event": "deadline" if same and not isinstance(event, Resumed) else phase,
            "state": phase,
            "in_effect": doing,
            "cause": cause,
            "next": "" if following is None else following.action,
            "deadline_seconds": None if deadline is None else round(max(0.0, deadline - state.now), 3),
            "monitors": [monitor(reading, state.now) for reading in readings],
        }
        if isinstance(event, Resumed):
            record |= {"slept_seconds": round(event.slept_seconds, 3), "woken_by": event.cause}
        self._records.append(record)
        for watcher in self._watchers:
            watcher.show(record)
        return record

    def all(self) -> list[dict[str, Any]]:
        return list(self._records)

    def last(self) -> dict[str, Any] | None:
        return self._records[-1] if self._records else None


def in_effect(state: State, policy: Policy, before: str) -> str:
    """Return the action that the machine is in; "sleep": somebody else ordered it. ``before``: the last state."""
    if state.phase is Phase.ASLEEP:
        ours = before in (Phase.SUSPENDING.value, Phase.ASLEEP.value)
        return state.aim.action if ours and state.aim is not None else "sleep"
    if state.taken and not policy.observe:
        return state.taken[-1].step.action
    return ""


def monitor(reading: Reading, now: float) -> dict[str, Any]:
    """Return what a monitor said, for programs."""
    return {
        "name": reading.name,
        "kind": reading.kind,
        "active": reading.active_now or bool(reading.error),
        "idle_seconds": idle_seconds(reading, now),
        "detail": reading.error or reading.detail,
        "value": reading.value,
        "threshold": reading.threshold,
        "unit": reading.unit,
    }


def idle_seconds(reading: Reading, now: float) -> float | None:
    """Return how long a monitor has seen nothing; None: it never saw anything."""
    if reading.active_now or reading.error:
        return 0.0
    return None if reading.last_active is None else round(max(0.0, now - reading.last_active), 3)


def journal_fields(record: dict[str, Any]) -> dict[str, object]:
    """Return the fields of a decision for systemd's journal. POWERNAP_DEADLINE: Unix time, only where there is one."""
    fields: dict[str, object] = {
        "MESSAGE_ID": MESSAGE_IDS[record["event"]],
        "POWERNAP_EVENT": record["event"],
        "POWERNAP_STATE": record["state"],
        "POWERNAP_ACTION": record["in_effect"],
        "POWERNAP_CAUSE": record["cause"],
        "POWERNAP_NEXT": record["next"],
    }
    if record["deadline_seconds"] is not None:
        fields["POWERNAP_DEADLINE"] = f"{record['time'] + record['deadline_seconds']:.3f}"
    if "slept_seconds" in record:
        fields |= {"POWERNAP_SLEPT_SECONDS": record["slept_seconds"], "POWERNAP_WOKEN_BY": record["woken_by"]}
    return fields
