# SPDX-License-Identifier: GPL-3.0-or-later
"""One wake, from the first magic packet to the host's first sign of life or the end of patience. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from powernap.wake.model import Policy, Wanted

_MORE_AFTER = 2.0
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Wake:
    """`check_until`: a host that is believed awake is only asked until then.

    `next_volley` None: no magic packets are due, because all are out or because the host seems to wake by itself
    (`quiet`). `booting`: it was off and runs again, but its services do not yet; `confirmed`: it has said hello.
    `hurried`: its answer is waited for here, so that it is asked often; else it is asked with each volley.
    `patience`: while the wake waits for the budget, the seconds that it will have from its turn on; else None.
    """

    wanted: Wanted
    started: float
    ends: float
    next_probe: float
    next_volley: float | None = None
    check_until: float | None = None
    first_volley: float = 0.0
    last_volley: float = 0.0
    volleys: int = 0
    quiet: bool = False
    booting: bool = False
    confirmed: bool = False
    hurried: bool = True
    patience: float | None = None

    @property
    def waits(self) -> bool:
        return self.patience is not None

    @property
    def deadline(self) -> float:
        times = (self.ends, self.next_probe, self.next_volley, self.check_until)
        return min(time for time in times if time is not None)

    def may_be_late(self, policy: Policy) -> float:
        """Seconds that a tick may be late, so that those of many hosts come together."""
        if self.quiet or self.booting or self.check_until is not None:
            return 0.0
        return policy.ready_probe_seconds if self.hurried else policy.unhurried_seconds

    def fire(self, now: float, policy: Policy) -> Wake:
        """One volley leaves now."""
        first = self.first_volley if self.volleys else now
        sent = self.volleys + 1
        times = policy.volley_times()
        later = max(first + times[sent], now + times[1] / 2) if sent < len(times) else None
        return replace(
            self,
            volleys=sent,
            first_volley=first,
            last_volley=now,
            next_volley=later,
            next_probe=self.next_probe if self.hurried else later or now + policy.unhurried_probe_seconds,
            check_until=None,
            quiet=False,
        )

    def asked(self, now: float, policy: Policy) -> Wake:
        """It is asked now."""
        if self.hurried:
            # A tick comes late, the next one not later for that.
            seconds = policy.ready_probe_seconds
            return replace(self, next_probe=max(self.next_probe + seconds, now + seconds / 2))
        later = self.next_volley or now + policy.unhurried_probe_seconds
        return self if later == self.next_probe else replace(self, next_probe=later)

    def hurry(self, now: float, policy: Policy) -> Wake:
        """Its answer is waited for from now on."""
        if self.hurried:
            return self
        return replace(self, hurried=True, next_probe=min(self.next_probe, now + policy.ready_probe_seconds))

    def postponed(self, now: float) -> Wake:
        """No volley has left, and none does before its turn; nor is the host asked, which nobody has woken."""
        patience = self.patience if self.patience is not None else self.ends - now
        return replace(
            self, volleys=0, next_volley=None, check_until=None, next_probe=_NEVER, ends=_NEVER, patience=patience
        )

    def its_turn(self, now: float, policy: Policy) -> Wake:
        assert self.patience is not None
        return replace(self, patience=None, ends=now + self.patience, next_probe=now + policy.ready_probe_seconds)

    def wanted_until(self, now: float, timeout: float) -> Wake:
        """Somebody has patience for so many seconds from now on."""
        if self.patience is not None:
            return replace(self, patience=max(self.patience, timeout))
        return replace(self, ends=max(self.ends, now + timeout))

    def is_worth_another(self, now: float) -> bool:
        """Demand again, all volleys are out, and the host still sleeps: it may have missed them."""
        return self.next_volley is None and self.check_until is None and now - self.last_volley >= _MORE_AFTER


def begin(wanted: Wanted, now: float, policy: Policy, hurried: bool = True) -> Wake:
    """A wake that fires at once."""
    return Wake(wanted, now, now + policy.resume_timeout, now + policy.ready_probe_seconds, hurried=hurried)


def check(wanted: Wanted, now: float, policy: Policy, timeout: float) -> Wake:
    """A wake that first asks whether there is anything to wake."""
    until = now + policy.check_seconds
    return Wake(wanted, now, now + max(timeout, policy.resume_timeout), now, check_until=until)


def boot(wake: Wake, now: float, policy: Policy) -> Wake:
    """The machine runs: no more magic packets, but patience anew, for its services."""
    return replace(
        wake, booting=True, next_volley=None, check_until=None, next_probe=now, ends=now + policy.resume_timeout
    )


def watch(wanted: Wanted, now: float, policy: Policy) -> Wake:
    """A wake without magic packets: the host seems to be waking by itself."""
    return Wake(wanted, now, now + policy.quiet_timeout, now, quiet=True)
