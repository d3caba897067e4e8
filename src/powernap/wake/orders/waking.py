# SPDX-License-Identifier: GPL-3.0-or-later
"""Wakes that somebody entitled orders, and waits for."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import time
from typing import Any

from powernap.shared.errors import BadMac
from powernap.shared.mac import mac_bytes
from powernap.wake import events as ev
from powernap.wake.clock import clock
from powernap.wake.engine import Engine
from powernap.wake.model import State
from powernap.wake.refusals import NotWoken, Unknown
from powernap.wake.registry import Journal, Record, Registry
from powernap.wake.registry.changes import LastWake

_log = logging.getLogger(__name__)
_WAS = {State.WAKING: "waking", State.UNREACHABLE: "unreachable"}


class WakeOrders:
    def __init__(self, engine: Engine, registry: Registry, journal: Journal) -> None:
        self._engine = engine
        self._registry = registry
        self._journal = journal
        self._waiting: dict[str, list[asyncio.Future[ev.WakeEnded]]] = {}
        self._unwritten: dict[str, dict[str, Any]] = {}

    def find(self, target: str) -> Record:
        """By name, MAC or IP address. Raises Unknown."""
        record = self._registry.record(target)
        if record is not None:
            return record
        try:
            mac = mac_bytes(target)
        except BadMac:
            mac = b""
        try:
            ip = ipaddress.ip_address(target).packed
        except ValueError:
            ip = b""
        roster = self._engine.roster
        name = roster.host_of_card(mac) or next(iter(roster.hosts_of_ip(ip)), target)
        record = self._registry.record(name)
        if record is None:
            raise Unknown.host(name)
        return record

    async def wake(self, target: str, asked_by: str, timeout: float, queue_seconds: float = 0.0) -> dict[str, Any]:
        """Returns when the host is awake. Raises Unknown, NotWoken.

        `queue_seconds`: the time that it waits for its turn does not count as its `timeout`, up to so long.
        """
        name = self.find(target).name
        host = self._engine.roster.peek(name)
        was = not_awake(host.state if host is not None else State.AWAKE)
        started = time.monotonic()
        future: asyncio.Future[ev.WakeEnded] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        try:
            self._engine.tell(name, ev.Order(asked_by, timeout))
            end = await self._end(name, future, timeout, queue_seconds)
        finally:
            self._no_longer_waits(name, future)
        seconds = time.monotonic() - started
        packets = self._engine.wakes.packets(name)
        gate = self._engine.wakes.gate
        if end is None and gate.waits(name):
            others = f" with {gate.waiting - 1} others" if gate.waiting > 1 else ""
            raise NotWoken(
                f"{name} still waits for its turn{others} after {seconds:.0f} s: it will be woken; raise "
                "wake.wakes_per_minute, or that of its group, if its power feed allows"
            )
        if end is None or not end.woken:
            raise NotWoken(
                f"{name} did not wake within {seconds:.0f} s ({packets} magic packets sent): see that it has power, a "
                f"network cable and Wake-on-LAN enabled in its firmware; 'powerwake status {name}' has what was tried"
            )
        return {
            "name": name,
            "was": "awake" if end.was_awake else was,
            "state": "awake",
            "changed": not end.was_awake,
            "seconds": round(seconds, 3),
            "magic_packets": 0 if end.was_awake else packets,
        }

    async def _end(
        self, name: str, future: asyncio.Future[ev.WakeEnded], timeout: float, queue_seconds: float
    ) -> ev.WakeEnded | None:
        """None: it has had its time. Raises NotWoken where this server stops."""
        now = clock()
        until, last = now + timeout, now + timeout + queue_seconds
        while until > now:
            await asyncio.wait((future,), timeout=until - now)
            if future.done():
                return future.result()
            now, until = clock(), min(last, self._patience_ends(name, timeout))
        return None

    def _patience_ends(self, name: str, timeout: float) -> float:
        """By the clock: `timeout` after its turn has come. While it waits for that nobody knows."""
        if self._engine.wakes.gate.waits(name):
            return math.inf
        host = self._engine.roster.peek(name)
        return host.wake.first_volley + timeout if host is not None and host.wake is not None else 0.0

    def _no_longer_waits(self, name: str, future: asyncio.Future[ev.WakeEnded]) -> None:
        waiting = self._waiting.get(name, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._waiting.pop(name, None)

    def ended(self, name: str, end: ev.WakeEnded) -> None:
        """A wake has come to its end."""
        for future in self._waiting.pop(name, []):
            if not future.done():
                future.set_result(end)
        if end.woken and not end.was_awake:
            last = {"reason": end.reason, "seconds": round(end.seconds, 3), "asked_by": str(end.asked_by)}
            self._unwritten[name] = last
            self._journal.submit(LastWake(name, last)).add_done_callback(lambda done: self._written(name, last, done))

    def _written(self, name: str, last: dict[str, Any], done: asyncio.Future[None]) -> None:
        if self._unwritten.get(name) is last:
            del self._unwritten[name]
        error = None if done.cancelled() else done.exception()
        if error is not None:
            _log.warning("%s", error)

    def last_wake(self, record: Record) -> dict[str, Any] | None:
        """The host's last wake, also where it is still on its way to disk."""
        return self._unwritten.get(record.name, record.last_wake)

    def give_up(self) -> None:
        """Tell those who wait for a host that this server stops."""
        for future in (future for futures in self._waiting.values() for future in futures):
            if not future.done():
                future.set_exception(NotWoken("powerwaked is stopping: ask again when it has started"))


def not_awake(state: State) -> str:
    """What a host that had to be woken was, by its state before."""
    return _WAS.get(state, "asleep")
