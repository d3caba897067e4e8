# SPDX-License-Identifier: GPL-3.0-or-later
"""A host comes back: it runs, its services take connections, and its addresses and held frames go to it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from powernap.wake import events as ev
from powernap.wake import waking
from powernap.wake.arming import Arm
from powernap.wake.events import Effect
from powernap.wake.host import Host
from powernap.wake.model import Address, Evidence, Held, Policy, State
from powernap.wake.restoring import Restore
from powernap.wake.waking import Wake


class Sign(NamedTuple):
    """A sign of life. `ip`: the address that the host was seen to use; `sure`: what makes it more than a sighting."""

    by: Evidence
    ip: bytes | None = None
    sure: str = ""


SAID_SO = Sign(Evidence.HELLO, None, "said so")


def enter(host: Host, state: State, now: float, **changes: Any) -> Host:
    """A claim to the host's addresses ends with the state in which it was made."""
    if state is not host.state:
        changes["since"] = now
    return replace(host, state=state, **{"claim": None, **changes})


def back(addresses: tuple[Address, ...], alive: bytes | None = None) -> list[Effect]:
    """Give IPv4 addresses back, and the one IPv6 address known to be alive (restoring.py tells why)."""
    return [ev.GiveBack(a) for a in addresses if not a.is_ipv6 or a.ip == alive]


def end_wake(host: Host, now: float, effects: list[Effect], verified: Evidence | None) -> None:
    """`verified`: what shows that the host is awake; None where it is given up."""
    wake = host.wake
    if wake is not None and not wake.quiet:
        was_awake = wake.check_until is not None
        effects.append(ev.WakeEnded(verified is not None, was_awake, now - wake.started, *wake.wanted, verified))


def runs(host: Host, sign: Sign, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """The machine runs. One that was off does so long before its services, and would refuse what was held for them."""
    wake = host.wake
    was_off = host.sleep is not None and host.sleep.action == "poweroff"
    if wake is None or not was_off or not host.ports_waited_for():
        return is_awake(host, sign, now, policy, effects)
    if not wake.booting:
        effects.append(ev.Log("booting", "runs again, and its services will"))
        wake = waking.boot(wake, now, policy)
    return replace(host, wake=replace(wake, confirmed=wake.confirmed or bool(sign.sure)))


def boot_tick(host: Host, wake: Wake, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if now >= wake.ends:
        effects.append(ev.Log("alert", "runs, but its services do not answer: look at the machine"))
        return is_awake(host, SAID_SO if wake.confirmed else Sign(Evidence.FRAME), now, policy, effects)
    if now < wake.next_probe:
        return host
    effects.extend(ev.TryPort(address, port) for address, port in host.ports_waited_for())
    # The booting machine announces itself to all. Who waits is told, alone, to go on waiting here: it would be refused.
    effects.extend(ev.Announce(address, mac) for address, mac in host.neighbours)
    return replace(host, wake=replace(wake, next_probe=now + policy.try_port_seconds))


def port_open(host: Host, event: ev.PortOpen, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """One service answers: the others are refused or not by themselves."""
    if host.wake is None or not host.wake.booting or (event.address, event.port) not in host.ports_waited_for():
        return host
    sure = "said so" if host.wake.confirmed else ""
    return is_awake(host, Sign(Evidence.PORT, event.address.ip, sure), now, policy, effects)


def is_awake(host: Host, sign: Sign, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """Stop standing in."""
    confirmed = bool(sign.sure)
    was_wanted = host.arm.wanted if host.arm is not None else None
    checked = host.wake is not None and host.wake.check_until is not None
    before = host
    if host.captured or host.held:
        restore = Restore(now, confirmed, host.known_addresses())
        woken = replace(host, restore=restore if sign.ip is None else restore.seen(sign.ip), arm=None, wake=None)
        woken = restore_step(enter(woken, State.RESTORING, now), now, policy, effects)
    else:
        woken = _settle(replace(host, wake=None), confirmed, now, policy, effects)
    # Who says hello, as each does when its link was lost, and was awake all the time, has not woken.
    if not checked and not (before.state is State.AWAKE and before.sleep is None and sign.by is Evidence.HELLO):
        effects.append(ev.Log("awake", sign.sure or "was seen"))
    end_wake(host, now, effects, sign.by)
    if was_wanted is not None:
        effects.append(ev.WakeEnded(True, True, 0.0, *was_wanted, sign.by))
    return woken


def _settle(host: Host, confirmed: bool, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """The host is awake; one that has not said so itself is watched, for it may have been on its way down."""
    if confirmed or host.sleep is None:
        effects.append(ev.Forgotten())
        return enter(host, State.AWAKE, now, sleep=None, arm=None, restore=None, captured=False, held=(), neighbours=())
    arm = Arm(gap=policy.probe_seconds, next_at=now + policy.probe_seconds)
    return enter(host, State.AWAKE, now, arm=arm, restore=None, captured=False, held=())


def restore_step(host: Host, now: float, policy: Policy, effects: list[Effect]) -> Host:
    restore = host.restore
    assert restore is not None
    ready = restore.ready()
    due = restore.next_step(policy)
    if due is not None and now >= due:
        last = restore.step == len(policy.replay_at) - 1
        restore = replace(restore, step=restore.step + 1)
        # IPv4 may be told twice, lest a lost frame leaves neighbours with our MAC.
        again = tuple(a for a in restore.addresses if last and not a.is_ipv6 and a.ip in restore.given)
        effects.extend(ev.GiveBack(a) for a in (*ready, *again))
        # Who was told that an address is here is told again, alone: no owner hears that, so it may be repeated.
        known = restore.given | {a.ip for a in ready}
        effects.extend(ev.GiveBack(a, mac) for a, mac in host.neighbours if a.ip in known)
        effects.extend(ev.Replay(held) for held in host.held)
        effects.extend(ev.Log("replayed", held.visitor) for held in host.held if restore.step == 1)
        host = replace(host, held=() if last else tuple(held for held in host.held if not _is_done(held, restore)))
    else:
        effects.extend(ev.GiveBack(a) for a in ready)
        effects.extend(ev.GiveBack(a, mac) for a, mac in host.neighbours if a in ready)
    restore = restore.give(ready)
    waits = restore.waits_for()
    if waits and now >= restore.next_probe:
        effects.extend(ev.Probe(a, False) for a in waits)
        restore = replace(restore, next_probe=now + policy.ready_probe_seconds)
    host = replace(host, restore=restore)
    if not restore.is_over(now, policy):
        return host
    effects.append(ev.Log("restored", ", ".join(sorted({a.segment for a in restore.addresses}))))
    return _settle(host, restore.confirmed, now, policy, effects)


def _is_done(held: Held, restore: Restore) -> bool:
    """A datagram goes out once, but not into an address that is not yet usable."""
    return held.once and (not held.address.is_ipv6 or held.address.ip in restore.alive)


def seen_while_restoring(host: Host, event: ev.OwnerSeen, now: float, policy: Policy, effects: list[Effect]) -> Host:
    assert host.restore is not None
    # It looks for who knocked: it has the SYN.
    held = tuple(held for held in host.held if event.peer is None or held.visitor.ip != event.peer)
    restore = host.restore if event.ip is None else host.restore.seen(event.ip)
    return restore_step(replace(host, held=held, restore=restore), now, policy, effects)
