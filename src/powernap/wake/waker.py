# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host to be woken to packets on the wire, and to whatever else wakes it: by every way whose time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Any

from powernap.config.wake import WakeConfig
from powernap.config.wake.groups import GroupSettings
from powernap.net.interfaces import Interface
from powernap.wake.host import Host
from powernap.wake.methods import METHODS, Means, Outcome, Target, WakeMethod
from powernap.wake.methods.base import Segment, Shot
from powernap.wake.methods.packets import send
from powernap.wake.methods.schedule import Schedule, due, parse_schedule, starts

_log = logging.getLogger(__name__)
_MOST_MAGAZINES = 2048


@dataclass
class _Magazine:
    """The frames that wake one host, built once in a wake.

    They follow from `host` (sleep, MACs, addresses) and `segments` (with the interface of each).
    """

    host: tuple[object, ...]
    segments: list[tuple[Segment, Interface]]
    target: Target
    built: dict[str, tuple[Shot, ...] | None] = field(default_factory=dict)

    def shots(self, name: str, way: WakeMethod) -> tuple[Shot, ...] | None:
        if name not in self.built:
            self.built[name] = way.shots(self.target)
        return self.built[name]


class Waker:
    """`told(host name, way, outcome)`: what came of a way that takes time."""

    def __init__(
        self, segments: Mapping[str, Segment], config: WakeConfig, told: Callable[[str, str, Outcome], None]
    ) -> None:
        self._segments = segments
        self._told = told
        self._tasks: set[asyncio.Task[None]] = set()
        self._methods: dict[str, WakeMethod] = {}
        self._magazines: dict[str, _Magazine] = {}
        self.configure(config)

    def configure(self, config: WakeConfig) -> None:
        wake = config.wake
        means = Means(self._segments, wake.udp_port, wake.exec, wake.program_seconds)
        for method in self._methods.values():
            method.close()
        self._methods = {name: method(means) for name, method in METHODS.items() if method.is_usable(means)}
        self._schedules = _schedules(config, self._methods)
        self._known_due: dict[tuple[Schedule, tuple[float, ...], int], tuple[str, ...]] = {}
        self._magazines.clear()
        self._subnets = {"": _networks(wake.subnets)}
        self._subnets |= {name: _networks(_both(wake.subnets, group)) for name, group in config.groups.items()}

    def fire(self, host: Host, volley: int, times: tuple[float, ...]) -> dict[str, Outcome]:
        """One volley. Returns what came of each way at once; of those that take time `told` hears later."""
        magazine = self._magazine(host)
        schedule = self._schedules.get(host.group, self._schedules[""])
        outcomes = {}
        for name in self._due(schedule, times, volley):
            shots = magazine.shots(name, self._methods[name])
            if shots is not None:
                outcomes[name] = send(shots)
                continue
            outcome = self._methods[name].wake(self._target(host, volley))
            if isinstance(outcome, Outcome):
                outcomes[name] = outcome
            else:
                outcomes[name] = Outcome(0, "began")
                self._begin(host.name, name, outcome)
        return outcomes

    def _due(self, schedule: Schedule, times: tuple[float, ...], volley: int) -> tuple[str, ...]:
        key = schedule, times, min(volley, len(times))
        found = self._known_due.get(key)
        if found is None:
            found = self._known_due[key] = due(schedule, METHODS, times, volley)
        return found

    def forget(self, name: str) -> None:
        """The host's wake is over."""
        self._magazines.pop(name, None)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for method in self._methods.values():
            method.close()

    def _magazine(self, host: Host) -> _Magazine:
        of = (host.sleep, host.macs, host.addresses)
        segments = [(each, each.interface) for each in self._segments.values()]
        known = self._magazines.get(host.name)
        if known is None or known.host != of or known.segments != segments:
            if len(self._magazines) >= _MOST_MAGAZINES:
                self._magazines.clear()
            known = _Magazine(of, segments, self._target(host, 0))
            self._magazines[host.name] = known
        return known

    def _begin(self, host: str, name: str, way: Coroutine[Any, Any, Outcome]) -> None:
        async def see_through() -> None:
            try:
                outcome = await way
            except Exception as error:  # noqa: BLE001 (a way that fails is one of several)
                _log.exception("%s: waking by %s failed", host, name)
                outcome = Outcome(0, f"failed: {error}")
            self._told(host, name, outcome)

        task = asyncio.get_running_loop().create_task(see_through())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _target(self, host: Host, volley: int) -> Target:
        addresses = host.known_addresses()
        # VLAN interfaces have the MAC of their card: one card, several segments.
        known = dict.fromkeys((address.mac, address.segment) for address in addresses)
        unknown = [(mac, "") for mac in host.all_macs() if mac not in {mac for mac, _segment in known}]
        return Target(
            name=host.name,
            cards=(*(card for card in known if card[0] in host.all_macs()), *unknown),
            password=host.sleep.password if host.sleep else None,
            addresses=addresses,
            subnets=self._subnets.get(host.group, self._subnets[""]),
            group=host.group,
            reason=host.wake.wanted.reason if host.wake else "",
            volley=volley,
        )


def escalates_at(config: WakeConfig) -> tuple[float, ...]:
    """When new ways begin, in any group: Policy.escalate_at."""
    means = Means({}, program=config.wake.exec)
    return starts(_schedules(config, [name for name, way in METHODS.items() if way.is_usable(means)]).values())


def _schedules(config: WakeConfig, usable: Container[str]) -> dict[str, Schedule]:
    """By group; that of hosts without one by ""."""
    lists = {"": config.wake.methods}
    lists |= {name: group.methods or config.wake.methods for name, group in config.groups.items()}
    return {
        name: tuple(step for step in parse_schedule(texts, METHODS) if step.method in usable)
        for name, texts in lists.items()
    }


def _both(subnets: tuple[str, ...], group: GroupSettings) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*subnets, *group.subnets)))


def _networks(texts: tuple[str, ...]) -> tuple[IPv4Network, ...]:
    networks = (ip_network(text) for text in texts)
    return tuple(network for network in networks if isinstance(network, IPv4Network))
