# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts in memory: those that are busy, and a few that were lately. All others are on disk alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from powernap.net.interfaces import Interface
from powernap.wake.clock import clock
from powernap.wake.demand.book import Book
from powernap.wake.host import NEVER, STANDING_BY, Host
from powernap.wake.model import Address, Policy, Sleep, State
from powernap.wake.posture import at_rest, goes_on
from powernap.wake.registration import locate
from powernap.wake.registry import Journal, Record, Registry, Row
from powernap.wake.registry.changes import Save

_log = logging.getLogger(__name__)
_MOST_AT_REST = 1024
_MOST_REMEMBERED = 8192
_AGAIN_SECONDS = 30.0
_STATES = {state.value: state for state in State}


class Roster(Book):
    """Loads a host when something concerns it, saves what became of it, and lets it go when nothing is under way.

    `wake_on(record)`: what wakes the host. `doubts(row)`: whether a sleeper on disk has to be asked first whether it
    still sleeps; such a one is in `doubted` once it is loaded. `due(time)` is told of each deadline that is saved.
    """

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        wake_on: Callable[[Record], str],
        interfaces: Callable[[], tuple[Interface, ...]],
        doubts: Callable[[Row], bool],
        due: Callable[[float], None],
    ) -> None:
        super().__init__()
        self.policy = Policy()
        self.hosts: dict[str, Host] = {}
        self.doubted: set[str] = set()
        self.held = 0
        self.states: Counter[str] = Counter(registry.states())
        self._registry = registry
        self._journal = journal
        self._wake_on = wake_on
        self._interfaces = interfaces
        self._doubts = doubts
        self._due = due
        self._resting: dict[str, None] = {}
        self._known: dict[str, tuple[object, ...]] = {}
        self._unsaved: dict[str, Host] = {}
        self._registering: Counter[str] = Counter()
        self._owners: dict[tuple[str, bytes], tuple[str, Address] | None] = {}
        self._cards: dict[bytes, str | None] = {}
        self._retry: asyncio.TimerHandle | None = None

    # Who owns what

    def owner_of(self, segment: str, ip: bytes) -> tuple[str, Address] | None:
        busy = super().owner_of(segment, ip)
        if busy is not None:
            return busy
        key = (segment, ip)
        if key in self._owners:
            return self._owners[key]
        row = self._registry.row_of_owner(segment, ip)
        if row is not None and row.record.name in self.hosts:
            return None  # what is in memory is newer
        if row is not None and row.sleep is not None:
            self._load(row)  # what it is asked for comes next
            return super().owner_of(segment, ip)
        _make_room(self._owners)
        found = None
        if row is not None:
            address = next(each for each in row.addresses if (each.segment, each.ip) == key)
            found = (row.record.name, address)
        self._owners[key] = found
        return found

    def host_of_card(self, mac: bytes) -> str | None:
        busy = super().host_of_card(mac)
        if busy is not None:
            return busy
        if mac in self._cards:
            return self._cards[mac]
        found = self._registry.host_of_card(mac)
        if found in self.hosts:
            return None
        _make_room(self._cards)
        self._cards[mac] = found
        return found

    def sleep_of(self, name: str) -> Sleep | None:
        host = self.find(name)
        return host.sleep if host is not None else None

    def hosts_of_ip(self, ip: bytes) -> tuple[str, ...]:
        stored = (name for name in self._registry.hosts_of_ip(ip) if name not in self.hosts)
        return (*super().hosts_of_ip(ip), *stored)

    # In and out of memory

    def find(self, name: str) -> Host | None:
        """The host, loaded where it was not in memory. Raises RegistryError."""
        host = self.hosts.get(name)
        if host is None:
            row = self._registry.row(name)
            if row is None:
                return None
            host = self._load(row)
        return host

    def _load(self, row: Row) -> Host:
        host = self.host_of(row)
        self._known[host.name] = _essence(host)
        self._hold(None, host)
        if self._doubts(row):
            self.doubted.add(host.name)
        return host

    def hold(self, row: Row) -> None:
        """A host has just registered its sleep on disk: have it in memory as it was before, to be told of it."""
        if row.record.name not in self.hosts:
            before = self.host_of(row)
            self._known[before.name] = _essence(before)
            self._hold(None, before)

    def asked_at(self, name: str, addresses: tuple[Address, ...]) -> None:
        """Where an administrator gave no addresses, a host in memory is asked by those that it has just named."""
        host = self.hosts[name]
        self._hold(host, replace(host, addresses=addresses))

    def peek(self, name: str) -> Host | None:
        """The same, but not kept in memory."""
        host = self.hosts.get(name)
        if host is None:
            row = self._registry.row(name)
            host = None if row is None else self.host_of(row)
        return host

    def host_of(self, row: Row) -> Host:
        record = row.record
        macs = tuple(bytes.fromhex(mac.replace(":", "")) for mac in record.macs)
        addresses = row.addresses
        if row.sleep is not None:
            addresses = _same(row, macs) or locate(record.asked_at, macs, self._interfaces())
        return Host(
            name=record.name,
            macs=macs,
            addresses=addresses,
            wake_on=self._wake_on(record),
            state=_STATES[record.state],
            since=record.since - _unix_of(0.0),
            captured=row.captured,
            sleep=row.sleep,
            group=record.group,
            number=record.number,
        )

    def keep(self, old: Host | None, new: Host) -> None:
        """What became of a host; it is saved where it matters after a restart."""
        if old is not None and goes_on(old, new):
            self.hosts[new.name] = new
            return
        if old is not None:
            self.states[old.state.value] -= 1
            self.states[new.state.value] += 1
        self._hold(old, new)
        if (at_rest(new) or new.state is State.AWAKE) and self._known.get(new.name) != _essence(new):
            self._save(new)

    def forget(self, host: Host) -> None:
        """It is registered no more."""
        self.states[host.state.value] -= 1
        self._unsaved.pop(host.name, None)
        self._drop(host)

    def let_go(self) -> None:
        """All that are at rest and saved, so that they are loaded anew."""
        for name in tuple(self._resting):
            self._drop(self.hosts[name])
        self._owners.clear()
        self._cards.clear()

    def close(self) -> None:
        if self._retry is not None:
            self._retry.cancel()

    def _hold(self, old: Host | None, new: Host) -> None:
        self.hosts[new.name] = new
        if old is None or old.sleep is not new.sleep or old.macs != new.macs or old.addresses != new.addresses:
            self.no_longer_remember(old)
            self.no_longer_remember(new)
            self.enter(new.name, new.all_macs(), new.known_addresses(), new.sleep)
        self.held += len(new.held) - (len(old.held) if old is not None else 0)
        self._resting.pop(new.name, None)
        if self._is_idle(new):
            self._resting[new.name] = None
            if len(self._resting) > _MOST_AT_REST:
                self._drop(self.hosts[next(iter(self._resting))])

    def deadline(self, host: Host) -> float:
        """When the host's next Tick is due; leases have a timer of their own."""
        return NEVER if at_rest(host) and host.claim is None else host.deadline(self.policy)

    def row(self, name: str) -> Row | None:
        return self._registry.row(name)

    def _is_idle(self, host: Host) -> bool:
        if host.claim is not None or host.name in self.doubted:
            return False
        if host.name in self._unsaved or host.name in self._registering:
            return False
        return at_rest(host)

    def _drop(self, host: Host) -> None:
        self.hosts.pop(host.name, None)
        self._resting.pop(host.name, None)
        self._known.pop(host.name, None)
        self.doubted.discard(host.name)
        self.held -= len(host.held)
        self.remove(host.name)
        self.no_longer_remember(host)

    def no_longer_remember(self, host: Host | None) -> None:
        if host is not None:
            for address in host.known_addresses():
                self._owners.pop((address.segment, address.ip), None)
            for mac in host.all_macs():
                self._cards.pop(mac, None)

    # To disk

    @contextlib.contextmanager
    def registering(self, name: str) -> Iterator[None]:
        """While a sleep of the host is on its way to disk, and until the host in memory has been told of it.

        What becomes of the host meanwhile is older than that sleep, and would be written after it.
        """
        self._registering[name] += 1
        try:
            yield
        finally:
            self._registering[name] -= 1
            if not self._registering[name]:
                del self._registering[name]
                self._unsaved.pop(name, None)
                self._known.pop(name, None)
                host = self.hosts.get(name)
                if host is not None:
                    self.keep(host, host)

    def _save(self, host: Host) -> None:
        if host.name in self._registering:
            return
        due = self.due_of(host)
        change = Save(
            number=host.number,
            state=host.state,
            since=_unix_of(host.since),
            captured=host.captured,
            due=None if due == NEVER else due,
            run=self._registry.run,
            sleep=host.sleep,
            macs=host.all_macs(),
            addresses=host.known_addresses(),
        )
        self._unsaved[host.name] = host
        self._resting.pop(host.name, None)
        self._known[host.name] = _essence(host)
        self._journal.submit(change).add_done_callback(lambda done: self._saved(host, done))
        self._due(due)

    def due_of(self, host: Host) -> float:
        """When its lease wants attention; NEVER where it has none."""
        if host.sleep is None or host.state not in STANDING_BY:
            return NEVER
        return replace(host, claim=None).deadline(self.policy)

    def _saved(self, host: Host, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if self._unsaved.get(host.name) is not host:
            return
        if error is not None:
            if self._retry is None:
                _log.warning("%s", error)
                self._retry = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._save_again)
            return
        del self._unsaved[host.name]
        now = self.hosts.get(host.name)
        if now is not None:
            self._hold(now, now)

    def _save_again(self) -> None:
        """What could not be written stays in memory until it can."""
        self._retry = None
        for host in tuple(self._unsaved.values()):
            self._save(host)


def _same(row: Row, macs: tuple[bytes, ...]) -> tuple[Address, ...]:
    """Where it is asked when it is awake, if it sleeps with these addresses, whose places are known; mostly it does."""
    if len(macs) != 1:
        return ()
    known = {_text_of(each.ip): each for each in row.addresses if each.mac == macs[0]}
    found = [known.get(text.partition("/")[0]) for text in row.record.asked_at]
    return tuple(each for each in found if each is not None) if None not in found else ()


def _text_of(ip: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, ip)


def _essence(host: Host) -> tuple[object, ...]:
    """What has to be on disk of a host that is at rest."""
    return host.state, host.since, host.captured, host.sleep, host.known_addresses(), host.all_macs()


def _unix_of(boottime: float) -> float:
    return time.time() - clock() + boottime


def _make_room(remembered: dict[Any, Any]) -> None:
    if len(remembered) >= _MOST_REMEMBERED:
        remembered.clear()
