# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the wake server holds about one host, and when it next needs attention."""

from __future__ import annotations

from dataclasses import dataclass, replace

from powernap.wake.arming import Arm
from powernap.wake.claiming import Claim
from powernap.wake.model import Address, Held, Policy, Sleep, State
from powernap.wake.restoring import Restore
from powernap.wake.waking import Wake

NEVER = float("inf")
STANDING_BY = (State.PROXIED, State.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Host:
    """`captured`: neighbours may have been told that its addresses are here.

    `neighbours` are the cards that sent to an address while it was here: they believe that it still is.
    `addresses` is what the administrator gave, for asking a host that never registered a sleep. `arm` is present
    while it is not known whether the host is down (also beside AWAKE, until it has said hello), `wake` while WAKING,
    `restore` while RESTORING. `number`: the registry's.
    """

    name: str
    macs: tuple[bytes, ...] = ()
    addresses: tuple[Address, ...] = ()
    wake_on: str = "demand"
    group: str = ""
    state: State = State.AWAKE
    since: float = 0.0
    captured: bool = False
    sleep: Sleep | None = None
    arm: Arm | None = None
    wake: Wake | None = None
    restore: Restore | None = None
    claim: Claim | None = None
    held: tuple[Held, ...] = ()
    neighbours: tuple[tuple[Address, bytes], ...] = ()
    number: int = 0

    def known_addresses(self) -> tuple[Address, ...]:
        return self.sleep.addresses if self.sleep else self.addresses

    def all_macs(self) -> tuple[bytes, ...]:
        return tuple(dict.fromkeys((*(self.sleep.macs if self.sleep else ()), *self.macs)))

    def stands_in(self) -> bool:
        """True while questions for the host's addresses are answered here."""
        if self.wake is not None and self.wake.booting:
            return False
        return self.captured and self.state in (State.PROXIED, State.WAKING, State.UNREACHABLE)

    def ports_waited_for(self) -> tuple[tuple[Address, int], ...]:
        """The TCP ports that held connections want."""
        return tuple(dict.fromkeys((held.address, held.visitor.to_port) for held in self.held if not held.once))

    def met(self, address: Address, mac: bytes, policy: Policy) -> Host:
        """One more neighbour that believes that the address is here."""
        neighbour = (address, mac)
        if neighbour in self.neighbours or len(self.neighbours) >= policy.neighbours:
            return self
        return replace(self, neighbours=(*self.neighbours, neighbour))

    def holding(self, new: Held, policy: Policy) -> Host:
        """With the newest SYN of each flow, and the first datagram."""
        for number, old in enumerate(self.held):
            if old.flow == new.flow:
                if new.once:
                    return self
                return replace(self, held=(*self.held[:number], new, *self.held[number + 1 :]))
        return self if len(self.held) >= policy.held_per_host else replace(self, held=(*self.held, new))

    def deadline(self, policy: Policy) -> float:
        """When the next Tick is due; NEVER (infinity) where nothing waits for time."""
        if self.restore is not None:
            return self.restore.deadline(policy)
        if self.wake is not None:
            return self.wake.deadline
        due = NEVER
        if self.arm is not None:
            due = self.arm.deadline
        elif self.sleep is not None and self.state in STANDING_BY:
            wakes = self.state is State.PROXIED and self.wake_on != "never"
            due = self.sleep.wake_by if wakes else self.sleep.lease_ends
        return due if self.claim is None else min(due, self.claim.deadline(policy))
