# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and timers to events, events to steps, effects to packets: the one place where hosts change."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.wake import events as ev
from powernap.wake.clock import clock
from powernap.wake.demand.doorkeeper import Doorkeeper
from powernap.wake.demand.meaning import meaning
from powernap.wake.eventlog import EventLog
from powernap.wake.events import Effect, Event
from powernap.wake.host import NEVER, STANDING_BY, Host
from powernap.wake.hosts import step
from powernap.wake.model import HELD_IN_ALL, Address, Policy, State
from powernap.wake.notes import Notes
from powernap.wake.path.base import PacketPath
from powernap.wake.path.queue import PathQueue
from powernap.wake.portcheck import PortCheck
from powernap.wake.posture import cards, goes_on, posture, stands
from powernap.wake.registry import RegistryError
from powernap.wake.roster import Roster
from powernap.wake.segment import Segment
from powernap.wake.segments import Segments
from powernap.wake.timers import LATE_SECONDS, Timers
from powernap.wake.wakes import Wakes

_log = logging.getLogger(__name__)
_FIRED_LATELY_SECONDS = 2.0
#: In a flood that never ends time must go on, too.
_MOST_WAITING = 1024
_TOLD_BY = (ev.OwnerSeen, ev.Hello, ev.PortOpen)


class Engine:
    """Changes the hosts of the roster, and tells the packet path.

    `woken(host, result)` is told of what others wait for. `interfaces_changed(new)`: these segments are new.
    `short_changed()`: some group has become short of tokens, or is no longer (Gate.short).
    `doorkeeper`: which demand the hosts hear of.
    """

    def __init__(
        self,
        policy: Policy,
        config: WakeConfig,
        notes: Notes,
        path: PacketPath,
        woken: Callable[[str, ev.WakeEnded], None],
        interfaces_changed: Callable[[set[str]], None],
        short_changed: Callable[[], None],
        doorkeeper: Doorkeeper,
    ) -> None:
        self.policy = policy
        self.path = path
        self.log = EventLog()
        self.segments = Segments(config.wake.interfaces, path, self._read, self._interfaces_changed)
        self.queue = PathQueue(path, self.segments)
        self.roster: Roster
        self.wakes = Wakes(self.segments, config, notes, clock, self._in_memory, self.tell, self.note, short_changed)
        self._doorkeeper = doorkeeper
        self._timers = Timers(clock, lambda name: self.tell(name, ev.Tick()), self._read_all)
        self._ports = PortCheck(lambda name, address, port: self.tell(name, ev.PortOpen(address, port)))
        self.released = 0
        #: Told of each change of a host's state and of what is registered for it: before and after (None: forgotten).
        self.followed: Callable[[Host | None, Host | None], None] = lambda before, after: None
        self._woken = woken
        self._others_to_tell = interfaces_changed
        self._do: dict[type, Callable[[Host, Any], None]] = {
            ev.Volley: lambda host, effect: self.wakes.volley(host, effect, self.policy, self._fired(host, effect)),
            ev.Probe: lambda host, effect: self.probe(effect.address, effect.broadcast),
            ev.Announce: self._announce,
            ev.Answer: self._answer,
            ev.GiveBack: self._give_back,
            ev.TryPort: lambda host, effect: self._ports.attempt(host.name, effect.address, effect.port),
            ev.Pong: self._pong,
            ev.Replay: self._replay,
            ev.Released: self._released,
            ev.Hurry: lambda host, effect: self.wakes.hurry(host),
            ev.Log: lambda host, effect: self.note(host.name, effect.event, str(effect.detail)),
            ev.Forgotten: lambda host, effect: None,  # the roster saves what became of the host
            ev.WakeEnded: lambda host, effect: self._woken(host.name, effect),
        }

    def open(self, roster: Roster, known: Collection[str]) -> None:
        """`known`: segments that were heard before, which may not be there yet. Raises SegmentError."""
        self.roster = roster
        self.segments.open(known)
        self._know_own_cards()

    def close(self) -> None:
        """What the kernel does by itself goes on where it is pinned."""
        self._timers.close()
        self._ports.close()
        self.wakes.close()
        self.queue.flush()
        self.segments.close()
        self.path.close(keep=True)
        self.log.flush()

    def note(self, name: str, event: str, detail: str = "") -> None:
        self.log.add(time.time(), name, event, detail)
        self.wakes.alert(name, event, detail)

    def may_fire(self, host: Host) -> bool:
        """True where no rule could forbid a wake that the daemon would have to judge."""
        return not self._doorkeeper.may_refuse(host)

    def say_again(self) -> None:
        """Rules or interfaces have changed: tell the packet path of all in memory."""
        for host in self.roster.hosts.values():
            self.queue.put(posture(host, self.may_fire(host)))
        self.queue.flush()

    def _in_memory(self, name: str) -> Host | None:
        return self.roster.hosts.get(name)

    # Hosts

    def renew(self, before: Host | None, name: str) -> Host | None:
        """What is registered for a host has changed on disk; what it is doing stays. Returns the host as it is now."""
        row = self.roster.row(name)
        if row is None:
            if before is not None:
                self._forget(before)
            return None
        now = self.roster.host_of(row)
        old = self.roster.hosts.get(name, before)
        if old is None:
            self.roster.states[now.state.value] += 1
            self.roster.no_longer_remember(now)
            self.followed(None, now)
            return now
        new = replace(old, macs=now.macs, addresses=now.addresses, wake_on=now.wake_on, group=now.group)
        if name in self.roster.hosts:
            self._keep(old, new)
        else:
            self.roster.no_longer_remember(old)
            self.roster.no_longer_remember(new)
        self._follow(old, new)
        self.followed(old, new)
        return new

    def _forget(self, host: Host) -> None:
        self.roster.forget(host)
        self.queue.follow(posture(host), {})
        self.queue.follow_cards(cards(host), (), host.number)
        self._timers.set(host.name, NEVER)
        self.wakes.forget(host.name)
        self.followed(host, None)

    def tell(self, name: str, event: Event) -> None:
        try:
            host = self.roster.find(name)
        except RegistryError as error:
            _log.error("%s", error)
            return
        if host is None:
            return
        if name in self.roster.doubted:
            self.roster.doubted.discard(name)
            if host.sleep is not None:
                self._step(host, ev.Recalled(host.sleep))
                host = self.roster.hosts[name]
        self._step(host, event)

    def recall(self, name: str) -> None:
        """Ask a sleeper whether it still sleeps, before anything else concerns it."""
        host = self.roster.find(name)
        if host is not None and host.sleep is not None:
            self.roster.doubted.discard(name)
            self._step(host, ev.Recalled(host.sleep))

    def _step(self, host: Host, event: Event) -> None:
        told = self._told(host) if isinstance(event, _TOLD_BY) else host
        new, effects = step(told, event, clock(), self.policy)
        if self.path.acts and new is not host:
            # Before its neighbours hear where it is: the kernel must not answer for it after that.
            self._follow(host, new)
        self._apply(new, effects)
        self.wakes.follow(new, event, effects)
        if new is not host:
            self._keep(host, new)
            if not self.path.acts:
                self._follow(host, new)

    def _told(self, host: Host) -> Host:
        """With the neighbours whom the kernel told by itself that its addresses are here."""
        if not self.path.acts or not host.captured or host.restore is not None:
            return host
        if host.state not in (*STANDING_BY, State.WAKING):
            return host
        for address in host.known_addresses():
            key = self.queue.key(address)
            for mac in self.path.done(key).told if key is not None else ():
                host = host.met(address, mac, self.policy)
        return host

    def _apply(self, host: Host, effects: list[Effect]) -> None:
        for effect in effects:
            self._do[type(effect)](host, effect)

    def _keep(self, old: Host, new: Host) -> None:
        self.roster.keep(old, new)
        late = LATE_SECONDS if new.wake is None else max(LATE_SECONDS, new.wake.may_be_late(self.policy))
        self._timers.set(new.name, self.roster.deadline(new), late)
        if new.state is not old.state:
            self.followed(old, new)

    def _follow(self, old: Host, new: Host) -> None:
        if goes_on(old, new) or stands(old) == stands(new):
            return
        may_fire = self.may_fire(new)
        self.queue.follow(posture(old, may_fire), posture(new, may_fire))
        self.queue.follow_cards(cards(old), cards(new), new.number)

    # In

    def _read_all(self) -> None:
        """Before silence is judged. Where this process had to wait, the answers have waited with it."""
        for segment in tuple(self.segments.values()):
            self._read(segment, _MOST_WAITING)

    def _read(self, segment: Segment, most: int = 0) -> None:
        self.log.gathers = True
        try:
            for received in segment.receive(most):
                for name, event in meaning(received, self.roster):
                    self._hear(name, event)
        except RegistryError as error:
            _log.error("%s", error)
        finally:
            self.log.gathers = False
            self.log.flush()

    def _hear(self, name: str, heard: Event) -> None:
        host = self.roster.find(name)
        event = None if host is None else self._doorkeeper.admit(host, heard, clock())
        if isinstance(event, ev.Knock) and not self._may_hold():
            event = event._replace(may_hold=False)
        if event is not None:
            self.tell(name, event)

    def _may_hold(self) -> bool:
        return self.policy.hold_frames and self.roster.held < HELD_IN_ALL

    def _interfaces_changed(self, new: set[str]) -> None:
        self._know_own_cards()
        self._others_to_tell(new)

    def _know_own_cards(self) -> None:
        self.roster.own_macs = frozenset(segment.interface.mac for segment in self.segments.values())

    # Out

    def _fired(self, host: Host, effect: ev.Volley) -> float:
        """When the kernel has just sent a magic packet to the host by itself (CLOCK_BOOTTIME); 0 where it has not."""
        if effect.number or not self.path.acts:
            return 0.0
        keys = filter(None, map(self.queue.key, host.known_addresses()))
        latest = max(map(self.path.fired_at, keys), default=0.0)
        now = clock()
        if now - latest > _FIRED_LATELY_SECONDS:
            return 0.0
        self.note(host.name, "magic packet", f"from the kernel, {(now - latest) * 1000:.1f} ms before")
        return latest

    def probe(self, address: Address, broadcast: bool = False) -> None:
        segment = self.segments.get(address.segment)
        if segment is not None:
            segment.probe(address, broadcast)

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
        states = {state.value: self.roster.states[state.value] for state in State}
        return {
            "hosts": sum(states.values()),
            "wake_states": states,
            "held_frames": self.roster.held,
            "released_frames": self.released,
            **self.wakes.counts(),
            "interfaces": [segment.describe() for segment in self.segments.values()],
        }
