# SPDX-License-Identifier: GPL-3.0-or-later
"""The wake server put together: its parts, how they are started, and what a reload changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.shared.errors import PowernapError
from powernap.wake import describing, tls
from powernap.wake import events as ev
from powernap.wake.access.access import Access
from powernap.wake.criers import Criers, limits_of
from powernap.wake.demand.doorkeeper import Doorkeeper
from powernap.wake.engine import Engine
from powernap.wake.enrol.announcing import Announcing
from powernap.wake.enrol.desk import Desk
from powernap.wake.enrol.greeting import Greeter
from powernap.wake.enrolment import Enrolment
from powernap.wake.figures import Figures
from powernap.wake.firing import Firing
from powernap.wake.fleet import Fleet
from powernap.wake.host import Host
from powernap.wake.leases import Leases
from powernap.wake.link.entrance import Entrance
from powernap.wake.link.hub import Hub
from powernap.wake.looks import Looks
from powernap.wake.model import Address, Policy, Sleep, Visitor
from powernap.wake.notes import Notes
from powernap.wake.orders.waking import WakeOrders
from powernap.wake.path.base import PacketPath, gate_of
from powernap.wake.posture import Stance
from powernap.wake.refusals import Unknown
from powernap.wake.registry import Journal, Record, Registry, RegistryError, Rest, Row
from powernap.wake.registry.changes import Fact
from powernap.wake.relocation import changed, known_segments, relocate
from powernap.wake.rollcall import RollCall
from powernap.wake.roster import Roster
from powernap.wake.transports.transports import Transports
from powernap.wake.waker import escalates_at

_log = logging.getLogger(__name__)
_PAGE = 100


def policy_of(config: WakeConfig) -> Policy:
    wake = config.wake
    return Policy(
        probe_seconds=wake.probe_seconds,
        recall_probe_seconds=min(wake.probe_seconds, Policy().recall_probe_seconds),
        volleys=wake.volleys,
        volley_seconds=wake.volley_seconds,
        escalate_at=escalates_at(config),
        resume_timeout=wake.resume_timeout_seconds,
        hold_frames=wake.hold_frames,
    )


class Service:
    def __init__(self, config: WakeConfig, registry: Registry, path: PacketPath) -> None:
        self.config = config
        self.started = time.time()
        self._registry = registry
        self.figures = Figures()
        self._journal = Journal(registry, self.figures.commit_seconds.add)
        self.access = Access(Path(config.registry.path).with_name("access.sqlite"), config.api.audit_days)
        self.notes = Notes(Path(config.registry.path).with_name("notes.sqlite"))
        self.criers = Criers(self.notes, limits_of(config.demand))
        self._doorkeeper = Doorkeeper(config, self.criers)
        policy = policy_of(config)
        self.engine = Engine(
            policy,
            config,
            self.notes,
            path,
            self._wake_ended,
            self._interfaces_changed,
            self._short_changed,
            self._doorkeeper,
        )
        gate = self.engine.wakes.gate
        self._firing = Firing(
            path, lambda: gate.short, lambda: self._doorkeeper.denied, self.criers.demoted, registry.name
        )
        self.criers.elsewhere = self._firing.ignored
        self.leases = Leases(registry, lambda name: self.engine.tell(name, ev.Tick()))
        self.roster = Roster(
            registry,
            self._journal,
            self._wake_on,
            self.engine.segments.interfaces,
            self._doubts,
            self.leases.saved,
        )
        self.roster.policy = policy
        self._rollcall = RollCall(
            registry,
            self.roster,
            self.engine.queue,
            self.engine.segments.named,
            self._stance,
            self.engine.probe,
            self.engine.recall,
        )
        self._looks = Looks(registry, self.engine.probe, policy.look_seconds)
        self.enrolment = Enrolment(self.engine, registry, self._journal, self.criers, self.leases.saved)
        self.orders = WakeOrders(self.engine, registry, self._journal)
        self.entrance = Entrance(config.listen)
        self.authority = ""
        self.hub = Hub(self.engine, self.enrolment, self.known, config.listen.messages_per_second)
        self.enrolment.forgotten = self._forgotten
        self.announcing = Announcing(config, self.fingerprint)
        self.desk = Desk(self.engine, registry, self._journal, self.access, config.enrolment)
        self.greeter = Greeter(self.desk, self.engine, self._journal)
        self.hub.greet, self.hub.formerly = self.greeter.greet, self.greeter.formerly
        self.desk.fingerprint = self.access.tokens.fingerprint = self.fingerprint
        self.desk.replaced = self.hub.forget
        self.desk.likening.linked = lambda name: self.hub.linked(name) is not None
        self.fleet = Fleet(
            config,
            registry,
            self._journal,
            self.notes,
            self.engine,
            self.roster,
            self.enrolment,
            self.hub,
            self.orders,
        )
        self.transports = Transports(config, self.hub, registry, self.roster, self.fleet.presence, self.known)
        self.greeter.renamed = self.fleet.marks.rename
        self.fleet.delivery.ended = self.figures.order_ended
        self._settling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen, and take up again what the registry says. Raises SegmentError."""
        self.access.open()
        self.desk.open()
        self.announcing.open()
        self.engine.open(self.roster, known_segments(self._registry))
        self._limit_sources()
        self.criers.load()
        self.criers.changed = self._firing.refuse
        self._firing.refuse()
        self.leases.open()
        self._looks.open()
        self.fleet.open(self._rollcall.end)
        self.transports.open()
        self._settle(None)

    async def stop(self) -> None:
        """Sleepers stay asleep: they are taken up again at the next start."""
        if self._settling is not None:
            self._settling.cancel()
        self._rollcall.close()
        self._looks.close()
        self._firing.close()
        self.leases.close()
        await self.transports.close()
        await self.fleet.close()
        self.roster.close()
        self.engine.close()
        await self.announcing.close()
        await self.desk.close()
        await self._journal.close()
        await self.notes.close()
        await self.access.close()

    def reload(self, config: WakeConfig) -> None:
        """Take over all but the listening addresses and the registry's path, which need a restart."""
        if (config.listen, config.registry) != (self.config.listen, self.config.registry):
            _log.warning("changes of [listen] and [registry] take effect at the next restart")
        if (config.mqtt, config.stomp) != (self.config.mqtt, self.config.stomp):
            _log.warning("changes of [mqtt] and [stomp] take effect at the next restart")
        if config.path != self.config.path:
            _log.warning("changes of [path] take effect at the next restart")
        self.config = config
        self.access.audit.days = config.api.audit_days
        self.engine.policy = self.roster.policy = policy_of(config)
        self.criers.limits = limits_of(config.demand)
        self.desk.adopt(config.enrolment)
        self._doorkeeper.adopt(config)
        self._limit_sources()
        self.engine.wakes.configure(config)
        self.fleet.configure(config)
        self.engine.segments.want(config.wake.interfaces)
        self.roster.let_go()
        for name, host in tuple(self.roster.hosts.items()):
            self.engine.renew(host, name)
        self._firing.refuse()
        self.engine.say_again()
        self._rollcall.repeat()

    def fingerprint(self) -> str:
        """Of the CA that clients are to believe, hex; "" without TLS."""
        return tls.fingerprint(self.authority) if self.authority else ""

    def _forgotten(self, name: str) -> None:
        self.hub.forget(name)
        self.transports.forgotten(name)
        self.desk.forget(name)
        self.fleet.marks.forget(name)

    def known(self, name: str) -> Record | None:
        return self._registry.record(name)

    def record(self, name: str) -> Record:
        """Raises Unknown."""
        record = self.known(name)
        if record is None:
            raise Unknown.host(name)
        return record

    def _wake_ended(self, name: str, end: ev.WakeEnded) -> None:
        self.figures.wake_ended(end.woken, end.was_awake, end.seconds, end.reason)
        self.orders.ended(name, end)
        if end.woken and not end.was_awake and isinstance(end.asked_by, Visitor) and end.reason in ("demand", "arp"):
            self.criers.woke(name, end.asked_by)

    def _short_changed(self) -> None:
        self._firing.shut()

    def _limit_sources(self) -> None:
        wake = self.config.wake
        try:
            self.engine.path.limit(wake.wakes_per_source, wake.trusted)
        except OSError as error:
            _log.warning("the packet path cannot limit the wakes of one source (%s)", error.strerror or error)

    # What holds for a host

    def _wake_on(self, record: Record | Rest) -> str:
        if record.wake_on is not None:
            return record.wake_on
        group = self.config.groups.get(record.group)
        return self.config.wake.wake_on if group is None or group.wake_on == "default" else group.wake_on

    def _doubts(self, row: Row) -> bool:
        return self._rollcall.doubts(row)

    def _stance(self, rest: Rest) -> Stance:
        may_fire = self.engine.may_fire(Host(rest.name, group=rest.group))
        return Stance(rest.state, rest.captured, self._wake_on(rest), may_fire, gate_of(rest.group))

    # Restart and interfaces

    def _interfaces_changed(self, new: set[str]) -> None:
        self.announcing.interfaces_changed()
        moved = changed(self._registry, self.engine.segments.interfaces())
        if new or moved:
            self._settle(new | moved)

    def _settle(self, segments: set[str] | None) -> None:
        """Find out where hosts lie, where networks have changed, and whether those on these segments still sleep."""
        if self._settling is not None and not self._settling.done():
            self._settling.cancel()
            segments = None
        self._settling = asyncio.ensure_future(self._settle_now(segments))
        self._settling.add_done_callback(_complain)

    async def _settle_now(self, segments: set[str] | None) -> None:
        try:
            if segments is not None:
                await self._journal.commit(self._registry.begin_run())
            interfaces = self.engine.segments.interfaces()
            if changed(self._registry, interfaces):
                await relocate(self._registry, self._journal, interfaces, self._moved)
        except RegistryError as error:
            _log.error("%s", error)  # on a full disk, too, those asleep are to be stood in for
        self.roster.let_go()
        self.engine.say_again()
        self._rollcall.begin(segments)

    def _moved(self, name: str, addresses: tuple[Address, ...], sleep: Sleep | None) -> None:
        host = self.roster.hosts.get(name)
        if host is not None and host.sleep is not None and sleep is not None and host.sleep.addresses != addresses:
            # Its lease is told by a clock that nobody sets, as it was when it registered.
            sleep = replace(sleep, lease_ends=host.sleep.lease_ends, wake_by=host.sleep.wake_by)
            self.engine.tell(name, ev.Recalled(sleep))

    # For people

    def describe(self, record: Record, host: Host | None) -> dict[str, Any]:
        """Raises Unknown where there is no host: it was forgotten just now."""
        described = describing.describe_host(record, host)
        assert host is not None
        return {
            **described,
            "status": self.fleet.describe(host),
            "group_described": not record.group or record.group in self.config.groups,
            "last_wake": self.orders.last_wake(record),
        }

    def wakes(self, name: str) -> list[dict[str, Any]]:
        """The stories of the host's wakes, the newest first. Raises Unknown."""
        self.record(name)
        return self.engine.wakes.stories.of(name)

    def hosts(self, after: str = "") -> Iterator[list[dict[str, Any]]]:
        """All whose names follow `after`, page by page: there may be more than memory holds."""
        while page := self._registry.records(after, _PAGE):
            after = page[-1].name
            described = []
            for record in page:
                with contextlib.suppress(Unknown):  # forgotten just now
                    described.append(self.describe(record, self.roster.peek(record.name)))
            yield described

    @property
    def taken_up(self) -> bool:
        """All that slept at the start has been taken up again."""
        return self._rollcall.over

    @property
    def links(self) -> int:
        """Hosts whose link is open."""
        return self.fleet.presence.links()

    async def try_registry(self) -> None:
        """Write into it. Raises RegistryError."""
        await self._journal.commit(Fact("tried", time.time()))

    def status(self, version: str) -> dict[str, Any]:
        return {
            "version": version,
            "started_at": self.started,
            "registry": self.config.registry.path,
            "warnings": [*describing.warnings(self.engine), *filter(None, [self.access.trouble])],
            **self.engine.counts(),
            **self.fleet.counts(),
            "pending": len(self.desk.pending()),
            "ca_fingerprint": self.fingerprint(),
            "discovery": self.announcing.status(),
            "brokers": self.transports.status(),
            **describing.describe_path(self.engine, self.taken_up),
        }


def _complain(done: asyncio.Task[None]) -> None:
    error = None if done.cancelled() else done.exception()
    if isinstance(error, PowernapError):
        _log.error("%s", error)
    elif error is not None:
        _log.error("taking up the sleepers again failed", exc_info=error)
