# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one host as the wake server sees it: `step(host, event, now, policy) -> (host, effects)`.

Pure: no sockets, no clock. docs/protocol.md tells what each state does; the numbers are in Policy.
Two rules stand above the rest: a demand on a sleeping host leads to magic packets until it is awake or the time is up,
and nobody is told that the address of a host that is awake is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from powernap.wake import coming_back, waking
from powernap.wake import events as ev
from powernap.wake.arming import Arm, Verdict
from powernap.wake.claiming import Claim, Due
from powernap.wake.coming_back import SAID_SO, Sign, enter
from powernap.wake.events import Effect, Event
from powernap.wake.host import STANDING_BY, Host
from powernap.wake.model import Address, Evidence, Held, Policy, Sleep, State, Visitor, Wanted
from powernap.wake.waking import Wake

_GOING_DOWN = (State.REGISTERED, State.ARMING)


def step(host: Host, event: Event, now: float, policy: Policy) -> tuple[Host, list[Effect]]:
    effects: list[Effect] = []
    return _HANDLERS[type(event)](host, event, now, policy, effects), effects


# What the host says


def _asleep(host: Host, event: ev.Asleep, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.wake is not None:
        # It could not say so if it had not been awake: whoever waited for that got it.
        coming_back.end_wake(host, now, effects, Evidence.HELLO)
    effects.append(ev.Log("registered", f"goes to {event.sleep.action}"))
    wanted = host.arm.wanted if host.arm is not None else None
    # What is held has not gone out, unless in a restore: it goes when the host answers, or the host is woken again.
    held = _still_of(host, event.sleep.addresses, effects) if host.restore is None else ()
    if held:
        wanted = wanted or Wanted("demand", held[0].visitor)
    captured = host.captured and bool(held)
    arm = _arming(policy.probe_seconds, now + policy.probe_seconds / 2, wanted, now)
    return enter(
        host, State.REGISTERED, now, sleep=event.sleep, arm=arm, wake=None, restore=None, captured=captured, held=held
    )


def _arming(gap: float, next_at: float, wanted: Wanted | None, now: float) -> Arm:
    arm = Arm(gap=gap, next_at=next_at)
    return arm if wanted is None else replace(arm, wanted=wanted).hurry(now)


def _still_of(host: Host, addresses: tuple[Address, ...], effects: list[Effect]) -> tuple[Held, ...]:
    """The held frames for these addresses; the others are let go."""
    held = tuple(each for each in host.held if each.address in addresses)
    if len(held) < len(host.held):
        effects.append(ev.Released(len(host.held) - len(held)))
    return held


def _recalled(host: Host, event: ev.Recalled, now: float, policy: Policy, effects: list[Effect]) -> Host:
    effects.append(ev.Log("recalled", "was asleep when this server last ran"))
    # Its interface may have changed amid a wake, which goes on.
    wanted = host.arm.wanted if host.arm is not None else None
    if host.wake is not None and not host.wake.quiet:
        wanted = host.wake.wanted
    held = _still_of(host, event.sleep.addresses, effects)
    arm = replace(_arming(policy.recall_probe_seconds, now, wanted, now), recalled=True)
    captured = host.wake_on == "demand"
    return enter(
        host, State.ARMING, now, sleep=event.sleep, arm=arm, wake=None, restore=None, captured=captured, held=held
    )


def _hello(host: Host, event: ev.Hello, now: float, policy: Policy, effects: list[Effect]) -> Host:
    effects.append(ev.Log("hello", event.cause))
    if host.restore is not None:
        return replace(host, restore=replace(host.restore, confirmed=True))
    return coming_back.runs(host, SAID_SO, now, policy, effects)


# What is heard on the wire


def _owner_seen(host: Host, event: ev.OwnerSeen, now: float, policy: Policy, effects: list[Effect]) -> Host:
    addresses = host.known_addresses()
    uses_own = not addresses or any(event.ip == address.ip for address in addresses)
    uses_own |= host.sleep is None and event.ip is not None  # what was given for it may be out of date
    sign = Sign(Evidence.ANSWER if event.answers else Evidence.FRAME, event.ip)
    if host.restore is not None:
        return coming_back.seen_while_restoring(host, event, now, policy, effects)
    if host.state is State.WAKING:
        return coming_back.runs(host, sign, now, policy, effects) if uses_own else host
    if host.state in STANDING_BY and host.sleep is not None:
        if uses_own:
            return coming_back.is_awake(host, sign, now, policy, effects)
        effects.append(ev.Log("owner seen", "its card sends, without an address of its own yet"))
        wake = waking.watch(Wanted("owner seen", host.name), now, policy)
        return enter(host, State.WAKING, now, wake=wake)
    if host.arm is not None:
        if uses_own and host.arm.recalled and host.captured:
            # Since before the restart neighbours believe that its addresses are here: IPv6 goes back one by one.
            return coming_back.is_awake(host, sign, now, policy, effects)
        return _still_up(host, event, now, effects) if uses_own else host
    if host.state in (State.UNREACHABLE, State.EXPIRED):
        return coming_back.is_awake(host, sign, now, policy, effects)
    return host


def _still_up(host: Host, event: ev.OwnerSeen, now: float, effects: list[Effect]) -> Host:
    assert host.arm is not None
    if host.captured or host.held:
        # Neighbours may still send to us, from the wake that its new registration ended.
        effects.extend(coming_back.back(host.known_addresses(), event.ip))
        effects.extend(ev.Replay(held) for held in host.held)
    arm = host.arm.answered(now)
    if host.state is State.AWAKE:
        arm = replace(arm, wanted=None, fast_at=None)  # who wanted it has it
    return replace(host, arm=arm, captured=False, held=())


def _asked(host: Host, event: ev.Asked, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.stands_in():
        effects.append(ev.Answer(event.address, event.visitor, event.probe))
        return host if event.probe else host.met(event.address, event.visitor.mac, policy)
    if host.wake_on == "arp" and host.state in STANDING_BY and event.wakes and not event.probe:
        return _demand(host, Wanted("arp", event.visitor), now, policy, effects)
    if host.arm is None:
        return host
    if host.state is State.AWAKE:
        return replace(host, arm=host.arm.soon(now))
    return replace(host, arm=host.arm.asked_by(event, policy).hurry(now))


def _pinged(host: Host, event: ev.Pinged, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.stands_in() and host.sleep is not None and host.sleep.pings:
        effects.append(ev.Pong(*event))
    return host


def _claimed(host: Host, event: ev.Claimed, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if event.address not in host.known_addresses():
        return host
    if host.stands_in() and host.state in STANDING_BY:
        visitor = Visitor("claim", event.mac, event.address.ip)
        effects.append(ev.Log("conflict", visitor))
        return _demand(host, Wanted("conflict", visitor), now, policy, effects)
    if host.state in _GOING_DOWN and host.sleep is not None:
        return _not_its_own(host, host.sleep, event, effects)
    return host


def _not_its_own(host: Host, sleep: Sleep, event: ev.Claimed, effects: list[Effect]) -> Host:
    """Another machine uses an address that the host registered: whoever stood in for it would cut that one off."""
    visitor = Visitor("claim", event.mac, event.address.ip)
    effects += (ev.Log("conflict", visitor), ev.Log("alert", f"{visitor}: not stood in for at that address"))
    sleep = replace(sleep, addresses=tuple(each for each in sleep.addresses if each != event.address))
    return replace(host, sleep=sleep, held=_still_of(host, sleep.addresses, effects))


def _knock(host: Host, event: ev.Knock, now: float, policy: Policy, effects: list[Effect]) -> Host:
    visitor = event.held.visitor
    if visitor.own and host.wake is not None and host.wake.booting:
        return host  # our own look whether the port is open
    if visitor.own and (host.restore is not None or host.state is State.AWAKE):
        return _self_asked(host, ev.SelfAsked(event.held.address, visitor), now, policy, effects)  # the owner got it
    if host.restore is not None:
        effects.append(ev.Replay(event.held))
        return host
    if host.sleep is None or host.wake_on == "never":
        return host
    if host.state is State.AWAKE:
        # Its sender missed that the address went back.
        effects += (ev.Replay(event.held), *coming_back.back((event.held.address,)))
        return host
    if host.arm is None and not visitor.own:
        host = host.met(event.held.address, visitor.mac, policy)
    if event.may_hold:
        host = host.holding(event.held, policy)
    return _need(host, visitor, now, policy, effects)


def _self_asked(host: Host, event: ev.SelfAsked, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """Nothing sent from here reaches our own kernel: it is not answered, and no port will follow to be waited for."""
    if host.sleep is None or host.restore is not None or host.wake_on == "never":
        return host
    return _need(host, event.visitor, now, policy, effects)


def _need(host: Host, visitor: Visitor, now: float, policy: Policy, effects: list[Effect]) -> Host:
    wanted = Wanted("demand", visitor)
    if host.arm is None:
        return _demand(host, wanted, now, policy, effects)
    return replace(host, arm=replace(host.arm, wanted=host.arm.wanted or wanted).hurry(now))


# Waking


def _demand(host: Host, wanted: Wanted, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """Somebody needs the host, which is not known to be awake."""
    wake = host.wake
    if wake is not None and (wake.booting or wake.waits):
        return host
    hurried = host.captured or bool(host.held) or wanted.reason == "order"
    log = ev.Log("ordered" if wanted.reason == "order" else "demand", wanted.asked_by)
    if wake is None or wake.quiet:
        wake = waking.begin(wanted, now, policy, hurried)
        effects += (ev.Volley(0), log)
    elif wake.is_worth_another(now):
        effects += (ev.Volley(wake.volleys), log)
    else:
        return replace(host, wake=wake.hurry(now, policy)) if hurried and not wake.hurried else host
    wake = wake.hurry(now, policy) if hurried else wake
    return enter(host, State.WAKING, now, wake=wake.fire(now, policy))


def _order(host: Host, event: ev.Order, now: float, policy: Policy, effects: list[Effect]) -> Host:
    wanted = Wanted("order", event.asked_by)
    if host.restore is not None:
        seen_by = Evidence.HELLO if host.restore.confirmed else Evidence.FRAME
        effects.append(ev.WakeEnded(True, True, 0.0, *wanted, seen_by))
        return host
    if host.wake is not None:
        if host.wake.waits:
            effects.append(ev.Hurry())
            host = replace(host, wake=replace(host.wake, wanted=wanted))
        host = _demand(host, wanted, now, policy, effects)
        assert host.wake is not None
        return replace(host, wake=host.wake.wanted_until(now, event.timeout))
    if host.state in _GOING_DOWN and host.arm is not None:
        effects.append(ev.Log("ordered", event.asked_by))
        return replace(host, arm=replace(host.arm, wanted=wanted).hurry(now))
    if host.state is State.AWAKE and host.known_addresses():
        effects.append(ev.Log("ordered", event.asked_by))
        effects.extend(ev.Probe(a, False) for a in host.known_addresses())
        wake = waking.check(wanted, now, policy, event.timeout)
        wake = replace(wake, next_probe=now + policy.ready_probe_seconds)
        return enter(host, State.WAKING, now, wake=wake, arm=None)
    host = _demand(host, wanted, now, policy, effects)
    assert host.wake is not None
    return replace(host, arm=None, wake=host.wake.wanted_until(now, event.timeout))


def _postponed(host: Host, event: ev.Postponed, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.wake is None or host.wake.quiet or host.wake.booting or host.wake.waits:
        return host
    effects.append(ev.Log("waits", "for its turn: as many machines as may start at once do so now"))
    return replace(host, wake=host.wake.postponed(now))


def _turn(host: Host, event: ev.Turn, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.wake is None or not host.wake.waits:
        return host
    effects.append(ev.Volley(0, granted=True))
    return replace(host, wake=host.wake.its_turn(now, policy).fire(now, policy))


# Time


def _tick(host: Host, event: ev.Tick, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.restore is not None:
        return coming_back.restore_step(host, now, policy, effects)
    if host.wake is not None:
        return _wake_tick(host, host.wake, now, policy, effects)
    if host.arm is not None:
        return _arm_tick(host, host.arm, now, policy, effects)
    if host.state in STANDING_BY and host.sleep is not None:
        if host.state is State.PROXIED and host.wake_on != "never" and now >= host.sleep.wake_by:
            # Also where it has ended already: nobody ran here meanwhile, and so nobody has tried.
            return _demand(host, Wanted("lease", "the end of its lease"), now, policy, effects)
        if now >= host.sleep.lease_ends:
            return _expire(host, now, effects)
    return _claim_tick(host, now, policy, effects)


def _look(host: Host, event: ev.Look, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """Its answers while arming may have been lost, and one that is up need not send what we hear."""
    if host.captured and host.state in STANDING_BY:
        effects.extend(ev.Probe(a, False) for a in host.known_addresses())
    return host


def _arm_tick(host: Host, arm: Arm, now: float, policy: Policy, effects: list[Effect]) -> Host:
    arm, verdict = arm.tick(now, policy)
    host = replace(host, arm=arm)
    if verdict is Verdict.PROBE:
        effects.extend(ev.Probe(a, host.state is not State.AWAKE) for a in host.known_addresses())
        if host.state is State.REGISTERED:
            host = enter(host, State.ARMING, now)
    elif verdict is Verdict.STAYS_AWAKE:
        sign = Sign(Evidence.ANSWER, None, f"still answers after {policy.rounds} rounds")
        return coming_back.is_awake(host, sign, now, policy, effects)
    elif verdict is Verdict.SILENT:
        return _asleep_now(host, arm, now, policy, effects)
    return host


def _asleep_now(host: Host, arm: Arm, now: float, policy: Policy, effects: list[Effect]) -> Host:
    """The owner is silent: stand in for it, and wake it where somebody waits already."""
    stands_in = host.wake_on == "demand"
    claim = Claim(now) if stands_in else None
    host = enter(host, State.PROXIED, now, arm=None, captured=stands_in, claim=claim)
    if stands_in:
        host = _claim_tick(host, now, policy, effects)
        effects.extend(ev.Answer(each.address, each.visitor, each.probe) for each in arm.asked)
    effects.append(ev.Log("proxied", "silent" if stands_in else f"silent; wake_on is {host.wake_on}"))
    asker = next((asked.visitor for asked in arm.asked if asked.wakes and not asked.probe), None)
    if arm.wanted is not None:
        return _demand(host, arm.wanted, now, policy, effects)
    if host.wake_on == "arp" and asker is not None:
        return _demand(host, Wanted("arp", asker), now, policy, effects)
    return host


def _claim_tick(host: Host, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if host.claim is None:
        return host
    claim, due = host.claim.tick(now, policy)
    if due is Due.QUESTION:
        effects.extend(ev.Probe(a, False) for a in host.known_addresses())
    elif due is Due.ANNOUNCEMENT:
        effects.extend(ev.Announce(a) for a in host.known_addresses())
    return replace(host, claim=claim)


def _wake_tick(host: Host, wake: Wake, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if wake.booting:
        return coming_back.boot_tick(host, wake, now, policy, effects)
    if now >= wake.ends:
        return _give_up(host, wake, now, policy, effects)
    if wake.check_until is not None and now >= wake.check_until:
        wake = replace(wake, next_volley=now)
        if host.sleep is not None and host.wake_on == "demand":
            # It was seen awake but never said so, and now is silent.
            host = replace(host, captured=True)
            effects.extend(ev.Announce(a) for a in host.known_addresses())
    asks = now >= wake.next_probe
    if wake.next_volley is not None and now >= wake.next_volley:
        effects.append(ev.Volley(wake.volleys))
        wake = wake.fire(now, policy)
    if asks:
        effects.extend(ev.Probe(a, False) for a in host.known_addresses())
        wake = wake.asked(now, policy)
    return replace(host, wake=wake)


def _give_up(host: Host, wake: Wake, now: float, policy: Policy, effects: list[Effect]) -> Host:
    if wake.quiet:
        return enter(host, State.PROXIED, now, wake=None)
    coming_back.end_wake(host, now, effects, None)
    seconds = f"{now - wake.started:.0f} s"
    effects.append(ev.Log("alert", f"did not wake in {seconds} ({wake.wanted.reason}): look at the machine"))
    if host.held:
        effects.append(ev.Released(len(host.held)))
    host = enter(host, State.UNREACHABLE, now, wake=None, held=())
    return _expire(host, now, effects) if host.sleep is not None and now >= host.sleep.lease_ends else host


def _expire(host: Host, now: float, effects: list[Effect]) -> Host:
    """Its addresses may be somebody else's by now: no longer stand in."""
    effects += (ev.Log("expired", "its sleep lease has ended"), ev.Forgotten())
    return enter(host, State.EXPIRED, now, sleep=None, captured=False, held=())


_HANDLERS: dict[type, Callable[[Host, Any, float, Policy, list[Effect]], Host]] = {
    ev.Tick: _tick,
    ev.Look: _look,
    ev.Asleep: _asleep,
    ev.Recalled: _recalled,
    ev.Hello: _hello,
    ev.Order: _order,
    ev.Postponed: _postponed,
    ev.Turn: _turn,
    ev.PortOpen: coming_back.port_open,
    ev.OwnerSeen: _owner_seen,
    ev.Asked: _asked,
    ev.SelfAsked: _self_asked,
    ev.Pinged: _pinged,
    ev.Claimed: _claimed,
    ev.Knock: _knock,
}
