# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and timers to events, events to steps, effects to packets: the one place where hosts change."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.wake import events as ev
from powernap.wake.demand.book import Book
from powernap.wake.demand.doorkeeper import Doorkeeper
from powernap.wake.demand.meaning import meaning
from powernap.wake.eventlog import EventLog
from powernap.wake.events import Effect, Event
from powernap.wake.host import Host
from powernap.wake.hosts import step
from powernap.wake.model import HELD_IN_ALL, Policy, State
from powernap.wake.notes import Notes
from powernap.wake.portcheck import PortCheck
from powernap.wake.segment import Segment
from powernap.wake.segments import Segments
from powernap.wake.timers import Timers
from powernap.wake.wakes import Wakes

_log = logging.getLogger(__name__)


def clock() -> float:
    """Seconds that also count while this machine itself sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Engine:
    """Owns the hosts. `woken(host, result)` and `forgotten(host)` are told of what others wait for or must store.

    `doorkeeper`: which demand the hosts hear of.
    """

    def __init__(
        self,
        policy: Policy,
        config: WakeConfig,
        notes: Notes,
        woken: Callable[[str, ev.WakeEnded], None],
        forgotten: Callable[[Host], None],
        relocate: Callable[[], None],
        doorkeeper: Doorkeeper,
    ) -> None:
        self.policy = policy
        self._doorkeeper = doorkeeper
        self.hosts: dict[str, Host] = {}
        self.log = EventLog()
        self.segments = Segments(config.wake.interfaces, self._read, self._interfaces_changed)
        self.wakes = Wakes(self.segments, config, notes, clock, self.hosts.get, self.tell, self.note)
        self._timers = Timers(clock, lambda name: self.tell(name, ev.Tick()))
        self.book = Book()
        self._ports = PortCheck(lambda name, address, port: self.tell(name, ev.PortOpen(address, port)))
        self._held = 0
        self.released = 0
        self._woken = woken
        self._forgotten = forgotten
        self._relocate = relocate
        self._do: dict[type, Callable[[Host, Any], None]] = {
            ev.Volley: lambda host, effect: self.wakes.volley(host, effect, self.policy),
            ev.Probe: self._probe,
            ev.Announce: self._announce,
            ev.Answer: self._answer,
            ev.GiveBack: self._give_back,
            ev.TryPort: lambda host, effect: self._ports.attempt(host.name, effect.address, effect.port),
            ev.Pong: self._pong,
            ev.Replay: self._replay,
            ev.Released: self._released,
            ev.Hurry: lambda host, effect: self.wakes.hurry(host),
            ev.Log: lambda host, effect: self.note(host.name, effect.event, str(effect.detail)),
            ev.Forgotten: lambda host, effect: self._forgotten(host),
            ev.WakeEnded: lambda host, effect: self._woken(host.name, effect),
        }

    def open(self) -> None:
        """Raises SegmentError."""
        self.segments.open()
        self._know_own_cards()

    def close(self) -> None:
        self._timers.close()
        self._ports.close()
        self.wakes.close()
        self.segments.close()

    def note(self, name: str, event: str, detail: str = "") -> None:
        self.log.add(time.time(), name, event, detail)
        self.wakes.alert(name, event, detail)

    # Hosts

    def put(self, host: Host) -> None:
        """A new host, or new facts about one; what it is doing stays."""
        old = self.hosts.get(host.name)
        if old is not None:
            host = replace(old, macs=host.macs, addresses=host.addresses, wake_on=host.wake_on)
        self._keep(old, host)

    def forget(self, name: str) -> None:
        host = self.hosts.pop(name, None)
        if host is not None:
            self._follow_groups(host, None)
            self._held -= len(host.held)
            self.book.remove(name)
            self._timers.set(name, float("inf"))
            self.wakes.forget(name)

    def tell(self, name: str, event: Event) -> None:
        host = self.hosts.get(name)
        if host is None:
            return
        new, effects = step(host, event, clock(), self.policy)
        self._apply(new, effects)
        self.wakes.follow(new, event, effects)
        if new is not host:
            self._keep(host, new)

    def _apply(self, host: Host, effects: list[Effect]) -> None:
        for effect in effects:
            self._do[type(effect)](host, effect)

    def _keep(self, old: Host | None, new: Host) -> None:
        self.hosts[new.name] = new
        if old is None or old.sleep is not new.sleep or old.macs != new.macs or old.addresses != new.addresses:
            self.book.enter(new.name, new.all_macs(), new.known_addresses(), new.sleep)
        self._held += len(new.held) - (len(old.held) if old is not None else 0)
        self._follow_groups(old, new)
        self._timers.set(new.name, new.deadline(self.policy))

    def _follow_groups(self, old: Host | None, new: Host | None) -> None:
        """Hear the solicitations for the addresses that are stood in for, from their probing on."""
        before = old.known_addresses() if old is not None and old.sleep is not None else ()
        after = new.known_addresses() if new is not None and new.sleep is not None else ()
        if before is after:
            return
        for address in after:
            if address.segment in self.segments:
                self.segments[address.segment].join(address)
        for address in before:
            if address.segment in self.segments:
                self.segments[address.segment].leave(address)

    # In

    def _read(self, segment: Segment) -> None:
        for received in segment.receive():
            for name, heard in meaning(received, self.book):
                event = self._doorkeeper.admit(self.hosts[name], heard, clock()) if name in self.hosts else None
                if isinstance(event, ev.Knock) and self._held >= HELD_IN_ALL:
                    event = event._replace(may_hold=False)
                if event is not None:
                    self.tell(name, event)

    def _interfaces_changed(self) -> None:
        self._know_own_cards()
        self._join_again()
        self._relocate()

    def _join_again(self) -> None:
        """An interface that was gone is a new segment, which has to be told who sleeps there."""
        new = {name for name, segment in self.segments.items() if segment.knows_nobody}
        for host in self.hosts.values() if new else ():
            for address in host.known_addresses() if host.sleep is not None else ():
                if address.segment in new:
                    self.segments[address.segment].join(address)

    def _know_own_cards(self) -> None:
        self.book.own_macs = frozenset(segment.interface.mac for segment in self.segments.values())

    # Out

    def _probe(self, host: Host, effect: ev.Probe) -> None:
        segment = self.segments.get(effect.address.segment)
        if segment is not None:
            segment.probe(effect.address, effect.broadcast)

    def _announce(self, host: Host, effect: ev.Announce) -> None:
        segment = self.segments.get(effect.address.segment)
        if segment is not None:
            segment.announce(effect.address, to=effect.to)

    def _answer(self, host: Host, effect: ev.Answer) -> None:
        segment = self.segments.get(effect.address.segment)
        if segment is not None:
            segment.answer(effect.address, effect.visitor)

    def _give_back(self, host: Host, effect: ev.GiveBack) -> None:
        segment = self.segments.get(effect.address.segment)
        if segment is not None:
            segment.announce(effect.address, effect.address.mac, effect.to)

    def _pong(self, host: Host, effect: ev.Pong) -> None:
        segment = self.segments.get(effect.address.segment)
        if segment is not None:
            segment.pong(effect.frame)

    def _released(self, host: Host, effect: ev.Released) -> None:
        self.released += effect.frames

    def _replay(self, host: Host, effect: ev.Replay) -> None:
        segment = self.segments.get(effect.held.address.segment)
        if segment is not None:
            segment.replay(effect.held)

    # For people

    def counts(self) -> dict[str, Any]:
        states = dict.fromkeys((state.value for state in State), 0)
        for host in self.hosts.values():
            states[host.state.value] += 1
        return {
            "hosts": len(self.hosts),
            "states": states,
            "held_frames": self._held,
            "released_frames": self.released,
            **self.wakes.counts(),
            "interfaces": [_describe(segment) for segment in self.segments.values()],
        }


def _describe(segment: Segment) -> dict[str, Any]:
    interface = segment.interface
    segment.lost()
    return {
        "name": interface.name,
        "mac": interface.mac.hex(":"),
        "up": interface.up,
        "addresses": [str(network) for network in interface.networks],
        "packet_path": "classic BPF",
        "frames": segment.frames,
        "dropped": {reason: count for reason, count in segment.dropped.items() if count},
        "unsent": segment.unsent,
    }
