# SPDX-License-Identifier: GPL-3.0-or-later
"""Who says hello: the host whose key it signs with, that host changed, or a copy of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from powernap.shared.errors import PowernapError
from powernap.wake.engine import Engine
from powernap.wake.enrol.asked import Shown, shown
from powernap.wake.enrol.changes import Follow, Rename
from powernap.wake.enrol.desk import Desk
from powernap.wake.enrol.evidence import Likeness, Verdict, judge
from powernap.wake.enrol.identities import Identity
from powernap.wake.enrol.likening import key_hash
from powernap.wake.registry import Journal, Record


class NotThisHost(PowernapError):
    """It signs with the key of a host that it is not; it needs a key of its own. `told`: as its program reads it."""

    told: Mapping[str, Any] = {"make_key": True}


class Renamed(PowernapError):
    """The host has another name now: it is to say hello by that one."""

    def __init__(self, former: str, name: str) -> None:
        super().__init__(f"{former} is called {name} here now: say hello by that name")
        self.told = {"name": name}


@dataclass(frozen=True)
class HelloVerdict:
    """`rename`: the name that the host wants, or ""; `macs`: the cards that it is to have, or () where none changed."""

    verdict: Verdict
    rename: str = ""
    macs: tuple[str, ...] = ()


def judge_hello(record: Record, seen: Shown, like: Likeness, known: Identity) -> HelloVerdict:
    """Pure. `known`: what the host has shown before, by the same key."""
    verdict = judge([like])
    if not verdict.is_host:
        return HelloVerdict(verdict)
    # Only a host that was called as its machine was is renamed with it: other names were given on purpose.
    wanted = seen.hostname if seen.hostname not in ("", record.name) and known.hostname == record.name else ""
    return HelloVerdict(verdict, wanted, _cards(record.macs, known.macs.split(), seen.macs))


def _cards(registered: tuple[str, ...], before: list[str], now: tuple[str, ...]) -> tuple[str, ...]:
    """The cards of the host where they changed. An administrator may have named fewer, or others, than it shows."""
    if not now:
        return ()
    if not before:
        return now if set(now).isdisjoint(registered) else ()
    gone, new = set(before) - set(now), [mac for mac in now if mac not in before]
    wanted = tuple(dict.fromkeys([*(mac for mac in registered if mac not in gone), *new]))
    return wanted if set(wanted) != set(registered) else ()


class Greeter:
    """Judges each hello before it is acted upon."""

    def __init__(self, desk: Desk, engine: Engine, journal: Journal) -> None:
        self._desk, self._engine, self._journal = desk, engine, journal
        self.renamed: Callable[[str, str], None] = lambda name, now: None

    def judge_hello(self, record: Record, hello: Mapping[str, Any]) -> HelloVerdict:
        """Changes nothing. `hello`: boot_id, identity, cards, hostname. Raises BadBody."""
        seen = shown(hello)
        like = self._desk.likening.liken(record, record.name, record.key, seen)
        return judge_hello(record, seen, like, self._desk.identities.of(record.name, key_hash(record.key)))

    def formerly(self, name: str) -> tuple[Record, PowernapError] | None:
        """The host that had this name before it was renamed, and what it is told."""
        now = self._desk.identities.now_called(name)
        record = self._desk.record(now) if now else None
        return None if record is None else (record, Renamed(name, now))

    async def greet(self, record: Record, hello: Mapping[str, Any], source: str) -> None:
        """Judge it, and follow what has changed. Raises NotThisHost, Renamed, BadBody, RegistryError."""
        judged = self.judge_hello(record, hello)
        seen, verdict, name = shown(hello), judged.verdict, record.name
        if not verdict.is_host:
            self._desk.copy_seen(record, seen, verdict, source)
            self._engine.note(name, "alert", f"{source} {verdict.said()}: it is refused")
            raise NotThisHost(f"this machine is a {verdict.said()}: run 'powernap enrol --new-key' on it")
        identities = self._desk.identities
        known = identities.of(name, key_hash(record.key))
        now = Identity(
            name,
            known.key,
            seen.machine or known.machine,
            seen.board or known.board,
            seen.hostname or known.hostname,
            " ".join(seen.macs) or known.macs,
            known.former,
        )
        if verdict.why:
            self._engine.note(name, "changed", verdict.why)
        if judged.macs:
            await self._follow(record, judged.macs, seen)
        self._desk.likening.heard(name, seen.boot)
        if judged.rename and await self._rename(record, judged.rename, now, seen):
            raise Renamed(name, judged.rename)
        if now != known:
            identities.put(now)

    async def _follow(self, record: Record, macs: tuple[str, ...], seen: Shown) -> None:
        before = self._engine.roster.peek(record.name)
        new: Record = await self._journal.commit(
            Follow(record.name, macs, seen.addresses, self._engine.segments.interfaces())
        )
        if new.macs != record.macs:
            self._engine.renew(before, record.name)
            self._engine.note(record.name, "cards changed", f"{' '.join(record.macs)} -> {' '.join(new.macs)}")
        else:
            self._engine.note(record.name, "alert", f"its cards {' '.join(macs)} are other machines': they stay theirs")

    async def _rename(self, record: Record, wanted: str, now: Identity, seen: Shown) -> bool:
        name = record.name
        before = self._engine.roster.peek(name)
        if not await self._journal.commit(Rename(name, wanted)):
            self._engine.note(
                name, "alert", f"it is called {wanted} now, but that name is another machine's: {name} stays"
            )
            return False
        self._engine.renew(before, name)
        self._engine.renew(None, wanted)
        self._desk.identities.forget(name)
        self._desk.identities.put(replace(now, name=wanted, former=name))
        self._desk.likening.forget(name)
        self._desk.likening.heard(wanted, seen.boot)
        self.renamed(name, wanted)
        self._engine.note(wanted, "renamed", f"it was {name}")
        return True
