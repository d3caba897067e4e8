# SPDX-License-Identifier: GPL-3.0-or-later
"""A host driven by hand: time moves only when told to, and every effect is kept with its time."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from powernap.wake import events as ev
from powernap.wake.host import Host
from powernap.wake.hosts import step
from powernap.wake.model import Address, Held, Policy, Sleep, State, Visitor

E = TypeVar("E")
OWNER, DESK, THIRD = (bytes.fromhex(text) for text in ("024c00000003", "024c00000009", "024c00000077"))
SERVER = bytes.fromhex("024c00000001")
SERVER4, SERVER6 = bytes([198, 18, 0, 1]), bytes.fromhex("fd4c" + "00" * 13 + "01")
DESK4, DESK6 = bytes([198, 18, 0, 9]), bytes.fromhex("fd4c" + "00" * 13 + "09")
WEB4 = Address("eth0", bytes([198, 18, 0, 3]), OWNER)
WEB6 = Address("eth0", bytes.fromhex("fd4c" + "00" * 13 + "03"), OWNER)
SLEEP = Sleep("suspend", (WEB4, WEB6), (OWNER,), ((80, 80),), ())


class Play:
    def __init__(self, policy: Policy | None = None, **host: object) -> None:
        self.policy = policy or Policy()
        self.host = replace(Host("web1", macs=(OWNER,), addresses=(WEB4,)), **host)
        self.now = 1000.0
        self.done: list[tuple[float, ev.Effect]] = []

    @property
    def state(self) -> State:
        return self.host.state

    def tell(self, event: ev.Event) -> list[ev.Effect]:
        self.host, effects = step(self.host, event, self.now, self.policy)
        self.done += [(self.now, effect) for effect in effects]
        return effects

    def advance(self, seconds: float, owner_answers: bool = False) -> None:
        """Let time pass, with every Tick when it is due; an owner that is up answers each probe at once."""
        end = self.now + seconds
        ticks = 0
        while True:
            due = self.host.deadline(self.policy)
            if due > end:
                break
            self.now = max(self.now, due)
            effects = self.tell(ev.Tick())
            for probe in (effect for effect in effects if isinstance(effect, ev.Probe) and owner_answers):
                self.tell(ev.OwnerSeen(probe.address.ip))
            ticks += 1
            assert ticks < 100_000, "it ticks without end"
        self.now = end

    def all(self, kind: type[E]) -> list[E]:
        return [effect for _, effect in self.done if isinstance(effect, kind)]

    def times(self, kind: type[ev.Effect]) -> list[float]:
        return [round(time, 3) for time, effect in self.done if isinstance(effect, kind)]

    def clear(self) -> None:
        self.done = []

    # Ways to get somewhere

    def asleep(self, sleep: Sleep = SLEEP) -> Play:
        """Registered and silent: proxied where it is stood in for."""
        self.tell(ev.Asleep(sleep))
        self.advance(5)
        assert self.state is State.PROXIED
        self.advance(10)
        self.clear()
        return self

    def waking(self) -> Play:
        self.asleep()
        self.tell(knock())
        self.clear()
        return self

    def unreachable(self) -> Play:
        self.waking()
        self.advance(self.policy.resume_timeout + 1)
        assert self.state is State.UNREACHABLE
        self.clear()
        return self


def knock(port: int = 50000, frame: bytes = b"syn", address: Address = WEB4, once: bool = False) -> ev.Knock:
    ip = DESK6 if address.is_ipv6 else DESK4
    what = "UDP" if once else "TCP SYN"
    return ev.Knock(Held(Visitor(what, DESK, ip, port, 80), address, frame, once), True)


def self_asked(address: Address = WEB4) -> ev.SelfAsked:
    ip = SERVER6 if address.is_ipv6 else SERVER4
    return ev.SelfAsked(address, Visitor("ARP", SERVER, ip, own=True))


def own(event: ev.Knock) -> ev.Knock:
    """The same knock, by the wake server's own machine."""
    visitor = event.held.visitor._replace(mac=SERVER, ip=SERVER4, own=True)
    return event._replace(held=event.held._replace(visitor=visitor))


def asked(address: Address = WEB4, probe: bool = False, mac: bytes = DESK) -> ev.Asked:
    nobody = bytes(len(address.ip))
    ip = DESK6 if address.is_ipv6 else DESK4
    return ev.Asked(address, Visitor("ARP", mac, nobody if probe else ip), probe)


def given(play: Play, to: bytes | None = None) -> list[object]:
    """The addresses given back so far to that neighbour, or to all."""
    return [effect.address for effect in play.all(ev.GiveBack) if effect.to == to]
