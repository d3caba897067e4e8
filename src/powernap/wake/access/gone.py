# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens that were good once: who holds one is told why it is no longer. Of those, only the newest are remembered."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass

MOST = 1000
TABLE = (
    "CREATE TABLE IF NOT EXISTS gone_tokens (id PRIMARY KEY, kind NOT NULL, secret_hash NOT NULL, why NOT NULL,"
    " at NOT NULL)"
)
EXPIRED, REVOKED = "has expired", "was revoked"


@dataclass(frozen=True)
class Gone:
    """``why``: EXPIRED or REVOKED; ``at``: when, as Unix time."""

    id: str
    kind: str
    secret_hash: str
    why: str
    at: float

    def sentence(self) -> str:
        return f"{self.why} on {time.strftime('%Y-%m-%d at %H:%M UTC', time.gmtime(self.at))}"


def load(database: sqlite3.Connection) -> dict[str, Gone]:
    rows = database.execute("SELECT id, kind, secret_hash, why, at FROM gone_tokens ORDER BY rowid").fetchall()
    return {row[0]: Gone(*row) for row in rows}


def write(database: sqlite3.Connection, gone: Iterable[Gone]) -> None:
    database.executemany("INSERT OR REPLACE INTO gone_tokens VALUES (?, ?, ?, ?, ?)", [astuple(each) for each in gone])
    database.execute(
        "DELETE FROM gone_tokens WHERE rowid NOT IN (SELECT rowid FROM gone_tokens ORDER BY rowid DESC LIMIT ?)",
        (MOST,),
    )


def remember(known: dict[str, Gone], gone: Iterable[Gone]) -> None:
    """The same in memory."""
    for each in gone:
        known.pop(each.id, None)
        known[each.id] = each
    for identifier in list(known)[: max(0, len(known) - MOST)]:
        del known[identifier]
