# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry says of one host: as people see it, and with what it sleeps with."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple

from powernap.wake.model import Address, Sleep
from powernap.wake.registry.sleeps import from_text, split_macs


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
        _texts(macs),
        _texts(addresses),
        _texts(said),
        wake_on,
        group,
        registered_at,
        sequence,
        state,
        since,
        json.loads(last_wake) if last_wake else None,
    )


_decode = json.JSONDecoder().raw_decode
_nth = itemgetter(0)


def _texts(written: str) -> tuple[str, ...]:
    """Of a list in JSON as json.dumps writes it."""
    return tuple(_decode(written)[0])


class Row(NamedTuple):
    """All that is on disk of one host that matters for what it does. `addresses`: where it is asked or sleeps."""

    record: Record
    captured: bool
    run: int
    sleep: Sleep | None
    addresses: tuple[Address, ...]


_ROWS = (
    f"SELECT nth, segment, ip, mac, captured, run, sleep, sleep_macs, lease_ends, wake_by, {COLUMNS}"
    " FROM hosts LEFT JOIN places ON host = number WHERE"
)
ROWS_OF_HOST = f"{_ROWS} name = ?"
#: Of the one that has an address on a segment.
ROWS_OF_OWNER = f"{_ROWS} number = (SELECT host FROM places WHERE ip = ? AND segment = ?)"


def row_of(rows: list[tuple[Any, ...]]) -> Row:
    """Of what ROWS_OF_HOST or ROWS_OF_OWNER finds, if it finds any. Raises ValueError."""
    captured, run, text, macs, lease_ends, wake_by, *columns = rows[0][4:]
    record = record_of(tuple(columns))
    addresses = tuple(Address(*row[1:4]) for row in sorted(rows, key=_nth) if row[0] is not None)
    sleep = None
    if text is not None:
        sleep = replace(
            from_text(text), addresses=addresses, macs=split_macs(macs), lease_ends=lease_ends, wake_by=wake_by
        )
    return Row(record, bool(captured), run, sleep, addresses)
