# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server's business: registrations, hellos, orders, and the register behind them."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import secrets
import time
from pathlib import Path
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.shared.errors import BadMac, PowernapError
from powernap.shared.mac import format_mac, mac_bytes, normal_mac
from powernap.shared.ports import format_ports
from powernap.wake import events as ev
from powernap.wake.criers import Criers, limits_of
from powernap.wake.demand.doorkeeper import Doorkeeper
from powernap.wake.engine import Engine, clock
from powernap.wake.host import Host
from powernap.wake.model import Policy, Sleep, State, Visitor
from powernap.wake.notes import Notes
from powernap.wake.registration import BadBody, NoSegment, locate, parse, parse_address, resolve
from powernap.wake.registry import Journal, Record, Registry, RegistryError
from powernap.wake.waker import escalates_at

_log = logging.getLogger(__name__)
_WAKE_ON = ("demand", "arp", "never")
_MOST_FACTS = 64


class Unknown(PowernapError):
    """No such host."""


class Conflict(PowernapError):
    """A request that is right in form but cannot be granted now."""


class NotWoken(PowernapError):
    """A host that did not wake in time."""


def policy_of(config: WakeConfig) -> Policy:
    wake = config.wake
    return Policy(
        probe_seconds=wake.probe_seconds,
        recall_probe_seconds=min(wake.probe_seconds, Policy().recall_probe_seconds),
        volleys=wake.volleys,
        volley_seconds=wake.volley_seconds,
        escalate_at=escalates_at(config),
        resume_timeout=wake.resume_timeout_seconds,
    )


