# SPDX-License-Identifier: GPL-3.0-or-later
"""One order to machines, and what became of it with each."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from powernap.wake.orders.request import Request


class Outcome(str, Enum):
    """Of an order, for one machine."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_DELIVERED = "not delivered"
    CANCELLED = "cancelled"
    WOULD = "would"

    @property
    def is_over(self) -> bool:
        return self not in (Outcome.WAITING, Outcome.RUNNING)


@dataclass
class Result:
    """`said`: one sentence; `result`: what the machine said in figures. `changed`: something was done, or would be."""

    outcome: Outcome = Outcome.WAITING
    said: str = ""
    began: float | None = None
    seconds: float | None = None
    result: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    @property
    def so_far(self) -> Outcome:
        """While it is under way it is not done, whatever it has come to."""
        return Outcome.RUNNING if self.began is not None and self.seconds is None else self.outcome

    def told(self) -> dict[str, Any]:
        return {
            "outcome": self.so_far.value,
            "said": self.said,
            "changed": self.changed,
            "seconds": self.seconds,
            "result": self.result,
        }


@dataclass
class Order:
    """`by`: who asked for it. `results`: by name, in the order in which they are dealt with."""

    request: Request
    by: str
    results: dict[str, Result]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    at: float = field(default_factory=time.time)
    ended: float | None = None
    cancelled: bool = False

    @property
    def state(self) -> str:
        if self.ended is None:
            return "running"
        return "cancelled" if self.cancelled else "done"

    def counts(self) -> dict[str, int]:
        return dict(Counter(result.so_far.value for result in self.results.values()))

    def summary(self) -> dict[str, Any]:
        request = self.request
        return {
            "id": self.id,
            "verb": request.verb,
            "arguments": dict(request.arguments),
            "by": self.by,
            "at": self.at,
            "state": self.state,
            "dry_run": request.dry_run,
            "ended": self.ended,
            "hosts": len(self.results),
            "counts": self.counts(),
        }

    def told(self, name: str = "") -> dict[str, Any]:
        """`name`: with the result of that machine alone."""
        results = {name: self.results[name]} if name else self.results
        return {**self.summary(), "results": {each: result.told() for each, result in results.items()}}
