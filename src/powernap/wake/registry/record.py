# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry says of one host, as people see it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """Times are Unix times. `addresses` is what the administrator gave, `said` what the host last registered."""

    number: int
    name: str
    key: str
    macs: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    wake_on: str | None = None
    group: str = ""
    registered_at: float = 0.0
    sequence: int = 0
    state: str = "awake"
    since: float = 0.0
    last_wake: dict[str, Any] | None = None

    @property
    def asked_at(self) -> tuple[str, ...]:
        """The addresses at which a host is asked that does not sleep."""
        return self.addresses or self.said


COLUMNS = 'number, name, key, macs, addresses, said, wake_on, "group", registered_at, sequence, state, since, last_wake'


def record_of(row: tuple[Any, ...]) -> Record:
    """Of a row with COLUMNS. Raises ValueError."""
    number, name, key, macs, addresses, said, wake_on, group, registered_at, sequence, state, since, last_wake = row
    return Record(
        number,
        name,
        key,
        tuple(json.loads(macs)),
        tuple(json.loads(addresses)),
        tuple(json.loads(said)),
        wake_on,
        group,
        registered_at,
        sequence,
        state,
        since,
        json.loads(last_wake) if last_wake else None,
    )
