# SPDX-License-Identifier: GPL-3.0-or-later
"""Which demand is let through to a host: the monitors that are on, the rules, who cried wolf, who wakes too many."""

from __future__ import annotations

from typing import Protocol

from powernap.config.wake import WakeConfig
from powernap.wake.asking import Asking
from powernap.wake.demand import MONITORS
from powernap.wake.events import Asked, Event, Knock, SelfAsked
from powernap.wake.host import Host
from powernap.wake.model import State, Visitor
from powernap.wake.path.base import Unwelcome
from powernap.wake.rules import Rules, denial, matches, parse_sources

TOO_MANY = "wakes too many hosts"


class Wolves(Protocol):
    """Who is not believed (criers.py)."""

    def refusal(self, visitor: Visitor) -> str:
        pass

    def refused(self, host: str, visitor: Visitor, reason: str) -> None:
        pass


class Doorkeeper:
    """Only what would wake a sleeping host is judged: this is no packet filter."""

    def __init__(self, config: WakeConfig, wolves: Wolves) -> None:
        self._wolves = wolves
        self._asking = Asking(0)
        self.adopt(config)

    def adopt(self, config: WakeConfig) -> None:
        """Take over a new configuration; rules are parsed here, once."""
        wake = config.wake
        everywhere = Rules.of(wake.allow, wake.deny)
        self._everywhere = everywhere
        self._groups = {
            name: Rules.of(group.allow, group.deny).within(everywhere) for name, group in config.groups.items()
        }
        self.denied = _unwelcome(everywhere)
        self._trusted = parse_sources(wake.trusted)
        self._off = frozenset(monitor.what for monitor in MONITORS if not getattr(config.demand, monitor.name))
        if self._asking.per_minute != wake.wakes_per_source:
            self._asking = Asking(wake.wakes_per_source)

    def is_on(self, what: str) -> bool:
        """Whether the monitor of such frames (Visitor.what) is on."""
        return what not in self._off

    def may_refuse(self, host: Host) -> bool:
        """True where demand for the host may be refused by more than `denied`: then nobody may wake it unseen."""
        rules = self._rules(host)
        return bool(self._off or rules.allow) or any(denial(rule) not in self.denied.values() for rule in rules.deny)

    def admit(self, host: Host, event: Event, now: float) -> Event | None:
        """The event as the host is to hear it; None where it is to hear nothing of it."""
        if host.sleep is None or host.restore is not None or host.state is State.AWAKE:
            return event
        if isinstance(event, Asked):
            if host.wake_on == "arp" and not event.probe and self._refuses(host, event.visitor, now):
                return event._replace(wakes=False)
        elif isinstance(event, (Knock, SelfAsked)) and host.wake_on != "never":
            visitor = event.held.visitor if isinstance(event, Knock) else event.visitor
            return None if self._refuses(host, visitor, now) else event
        return event

    def _refuses(self, host: Host, visitor: Visitor, now: float) -> bool:
        reason = "" if self.is_on(visitor.what) else "its monitor is off"
        reason = reason or self._rules(host).refusal(visitor) or self._wolves.refusal(visitor)
        if not reason and _is_at_rest(host) and not any(matches(rule, visitor) for rule in self._trusted):
            reason = "" if self._asking.may_wake(visitor.ip, now) else TOO_MANY
        if reason:
            self._wolves.refused(host.name, visitor, reason)
        return bool(reason)

    def _rules(self, host: Host) -> Rules:
        return self._groups.get(host.group, self._everywhere)


def _unwelcome(rules: Rules) -> dict[Unwelcome, str]:
    """Who is denied by address, without or with one port, and why: what does not take a parser to tell."""
    found = {}
    for rule in rules.deny:
        if rule.mac is None and not rule.kind and rule.network is not None and rule.network.num_addresses == 1:
            source = rule.network.network_address.packed
            if not rule.protocol:
                found[Unwelcome(source)] = denial(rule)
            elif len(rule.ports) == 1 and rule.ports[0][0] == rule.ports[0][1]:
                found[Unwelcome(source, rule.protocol, rule.ports[0][0])] = denial(rule)
    return found


def _is_at_rest(host: Host) -> bool:
    """True where a demand would begin a new wake."""
    if host.arm is not None and host.arm.wanted is not None:
        return False
    return host.wake is None or host.wake.quiet
