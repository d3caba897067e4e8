# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wakes hosts, how often for nothing, and who is not believed for a time: kept in the notes."""

from __future__ import annotations

import ipaddress
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from powernap.config.wake.demand import DemandSettings
from powernap.shared.errors import BadMac
from powernap.shared.mac import format_mac, normal_mac
from powernap.wake.model import Visitor
from powernap.wake.notes import Notes
from powernap.wake.wolf import NOT_DEMOTED, Crier, Demotion, Limits, Wake, crier, demotion, latest, was_false

_MOST_AT_HAND = 4096
_MOST_REFUSED = 1024
_MOST_SHOWN = 100
_FIELDS = "source, by_what, mac, host, last, total, false, unknown, wakes, since, until, reason"
_MARKS = ", ".join("?" * 12)
_CRIERS = f"{_FIELDS}, PRIMARY KEY (source, by_what)"
_WOKEN = "host PRIMARY KEY, source, by_what, what"
_K = TypeVar("_K")
_V = TypeVar("_V")


class _Woken(NamedTuple):
    """Who woke a host, and with what (Visitor.what)."""

    crier: Crier
    what: str


class Refused(NamedTuple):
    """Demand that was ignored: how often; for which host the last time, and when (Unix time)."""

    times: int
    host: str
    last: float


