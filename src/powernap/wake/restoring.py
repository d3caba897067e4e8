# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving a woken host its addresses and its held frames back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from powernap.wake.model import Address, Policy


@dataclass(frozen=True, slots=True)
class Restore:
    """`confirmed`: the host itself has said that it is awake.

    `alive` holds the addresses it was seen to use and `given` those given back. An IPv6 address is given back once,
    and only when alive: an advertisement for an address still in duplicate-address detection would make that fail.
    """

    started: float
    confirmed: bool
    addresses: tuple[Address, ...]
    alive: frozenset[bytes] = frozenset()
    given: frozenset[bytes] = frozenset()
    step: int = 0
    next_probe: float = 0.0

    def waits_for(self) -> tuple[Address, ...]:
        """The IPv6 addresses not yet given back."""
        return tuple(a for a in self.addresses if a.is_ipv6 and a.ip not in self.given)

    def next_step(self, policy: Policy) -> float | None:
        return self.started + policy.replay_at[self.step] if self.step < len(policy.replay_at) else None

    def deadline(self, policy: Policy) -> float:
        step = self.next_step(policy)
        if not self.waits_for():
            return step if step is not None else self.started
        end = self.started + policy.restore_seconds
        return min(end, self.next_probe) if step is None else min(end, self.next_probe, step)

    def is_over(self, now: float, policy: Policy) -> bool:
        if self.next_step(policy) is not None:
            return False
        return not self.waits_for() or now >= self.started + policy.restore_seconds

    def seen(self, ip: bytes) -> Restore:
        return self if ip in self.alive else replace(self, alive=self.alive | {ip})

    def ready(self) -> tuple[Address, ...]:
        """What may be given back now for the first time."""
        return tuple(a for a in self.addresses if a.ip not in self.given and (not a.is_ipv6 or a.ip in self.alive))

    def give(self, addresses: tuple[Address, ...]) -> Restore:
        return replace(self, given=self.given | {a.ip for a in addresses})
