# SPDX-License-Identifier: GPL-3.0-or-later
"""The last orders and what became of them, on disk before they are carried out: none is carried out twice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from powernap.shared.errors import PowernapError

FILE = "orders.json"
KEPT = 64
CUT_SHORT = "powernapd was started anew before it was known what became of it"


@dataclass
class Entry:
    """``ok``: None while it is carried out; ``told``: the wake server has heard the result."""

    id: str
    verb: str
    by: str
    ok: bool | None = None
    said: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    told: bool = False

    def done(self) -> dict[str, Any]:
        """Return the body of "done"."""
        return {"order": self.id, "ok": bool(self.ok), "said": self.said, "result": self.result}


class OrderBook:
    """The newest KEPT orders."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE
        self._entries: dict[str, Entry] = {}
        for entry in self._load():
            if entry.ok is None:
                entry.ok, entry.said = False, CUT_SHORT
            self._entries[entry.id] = entry

    def find(self, identifier: str) -> Entry | None:
        return self._entries.get(identifier)

    def untold(self) -> list[Entry]:
        """Return what the wake server does not know yet."""
        return [entry for entry in self._entries.values() if entry.ok is not None and not entry.told]

    def begin(self, identifier: str, verb: str, by: str) -> Entry:
        """Note an order that is about to be carried out. Raises PowernapError: then it must not be."""
        entry = Entry(identifier, verb, by)
        self._entries[identifier] = entry
        while len(self._entries) > KEPT:
            del self._entries[next(iter(self._entries))]
        try:
            self._save()
        except OSError as error:
            del self._entries[identifier]
            raise PowernapError(
                f"{self._file} cannot be written ({error.strerror}), so the order is not carried out: free some space"
            ) from error
        return entry

    def finish(self, entry: Entry, ok: bool, said: str, result: Mapping[str, Any]) -> None:
        entry.ok, entry.said, entry.result = ok, said, dict(result)
        self._try_to_save()

    def told(self, identifier: str) -> None:
        entry = self._entries.get(identifier)
        if entry is not None and not entry.told:
            entry.told = True
            self._try_to_save()

    def _try_to_save(self) -> None:
        """What is not written is told for the second time at worst, not carried out for the second time."""
        try:
            self._save()
        except OSError:
            return

    def _load(self) -> list[Entry]:
        try:
            return [Entry(**entry) for entry in json.loads(self._file.read_text())["orders"]]
        except (OSError, ValueError, TypeError, KeyError):
            return []

    def _save(self) -> None:
        new = self._file.with_suffix(".new")
        with new.open("w") as stream:
            json.dump({"orders": [asdict(entry) for entry in self._entries.values()]}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._file)
