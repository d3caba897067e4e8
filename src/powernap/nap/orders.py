# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out what the wake server orders: one function for each verb, and one line in VERBS."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from powernap.nap import holding, override
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    from powernap.nap.daemon import Daemon

Arguments = Mapping[str, Any]
Result = tuple[str, dict[str, Any]]  #: a sentence, and what programs are told

CANARY_SECONDS = (60.0, 86400.0)
LONGEST = 300


class NotDone(PowernapError):
    """An order that is refused."""


async def _nap(daemon: Daemon, arguments: Arguments, _by: str) -> Result:
    _not_observing(daemon)
    action = arguments.get("action") or ""
    following = await daemon.following()
    if action and (following is None or following.action != action):
        there = "no step follows" if following is None else f"the step that follows is {following.action}"
        raise NotDone(f"action: {there}, not {str(action)[:40]}")
    answer = await daemon.nap_now()
    if not answer.ok:
        raise NotDone(answer.sentence)
    return answer.sentence, {"action": answer.sentence}


async def _canary(daemon: Daemon, arguments: Arguments, _by: str) -> Result:
    """A nap that ends by the machine's own clock at the latest, whatever becomes of the wake server."""
    _not_observing(daemon)
    least, most = CANARY_SECONDS
    seconds = _seconds(arguments, least, most)
    if not any(step.sleeps for step in daemon.policy.steps):
        return "no step here is a sleep, so there is nothing to be woken from", {"sleeps": False, "changed": False}
    if not daemon.guard.alarms.possible():
        raise NotDone("this machine has no clock that can wake it, should the wake server fail")
    following, taken = await daemon.following(), False
    try:
        while following is not None and not following.sleeps:
            await _now(daemon)  # such as a powersave, which comes before the sleep
            following, taken = await daemon.following(), True
        if following is None:
            raise NotDone("the conditions of no step that is a sleep hold now: try it when they do")
        if following.action == "poweroff":
            raise NotDone("the sleep that follows here is poweroff: a canary that is off does not come back by itself")
        daemon.bound_next_sleep(seconds)
        said = await _now(daemon)
    except BaseException:
        daemon.bound_next_sleep(None)
        if taken:
            daemon.recover("the canary did not come about")
        raise
    return f"{said}, for {seconds:g} s at most", {"action": said, "seconds": seconds}


async def _now(daemon: Daemon) -> str:
    """Take the step that follows, and return what it is called. Raises NotDone."""
    answer = await daemon.nap_now()
    if not answer.ok:
        raise NotDone(answer.sentence)
    return answer.sentence


async def _recover(daemon: Daemon, _arguments: Arguments, by: str) -> Result:
    before = daemon.state.phase
    daemon.recover(f"ordered to recover by {by}")
    now = daemon.state.phase
    return f"now {now.value}", {"state": now.value, "changed": now is not before}


async def _inhibit(daemon: Daemon, arguments: Arguments, by: str) -> Result:
    reason = arguments.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise NotDone("reason: say why this machine is to be held awake")
    seconds = _seconds(arguments, 1.0, daemon.guard.lease_limit)
    lease = holding.inhibit_by_order(daemon, by, reason, seconds)["lease"]
    return f"held awake by lease {lease['id']} for {lease['remaining_seconds']:.0f} s", {"lease": lease}


async def _release(daemon: Daemon, arguments: Arguments, _by: str) -> Result:
    """Ends what was ordered before its time; there is nothing wrong with there being nothing left."""
    reason, identifier = arguments.get("reason", ""), arguments.get("id", "")
    if not isinstance(reason, str) or not isinstance(identifier, str) or not (reason.strip() or identifier):
        raise NotDone("reason: say which inhibitor is to end, by its reason or by the number of its lease as id")
    ended = holding.release_by_order(daemon, identifier, reason)
    if not ended:
        return "nothing of that kind was ordered, or it has ended", {"leases": [], "changed": False}
    said = ", ".join(f"{each['id']} ({each['reason']})" for each in ended)
    return f"released lease{'s' if len(ended) > 1 else ''} {said}", {"leases": ended}


async def _profile(daemon: Daemon, arguments: Arguments, by: str) -> Result:
    """ "" goes back to what the configuration includes."""
    _not_observing(daemon)
    name = arguments.get("name")
    if not isinstance(name, str):
        raise NotDone('name: give a profile of this machine, or "" for those that its configuration includes')
    if name:
        override.check(name)
    changed = name != daemon.ordered_profile
    if changed:
        await daemon.use_profile(override.Override(name, by, time.time()) if name else None)
    said = f"profile {name} is in use" if name else "what the configuration includes is in use"
    return said, {"profile": name, "changed": changed}


async def _reload(daemon: Daemon, _arguments: Arguments, _by: str) -> Result:
    await daemon.reload()
    return "the configuration was read again", {}


VERBS: dict[str, Callable[[Daemon, Arguments, str], Awaitable[Result]]] = {
    "nap": _nap,
    "recover": _recover,
    "inhibit": _inhibit,
    "release": _release,
    "profile": _profile,
    "reload": _reload,
    "canary": _canary,
}


async def carry_out(daemon: Daemon, verb: str, arguments: Arguments, by: str) -> Result:
    """Raises PowernapError, whose sentence is the answer."""
    if verb not in VERBS:
        raise NotDone(f"{verb[:40]!r} is no order that this powernapd knows: it is one of {', '.join(VERBS)}")
    return await VERBS[verb](daemon, arguments, " ".join(by.split())[:LONGEST])


def _not_observing(daemon: Daemon) -> None:
    if daemon.policy.observe:
        raise NotDone('nap.mode is "observe" on this machine: it decides, but does nothing')


def _seconds(arguments: Arguments, least: float, most: float) -> float:
    seconds = arguments.get("seconds")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not math.isfinite(seconds):
        raise NotDone("seconds: give a number")
    if not least <= seconds <= most:
        raise NotDone(f"seconds: {seconds:g} is not within {least:g} and {most:g}")
    return float(seconds)
