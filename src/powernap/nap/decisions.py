# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of decisions: what was decided, when, why, and on which readings. The newest 200 are kept in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy
from powernap.nap.state import State, due

KEPT = 200


class Decisions:
    """Records as dictionaries, ready for JSON: time (wall clock), state, cause, deadline_seconds, monitors."""

    def __init__(self) -> None:
        self._records: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def add(self, wall: float, state: State, policy: Policy, cause: str, readings: Iterable[Reading]) -> dict[str, Any]:
        deadline = due(state, policy)
        record = {
            "time": wall,
            "state": state.phase.value,
            "cause": cause,
            "deadline_seconds": None if deadline is None else round(max(0.0, deadline - state.now), 3),
            "monitors": [
                {
                    "name": reading.name,
                    "active": reading.active_now or bool(reading.error),
                    "idle_seconds": idle_seconds(reading, state.now),
                    "detail": reading.error or reading.detail,
                }
                for reading in readings
            ],
        }
        self._records.append(record)
        return record

    def all(self) -> list[dict[str, Any]]:
        return list(self._records)

    def last(self) -> dict[str, Any] | None:
        return self._records[-1] if self._records else None


def idle_seconds(reading: Reading, now: float) -> float | None:
    """Return how long a monitor has seen nothing; None: it never saw anything."""
    if reading.active_now or reading.error:
        return 0.0
    return None if reading.last_active is None else round(max(0.0, now - reading.last_active), 3)
