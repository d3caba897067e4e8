# SPDX-License-Identifier: GPL-3.0-or-later
"""What administrators and hosts say of hosts: registered, asleep, awake. It is on disk before it is acknowledged."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from powernap.shared.errors import BadMac, PowernapError
from powernap.shared.mac import mac_bytes, normal_mac
from powernap.wake import events as ev
from powernap.wake.clock import clock
from powernap.wake.criers import Criers
from powernap.wake.engine import Engine
from powernap.wake.host import Host
from powernap.wake.refusals import Conflict
from powernap.wake.registration import BadBody, locate, parse, parse_address, resolve
from powernap.wake.registry import Journal, Record, Registry
from powernap.wake.registry.changes import Enrol, Forget, Hello, Register

_WAKE_ON = ("demand", "arp", "never")
_MOST_FACTS = 64
_LONGEST_GROUP = 64
_MOST_REMEMBERED = 65536


class Enrolment:
    """`due(time)` is told of the leases that begin."""

    def __init__(
        self, engine: Engine, registry: Registry, journal: Journal, criers: Criers, due: Callable[[float], None]
    ) -> None:
        self._engine = engine
        self._criers = criers
        self._registry = registry
        self._journal = journal
        self._due = due
        self._accepted: OrderedDict[str, int] = OrderedDict()
        #: A host is awake, and says why. A host speaks. It wants to sleep: raises Conflict where it may not. It stays.
        self.forgotten: Callable[[str], None] = lambda name: None
        self.heard: Callable[[str, str], None] = lambda name, cause: None
        self.spoke: Callable[[str], None] = lambda name: None
        self.may_sleep: Callable[[Record], None] = lambda record: None
        self.stays: Callable[[str], None] = lambda name: None

    # Administrators

    async def enrol(self, name: str, data: dict[str, Any]) -> tuple[bool, Record, Host | None]:
        """Register a host, or replace what was said of it. Returns (changed, record, host); no host: forgotten since.

        Raises BadBody, Conflict, RegistryError.
        """
        macs, addresses, wake_on, group = _facts(data)
        before = self._engine.roster.peek(name)
        interfaces = self._engine.segments.interfaces()
        change = Enrol(name, macs, addresses, wake_on, group, interfaces, time.time())
        changed, record = await self._journal.commit(change)
        if changed:
            host = self._engine.renew(before, name)
            self._engine.note(name, "enrolled", ", ".join(macs))
        else:
            host = self._engine.roster.peek(name)
        return changed, record, host

    def foresee(self, name: str, data: dict[str, Any], taken: dict[str, str]) -> tuple[bool, Record | None, str]:
        """What `enrol` would do, as things are: (changed, the record as it is, the group as it would be).

        `taken`: by MAC address, who would have it of those that were asked about before; a card that one of them would
        give up counts as taken. Raises BadBody, Conflict.
        """
        macs, addresses, wake_on, group = _facts(data)
        record = self._registry.record(name)
        if record is not None and (record.macs, record.addresses, record.wake_on, record.group) == (
            (macs, addresses, wake_on, group)
        ):
            return False, record, group
        for mac in macs:
            other = taken.setdefault(mac, name)
            if other == name:
                other = self._registry.host_of_card(mac_bytes(mac)) or name
            if other != name:
                raise Conflict(f"{mac} is registered for {other}: 'powerwake forget {other}' frees it")
        return True, record, group

    async def forget(self, name: str) -> bool:
        before = self._engine.roster.peek(name)
        found = bool(await self._journal.commit(Forget(name)))
        if found:
            self._accepted.pop(name, None)
            self._engine.renew(before, name)
            self.forgotten(name)
            self._engine.note(name, "forgotten")
        return found

    # Hosts

    def accept(self, record: Record, sequence: int) -> None:
        """A host whose signature is right has used this number. Raises Conflict where it has before."""
        name = record.name
        if sequence <= max(record.sequence, self._accepted.get(name, 0)):
            raise Conflict(f"sequence number {sequence} was used before: send a greater one")
        self._accepted[name] = sequence
        self._accepted.move_to_end(name)
        if len(self._accepted) > _MOST_REMEMBERED:
            self._accepted.popitem(last=False)

    async def asleep(self, record: Record, sequence: int, body: bytes) -> None:
        """Returns when it is on disk. Raises BadBody, NoSegment, Conflict, RegistryError."""
        name, interfaces = record.name, self._engine.segments.interfaces()
        registration = parse(body)
        sleep = resolve(registration, interfaces, clock())
        said = tuple(text for card in registration.cards for text in card.addresses)
        run = self._registry.run
        self.spoke(name)
        self.may_sleep(record)
        change = Register(name, sequence, sleep, body.decode(), said, sleep.wake_by, time.time(), run)
        with self._engine.roster.registering(name):
            try:
                before = await self._journal.commit(change)
            except PowernapError:
                self.stays(name)
                raise
            self._due(sleep.wake_by)
            if self._accepted.get(name, sequence) != sequence:
                return  # it has spoken again meanwhile
            self._accepted.pop(name, None)
            self._engine.roster.hold(before)
            if not record.addresses:
                macs = tuple(mac_bytes(mac) for mac in record.macs)
                self._engine.roster.asked_at(name, locate(said, macs, interfaces))
            self._engine.tell(name, ev.Asleep(sleep))
        demoted = self._criers.slept(name, registration.used)
        if registration.used is not None:
            self._engine.wakes.stories.verdict(name, "used" if registration.used else "for nothing")
        if demoted:
            self._engine.note(name, "demoted", demoted)

    async def awake(self, record: Record, sequence: int, cause: str) -> None:
        """The host is believed at once, whatever the disk says. Raises RegistryError."""
        name = record.name
        if cause == "cancelled":
            self._criers.stayed_awake(name)
        self.stays(name)
        self._engine.tell(name, ev.Hello(cause))
        self.heard(name, cause)
        await self._journal.commit(Hello(name, sequence, self._engine.segments.interfaces(), time.time()))
        if self._accepted.get(name) == sequence:
            del self._accepted[name]


def _facts(data: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], str | None, str]:
    unknown = set(data) - {"macs", "addresses", "wake_on", "group"}
    if unknown:
        raise BadBody(f"{min(unknown)}: no such field: give macs, addresses, wake_on and group")
    macs, addresses, wake_on = data.get("macs"), data.get("addresses") or [], data.get("wake_on")
    if not isinstance(macs, list) or not 1 <= len(macs) <= _MOST_FACTS:
        raise BadBody(f"macs: give a list of 1 to {_MOST_FACTS} MAC addresses")
    if not isinstance(addresses, list) or len(addresses) > _MOST_FACTS:
        raise BadBody(f"addresses: give a list of at most {_MOST_FACTS} IP addresses")
    if wake_on is not None and wake_on not in _WAKE_ON:
        raise BadBody(f"wake_on: {wake_on!r} is not known: say demand, arp or never")
    try:
        known = tuple(dict.fromkeys(normal_mac(mac) for mac in macs))
    except BadMac as error:
        raise BadBody(f"macs: {error}") from error
    ips = tuple(dict.fromkeys(str(parse_address(address, "addresses")) for address in addresses))
    return known, ips, wake_on, _group(data.get("group"))


def _group(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_GROUP or not value.isprintable() or " " in value:
        raise BadBody(f"group: {value!r} is no group's name: give one without spaces, such as rack1, or none")
    return value
