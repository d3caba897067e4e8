# SPDX-License-Identifier: GPL-3.0-or-later
"""What was last heard and seen of each machine, kept in the notes; a few thousand of them are at hand."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from powernap.wake.notes import Notes
from powernap.wake.presence.status import Look, Parting, Word

_MOST_AT_HAND = 16_384
_FLUSH_SECONDS, _FLUSHED_AT_ONCE = 0.2, 2000
_MOST_HOSTS = 1 << 40  # numbers of hosts only grow: none goes for being old


class Known(NamedTuple):
    """`activity`: by monitor, as the machine said. `port`: the first TCP port that it registered, 0 for none."""

    word: Word | None = None
    parting: Parting | None = None
    look: Look | None = None
    activity: Mapping[str, Any] | None = None
    port: int = 0
    profile: str = ""
    version: str = ""

    def heard(self, word: Word) -> Known:
        """It has spoken: what was seen of it before, or was said of its end, is over."""
        return self._replace(word=word, parting=None, look=None)


NOTHING = Known()


class Store:
    """By the registry's numbers."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._at_hand: OrderedDict[int, Known] = OrderedDict()
        self._unwritten: dict[int, Known] = {}
        self._timer: asyncio.TimerHandle | None = None
        notes.add_table("presence", "number INTEGER PRIMARY KEY, known TEXT NOT NULL", _MOST_HOSTS)

    def get(self, number: int) -> Known:
        known = self._at_hand.get(number) or self._unwritten.get(number)
        if known is None:
            rows = self._notes.read("SELECT known FROM presence WHERE number = ?", (number,))
            known = _read(rows[0][0]) if rows else NOTHING
            self._keep(number, known)
        return known

    def put(self, number: int, known: Known) -> None:
        self._keep(number, known)
        # One that says much is written once in a while.
        self._unwritten[number] = known
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    def flush(self) -> None:
        """At the end."""
        while self._unwritten:
            self._flush()
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        numbers = list(self._unwritten)[:_FLUSHED_AT_ONCE]
        for number in numbers:
            self._notes.write(
                "INSERT INTO presence (number, known) VALUES (?1, ?2) ON CONFLICT (number) DO UPDATE SET known = ?2",
                (number, json.dumps(self._unwritten.pop(number))),
            )
        self._timer = None
        if self._unwritten:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush)

    def forget(self, number: int) -> None:
        self._at_hand.pop(number, None)
        self._unwritten.pop(number, None)
        self._notes.write("DELETE FROM presence WHERE number = ?", (number,))

    def _keep(self, number: int, known: Known) -> None:
        self._at_hand[number] = known
        self._at_hand.move_to_end(number)
        if len(self._at_hand) > _MOST_AT_HAND:
            self._at_hand.popitem(last=False)


def _read(text: str) -> Known:
    """Named tuples are JSON's lists. What a former version wrote otherwise is nothing."""
    try:
        word, parting, look, *others = json.loads(text)
        return Known(word and Word(*word), parting and Parting(*parting), look and Look(*look), *others)
    except (ValueError, TypeError):
        return NOTHING