def limits_of(demand: DemandSettings) -> Limits:
    return Limits(demand.false_wakes, demand.of_wakes, demand.within_seconds, demand.demoted_seconds)


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one crier. `total`: wakes, of which `false` were for nothing and `unknown` nobody knows."""

    crier: Crier
    mac: bytes = b""
    host: str = ""
    last: float = 0.0
    total: int = 0
    false: int = 0
    unknown: int = 0
    wakes: tuple[Wake, ...] = ()
    demotion: Demotion = NOT_DEMOTED

    def row(self) -> tuple[Any, ...]:
        counts = (self.last, self.total, self.false, self.unknown)
        return (*self.crier, self.mac, self.host, *counts, json.dumps(self.wakes), *self.demotion)


class Criers:
    """`clock`: Unix time. What is written is at hand, too: the notes take their time.

    `changed`: called when somebody is demoted or believed again, but for one whose time is over. `elsewhere()`:
    (who, reason, how often) of demand that was ignored in the kernel.
    """

    def __init__(self, notes: Notes, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.limits = limits
        self.changed: Callable[[], None] = lambda: None
        self.elsewhere: Callable[[], list[tuple[Crier, str, Refused]]] = list
        self._notes = notes
        self._clock = clock
        self._at_hand: OrderedDict[Crier, Account] = OrderedDict()
        self._woken: OrderedDict[str, _Woken] = OrderedDict()
        self._judged: OrderedDict[str, tuple[_Woken, Wake | None]] = OrderedDict()
        self._refused: OrderedDict[tuple[bytes, str, str], Refused] = OrderedDict()
        self._demoted: dict[Crier, Demotion] = {}
        self._more_woken = True  # than are at hand may be in the notes
        notes.add_table("criers", _CRIERS)
        notes.add_table("woken", _WOKEN)

    def load(self) -> None:
        """Who is not believed, from the notes."""
        rows = self._notes.read(f"SELECT {_FIELDS} FROM criers WHERE until > ?", (self._clock(),))
        self._demoted = {account.crier: account.demotion for account in map(_account, rows)}
        for most in self._notes.read("SELECT count(*) FROM woken"):
            self._more_woken = most[0] > _MOST_AT_HAND
        woken = self._notes.read("SELECT host, source, by_what, what FROM woken LIMIT ?", (_MOST_AT_HAND,))
        self._woken.update((host, _Woken(Crier(source, by), what)) for host, source, by, what in woken)

    # What happens

    def woke(self, host: str, visitor: Visitor) -> None:
        """The visitor has woken the host."""
        woken = _Woken(crier(visitor), visitor.what)
        account = self._account(woken.crier)
        self._put(replace(account, mac=visitor.mac, host=host, last=self._clock(), total=account.total + 1))
        self._note_woken(host, woken)
        self._judged.pop(host, None)

    def slept(self, host: str, used: bool | None) -> str:
        """The host goes to sleep again; `used`: its word (wolf.py). Returns who is demoted for that, and why, or ""."""
        woken = self._woken.pop(host, None) or (self._read_woken(host) if self._more_woken else None)
        if woken is None:
            return ""
        self._notes.write("DELETE FROM woken WHERE host = ?", (host,))
        account, now = self._account(woken.crier), self._clock()
        false = was_false(woken.what, used)
        wake = None if false is None else Wake(now, false)
        _bounded(self._judged, host, (woken, wake), _MOST_AT_HAND)
        if wake is None:
            self._put(replace(account, unknown=account.unknown + 1))
            return ""
        wakes = latest((*account.wakes, wake), self.limits, now)
        found = demotion(wakes, self.limits, now)
        account = replace(account, wakes=wakes, false=account.false + wake.false)
        if found is None or account.demotion.until > now:
            self._put(account)
            return ""
        self._put(replace(account, demotion=found))
        return f"{_address(woken.crier.source)} by {woken.crier.by}: {found.reason}"

    def stayed_awake(self, host: str) -> None:
        """It did not go to sleep after all: it may yet be of use, so what was counted is taken back."""
        if host not in self._judged:
            return
        woken, wake = self._judged.pop(host)
        account = self._account(woken.crier)
        if wake is None:
            self._put(replace(account, unknown=max(0, account.unknown - 1)))
        elif wake in account.wakes:
            at = account.wakes.index(wake)
            wakes = account.wakes[:at] + account.wakes[at + 1 :]
            demoted = NOT_DEMOTED if account.demotion.since == wake.at else account.demotion
            self._put(replace(account, wakes=wakes, false=account.false - wake.false, demotion=demoted))
        self._note_woken(host, woken)

    def pardon(self, source: str, by: str = "") -> list[str]:
        """Believe a source (address or MAC) again, by everything or by one thing. Returns by what it was known."""
        wanted = _normal(source)
        found = [account for account in self._all() if wanted in (_address(account.crier.source), _mac(account.mac))]
        found = [account for account in found if by in ("", account.crier.by)]
        for account in found:
            self._put(replace(account, wakes=(), demotion=NOT_DEMOTED))
        return [f"{_address(account.crier.source)} by {account.crier.by}" for account in found]

    # Who is refused

    def refusal(self, visitor: Visitor) -> str:
        """Why the visitor is not believed now; empty where it is."""
        found = self._demoted.get(crier(visitor)) if self._demoted else None
        return "" if found is None or found.until <= self._clock() else found.reason

    def refused(self, host: str, visitor: Visitor, reason: str) -> None:
        """Its demand for the host was ignored."""
        who = crier(visitor)
        key = (who.source, who.by, reason)
        before = self._refused.pop(key, None)
        times = 1 if before is None else before.times + 1
        _bounded(self._refused, key, Refused(times, host, self._clock()), _MOST_REFUSED)

    def demoted(self) -> dict[Crier, Demotion]:
        """Whose demand is ignored for crying wolf."""
        now = self._clock()
        self._demoted = {who: found for who, found in self._demoted.items() if found.until > now}
        return self._demoted

    # For people

    def report(self) -> dict[str, Any]:
        """The worst first. `refused`: whose demand was ignored, how often, why, and when last; by the daemon since its
        start.
        """
        accounts = sorted(self._all(), key=lambda each: (-each.demotion.until, -each.false, -each.last))
        ignored = dict(self._refused)
        for (source, by), reason, found in self.elsewhere():
            known = ignored.get((source, by, reason), Refused(0, "", 0.0))
            last = max(known, found, key=lambda each: each.last)
            ignored[source, by, reason] = last._replace(times=known.times + found.times)
        refused = sorted(ignored.items(), key=lambda item: -item[1].times)
        return {
            "criers": [self._described(account) for account in accounts[:_MOST_SHOWN]],
            "refused": [
                {
                    "source": _address(source),
                    "by": by,
                    "reason": reason,
                    "count": each.times,
                    "host": each.host,
                    "last": each.last,
                }
                for (source, by, reason), each in refused[:_MOST_SHOWN]
            ],
        }

    def _described(self, account: Account) -> dict[str, Any]:
        demoted = account.demotion if account.demotion.until > self._clock() else None
        return {
            "source": _address(account.crier.source),
            "mac": _mac(account.mac),
            "by": account.crier.by,
            "host": account.host,
            "last": account.last,
            "wakes": account.total,
            "false": account.false,
            "unknown": account.unknown,
            "demoted_until": demoted.until if demoted else None,
            "reason": demoted.reason if demoted else "",
        }

    # Storage

    def _account(self, who: Crier) -> Account:
        if who in self._at_hand:
            return self._at_hand[who]
        rows = self._notes.read(f"SELECT {_FIELDS} FROM criers WHERE source = ? AND by_what = ?", who)
        return _account(rows[0]) if rows else Account(who)

    def _all(self) -> list[Account]:
        stored = map(_account, self._notes.read(f"SELECT {_FIELDS} FROM criers"))
        return list({**{account.crier: account for account in stored}, **self._at_hand}.values())

    def _put(self, account: Account) -> None:
        who = account.crier
        _bounded(self._at_hand, who, account, _MOST_AT_HAND)
        self._notes.write(f"INSERT OR REPLACE INTO criers ({_FIELDS}) VALUES ({_MARKS})", account.row())
        demoted = account.demotion if account.demotion.until > self._clock() else None
        if self._demoted.get(who) == demoted:
            return
        if demoted is not None:
            self._demoted[who] = demoted
        else:
            del self._demoted[who]
        self.changed()

    def _note_woken(self, host: str, woken: _Woken) -> None:
        self._more_woken = self._more_woken or len(self._woken) >= _MOST_AT_HAND
        _bounded(self._woken, host, woken, _MOST_AT_HAND)
        self._notes.write("INSERT OR REPLACE INTO woken VALUES (?, ?, ?, ?)", (host, *woken.crier, woken.what))

    def _read_woken(self, host: str) -> _Woken | None:
        rows = self._notes.read("SELECT source, by_what, what FROM woken WHERE host = ?", (host,))
        return _Woken(Crier(*rows[0][:2]), rows[0][2]) if rows else None


def _account(row: tuple[Any, ...]) -> Account:
    source, by, mac, host, last, total, false, unknown, wakes, since, until, reason = row
    read = tuple(Wake(at, bool(was)) for at, was in json.loads(wakes))
    return Account(Crier(source, by), mac, host, last, total, false, unknown, read, Demotion(since, until, reason))


def _bounded(table: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    """Set, and forget what was set longest ago."""
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)


def _address(ip: bytes) -> str:
    return str(ipaddress.ip_address(ip))


def _mac(mac: bytes) -> str:
    return format_mac(mac) if mac else ""


def _normal(source: str) -> str:
    """An IP or MAC address, however it is written."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(source))
    with suppress(BadMac):
        return normal_mac(source)
    return source