class Service:
    def __init__(self, config: WakeConfig, registry: Registry) -> None:
        self.config = config
        self.started = time.time()
        self._journal = Journal(registry)
        self._records: dict[str, Record] = {}
        self._last_addresses: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[str, list[asyncio.Future[ev.WakeEnded]]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self.notes = Notes(Path(config.registry.path).with_name("notes.sqlite"))
        self.criers = Criers(self.notes, limits_of(config.demand))
        self._doorkeeper = Doorkeeper(config, self.criers)
        self.engine = Engine(
            policy_of(config),
            config,
            self.notes,
            self._woken,
            self._forgotten,
            self._relocate,
            self._doorkeeper,
        )

    def start(self, records: list[Record]) -> None:
        """Listen, and take up again what the registry says. Raises SegmentError."""
        self.engine.open()
        self.criers.load()
        for record in records:
            self._records[record.name] = record
            self.engine.put(self._host(record))
            if record.sleep is not None:
                self._recall(record)

    async def stop(self) -> None:
        """Sleepers stay asleep: they are taken up again at the next start."""
        self.engine.close()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._journal.close()
        await self.notes.close()

    def end_waiting(self) -> None:
        """Tell those who wait for a host that this server stops."""
        for future in (future for futures in self._waiting.values() for future in futures):
            if not future.done():
                future.set_exception(NotWoken("powerwaked is stopping: ask again when it has started"))

    def reload(self, config: WakeConfig) -> None:
        """Take over all but the listening addresses and the registry's path, which need a restart."""
        if (config.listen, config.registry) != (self.config.listen, self.config.registry):
            _log.warning("changes of [listen] and [registry] take effect at the next restart")
        self.config = config
        self.engine.policy = policy_of(config)
        self.criers.limits = limits_of(config.demand)
        self._doorkeeper.adopt(config)
        self.engine.wakes.configure(config)
        self.engine.segments.want(config.wake.interfaces)
        for record in self._records.values():
            self.engine.put(self._host(record))

    # Administration

    async def enrol(self, name: str, data: dict[str, Any]) -> tuple[bool, Record]:
        """Register a host, or replace what was said of it. Returns (changed, record). Raises BadBody, RegistryError."""
        macs, addresses, wake_on = _facts(data)
        for mac in macs:
            other = self.engine.book.host_of_card(mac_bytes(mac))
            if other not in (None, name):
                raise Conflict(f"{mac} is registered for {other}: 'powerwake forget {other}' frees it")
        old = self._records.get(name)
        if old is not None and (old.macs, old.addresses, old.wake_on) == (macs, addresses, wake_on):
            return False, old
        now = time.time()
        new = old or Record(name, key=secrets.token_hex(32), registered_at=now, since=now)
        new = dataclasses.replace(new, macs=macs, addresses=addresses, wake_on=wake_on)
        # In memory first: what the host says meanwhile is written on top of it.
        self._records[name] = new
        try:
            await self._journal.commit(new)
        except RegistryError:
            self._undo(name, new, old)
            raise
        new = self._records.get(name, new)
        self.engine.put(self._host(new))
        self.engine.note(name, "enrolled", ", ".join(macs))
        return True, new

    async def forget(self, name: str) -> bool:
        old = self._records.pop(name, None)
        self._last_addresses.pop(name, None)
        if old is None:
            return False
        try:
            await self._journal.commit(name)
        except RegistryError:
            self._undo(name, None, old)
            raise
        self.engine.forget(name)
        self.engine.note(name, "forgotten")
        return True

    def _undo(self, name: str, new: Record | None, old: Record | None) -> None:
        """Back to what the disk says, unless there is something newer by now."""
        if self._records.get(name) is not new:
            return
        self._records.pop(name, None)
        if old is not None:
            self._records[name] = old

    def record(self, name: str) -> Record:
        try:
            return self._records[name]
        except KeyError:
            raise Unknown(f"no host {name} is registered here: run the site playbook or 'powerwake register'") from None

    def find(self, target: str) -> Record:
        """By name, MAC or IP address. Raises Unknown."""
        if target in self._records:
            return self._records[target]
        try:
            mac = mac_bytes(target)
        except BadMac:
            mac = b""
        try:
            ip = ipaddress.ip_address(target).packed
        except ValueError:
            ip = b""
        book = self.engine.book
        name = book.host_of_card(mac) or next(iter(book.hosts_of_ip(ip)), target)
        return self.record(name)

    # What hosts say of themselves

    def accept(self, name: str, sequence: int) -> Record:
        """The record of a host whose signature is right, if the number is new. Raises Conflict."""
        record = self.record(name)
        if sequence <= record.sequence:
            raise Conflict(f"sequence number {sequence} was used before: send a greater one")
        self._records[name] = dataclasses.replace(record, sequence=sequence)
        return self._records[name]

    async def asleep(self, name: str, body: bytes) -> None:
        """Returns when it is on disk. Raises BadBody, NoSegment, Conflict, RegistryError."""
        registration = parse(body)
        sleep = resolve(registration, self.engine.segments.interfaces(), clock())
        self._refuse_others(name, sleep)
        self._last_addresses[name] = tuple(text for card in registration.cards for text in card.addresses)
        now = time.time()
        before = self._records[name]
        record = dataclasses.replace(before, sleep=body.decode(), slept_at=now, state=State.REGISTERED.value, since=now)
        self._records[name] = record
        try:
            await self._journal.commit(record)
        except RegistryError:
            self._undo(name, record, before)
            raise
        now_known = self._records.get(name)
        if now_known is not None and now_known.sequence == record.sequence:  # else it has spoken again meanwhile
            self.engine.put(self._host(now_known))
            self.engine.tell(name, ev.Asleep(sleep))
            demoted = self.criers.slept(name, registration.used)
            if registration.used is not None:
                self.engine.wakes.stories.verdict(name, "used" if registration.used else "for nothing")
            if demoted:
                self.engine.note(name, "demoted", demoted)

    async def awake(self, name: str, cause: str) -> None:
        """The host is believed at once, whatever the disk says. Raises RegistryError."""
        record = dataclasses.replace(self._records[name], sleep=None, state=State.AWAKE.value, since=time.time())
        self._records[name] = record
        if cause == "cancelled":
            self.criers.stayed_awake(name)
        self.engine.tell(name, ev.Hello(cause))
        await self._journal.commit(self._records[name])

    def _refuse_others(self, name: str, sleep: Sleep) -> None:
        for mac in sleep.macs:
            other = self.engine.book.host_of_card(mac)
            if other not in (None, name):
                raise Conflict(f"{format_mac(mac)} is registered for {other}: give each host its own cards")
        for address in sleep.addresses:
            other, _address = self.engine.book.owner_of(address.segment, address.ip) or (name, address)
            holder = self.engine.hosts.get(other)
            if other != name and holder is not None and holder.sleep is not None and holder.state is not State.AWAKE:
                ip = ipaddress.ip_address(address.ip)
                raise Conflict(f"{ip} belongs to {other}, which sleeps: give one of the two another address")

    # Waking

    async def wake(self, target: str, asked_by: str, timeout: float) -> dict[str, Any]:
        """Returns when the host is awake. Raises Unknown, NotWoken."""
        name = self.find(target).name
        before, started = self.engine.hosts[name].state, time.monotonic()
        future: asyncio.Future[ev.WakeEnded] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        try:
            self.engine.tell(name, ev.Order(asked_by, timeout))
            end = await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            end = None
        finally:
            waiting = self._waiting.get(name, [])
            if future in waiting:
                waiting.remove(future)
        seconds = time.monotonic() - started
        packets = self.engine.wakes.packets(name)
        if end is None or not end.woken:
            raise NotWoken(
                f"{name} did not wake within {seconds:.0f} s ({packets} magic packets sent): see that it has power, a "
                "network cable and Wake-on-LAN enabled in its firmware"
            )
        was = {State.AWAKE: "asleep", State.WAKING: "waking", State.UNREACHABLE: "unreachable"}.get(before, "asleep")
        return {
            "name": name,
            "was": "awake" if end.was_awake else was,
            "state": "awake",
            "changed": not end.was_awake,
            "seconds": round(seconds, 3),
            "magic_packets": 0 if end.was_awake else packets,
        }

    def _woken(self, name: str, end: ev.WakeEnded) -> None:
        for future in self._waiting.pop(name, []):
            if not future.done():
                future.set_result(end)
        record = self._records.get(name)
        if end.woken and not end.was_awake and isinstance(end.asked_by, Visitor) and end.reason in ("demand", "arp"):
            self.criers.woke(name, end.asked_by)
        if record is not None and end.woken and not end.was_awake:
            last = {"reason": end.reason, "seconds": round(end.seconds, 3), "asked_by": str(end.asked_by)}
            self._save(dataclasses.replace(record, last_wake=last))

    def _forgotten(self, host: Host) -> None:
        record = self._records.get(host.name)
        if record is not None and record.sleep is not None:
            self._save(dataclasses.replace(record, sleep=None, state=host.state.value, since=time.time()))

    def _save(self, record: Record) -> None:
        """Without waiting; what is lost here is found out again by probing after a restart."""
        self._records[record.name] = record

        async def save() -> None:
            try:
                await self._journal.commit(record)
            except RegistryError as error:
                _log.warning("%s", error)

        task = asyncio.ensure_future(save())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Restart and interfaces

    def _host(self, record: Record) -> Host:
        macs = tuple(mac_bytes(mac) for mac in record.macs)
        # Where an administrator gave none, what the host itself said: to ask it whether it is awake.
        known = record.addresses or self._last_addresses.get(record.name, ())
        addresses = locate(known, macs, self.engine.segments.interfaces())
        wake_on = record.wake_on or self.config.wake.wake_on
        state = State.EXPIRED if record.state == State.EXPIRED.value else State.AWAKE
        return Host(record.name, macs, addresses, wake_on, state)

    def _recall(self, record: Record) -> None:
        assert record.sleep is not None
        slept = max(0.0, time.time() - record.slept_at)
        try:
            sleep = resolve(parse(record.sleep), self.engine.segments.interfaces(), clock(), slept)
        except (BadBody, NoSegment) as error:
            self.engine.note(record.name, "alert", f"sleeps, but cannot be stood in for: {error}")
        else:
            self.engine.tell(record.name, ev.Recalled(sleep))

    def _relocate(self) -> None:
        """Interfaces have changed: hosts may lie on other segments now, or on one at all."""
        for name, record in self._records.items():
            self.engine.put(self._host(record))
            if record.sleep is None:
                continue
            host = self.engine.hosts[name]
            if host.sleep is None or any(a.segment not in self.engine.segments for a in host.sleep.addresses):
                self._recall(record)

    # For people

    def describe(self, record: Record) -> dict[str, Any]:
        host = self.engine.hosts[record.name]
        sleep = host.sleep
        return {
            "name": record.name,
            "state": host.state.value,
            "macs": [format_mac(mac) for mac in host.all_macs()],
            "addresses": [str(ipaddress.ip_address(a.ip)) for a in host.known_addresses()] or list(record.addresses),
            "wake_on": host.wake_on,
            "since": time.time() - (clock() - host.since) if host.since else record.since,
            "tcp_ports": format_ports(sleep.tcp) if sleep else "",
            "udp_ports": format_ports(sleep.udp) if sleep else "",
            "last_wake": record.last_wake,
            "waits_for_turn": host.wake is not None and host.wake.waits,
            "registered_at": record.registered_at,
            # what was given at registration, as against what the host itself has said since
            "registered": {
                "macs": list(record.macs),
                "addresses": list(record.addresses),
                "wake_on": record.wake_on,
            },
        }

    def wakes(self, name: str) -> list[dict[str, Any]]:
        """The stories of the host's wakes, the newest first. Raises Unknown."""
        self.record(name)
        return self.engine.wakes.stories.of(name)

    def hosts(self) -> list[dict[str, Any]]:
        return [self.describe(record) for _name, record in sorted(self._records.items())]

    def status(self, version: str) -> dict[str, Any]:
        warnings = []
        if _forwards():
            warnings.append(
                "this machine forwards IPv4 packets, so it may answer for sleeping hosts itself: set "
                "net.ipv4.ip_forward=0 on a wake server"
            )
        if not self.engine.segments:
            warnings.append("no Ethernet interface is up: no host can register")
        return {
            "version": version,
            "started_at": self.started,
            "registry": self.config.registry.path,
            "warnings": warnings,
            **self.engine.counts(),
        }


def _facts(data: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    unknown = set(data) - {"macs", "addresses", "wake_on"}
    if unknown:
        raise BadBody(f"{min(unknown)}: no such field: give macs, addresses and wake_on")
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
    return known, ips, wake_on


def _forwards() -> bool:
    try:
        return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    except OSError:
        return False
