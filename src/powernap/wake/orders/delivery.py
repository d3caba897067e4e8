# SPDX-License-Identifier: GPL-3.0-or-later
"""One order carried out with one machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from powernap.shared.errors import PowernapError
from powernap.wake.host import Host
from powernap.wake.link.words import Done
from powernap.wake.model import State
from powernap.wake.orders.keeper import Keeper, NotNow
from powernap.wake.orders.marks import CanaryMarks
from powernap.wake.orders.order import Outcome, Result
from powernap.wake.orders.plan import Step, plan
from powernap.wake.orders.request import NAPS, Request
from powernap.wake.orders.waking import WakeOrders, not_awake
from powernap.wake.presence.presence import Presence
from powernap.wake.refusals import NotWoken
from powernap.wake.roster import Roster

_LINK_SECONDS = 60.0
_RELINK_SECONDS = 5.0
_CANARY_SECONDS = 300.0
_LOOK_SECONDS = 0.1
_DOWN = (State.PROXIED,)


class Link(Protocol):
    """How orders reach hosts: the hub."""

    async def order(
        self, name: str, verb: str, arguments: dict[str, Any], by: str, valid_seconds: float = 30.0
    ) -> Done:
        pass


class Delivery:
    """`needed(host)`: names of machines that must be awake before it. `note(name, event, detail)`: the engine's.

    `ended(verb, outcome)` is told of each order to one machine. `proved(host, seconds)`: of a canary that woke.
    """

    def __init__(
        self,
        link: Link,
        presence: Presence,
        roster: Roster,
        keeper: Keeper,
        wakes: WakeOrders,
        marks: CanaryMarks,
        needed: Callable[[Host], list[str]],
        note: Callable[[str, str, str], None],
    ) -> None:
        self._link, self._presence, self._roster = link, presence, roster
        self._keeper, self._wakes, self._marks = keeper, wakes, marks
        self._needed, self._note = needed, note
        self.ended: Callable[[str, str], None] = lambda verb, outcome: None
        self.proved: Callable[[Host, float], Awaitable[None]] = _nothing

    def foresee(self, name: str, request: Request, keeper: Keeper) -> Result:
        """What would be done; `keeper` is one on trial."""
        host = self._roster.peek(name)
        if host is None:
            return Result(Outcome.FAILED, f"no machine {name} is registered here", result={"problem": "not-found"})
        step, why = self._plan(host, request)
        state = {} if step is Step.SEND else {"state": self._presence.status(host).condition.value}
        if step is Step.NOT_DELIVERED:
            return Result(Outcome.NOT_DELIVERED, why, result=state)
        if request.verb == "wake":
            was = self._presumably(host)
            outcome = Outcome.WOULD if step is Step.WAKE else Outcome.DONE
            return Result(outcome, why or step.value, result={"was": was}, changed=was != "awake")
        if step is Step.NOTHING:
            return Result(Outcome.DONE, why)
        if request.verb in NAPS:
            try:
                keeper.let_go(name, host.number, host.group, request.verb == "canary")
            except NotNow as error:
                return Result(Outcome.REFUSED, str(error))
        return Result(Outcome.WOULD, step.value, result=state, changed=True)

    def _presumably(self, host: Host) -> str:
        """What it is in the words of a wake's answer, as far as can be told without asking it."""
        if host.state is not State.AWAKE:
            return not_awake(host.state)
        condition = self._presence.status(host).condition
        return "awake" if condition.is_up else condition.value

    async def carry_out(self, name: str, request: Request, by: str, result: Result) -> None:
        """Fills in the result. Never raises but when cancelled."""
        result.outcome, result.began = Outcome.RUNNING, time.time()
        started = time.monotonic()
        try:
            await self._carry_out(name, request, by, result)
        except NotNow as error:
            result.outcome, result.said = Outcome.REFUSED, str(error)
            result.result = {"again_seconds": error.again_seconds}
        except PowernapError as error:
            result.outcome, result.said = Outcome.FAILED, str(error)
            if isinstance(error, NotWoken):
                result.result["problem"] = "not-woken"
        finally:
            result.seconds = round(time.monotonic() - started, 3)
            self.ended(request.verb, result.outcome.value)

    async def _carry_out(self, name: str, request: Request, by: str, result: Result) -> None:
        host = self._roster.peek(name)
        if host is None:
            result.outcome, result.said = Outcome.FAILED, f"no machine {name} is registered here"
            result.result["problem"] = "not-found"
            return
        step, why = self._plan(host, request)
        if step is Step.NOT_DELIVERED and request.wake and self._wakes.find(name).sequence:
            # It is up, and its powernapd has spoken before: that may have just been restarted.
            await self._until(lambda: self._presence.linked(name), _RELINK_SECONDS)
            step, why = self._plan(host, request)
        if step is Step.NOT_DELIVERED:
            result.outcome, result.said = Outcome.NOT_DELIVERED, why
            result.result["state"] = self._presence.status(host).condition.value
            return
        if step is Step.NOTHING:
            result.outcome, result.said = Outcome.DONE, why
            if request.verb == "wake":
                result.result["was"] = "awake"
            return
        if step is not Step.SEND:
            await self._wake(host, request, by, result)
        if step is Step.WAKE_THEN_SEND and not self._presence.linked(name):
            result.outcome = Outcome.NOT_DELIVERED
            result.said = f"{result.said}, but its powernapd does not open its link"
            result.result["state"] = "awake"
        elif step is not Step.WAKE:
            if request.verb == "canary":
                await self._canary(host, request, by, result)
            else:
                await self._send(host, request.verb, request.arguments, request, by, result)

    def _plan(self, host: Host, request: Request) -> tuple[Step, str]:
        status = self._presence.status(host)
        return plan(request.verb, host.state, status.condition, self._presence.linked(host.name), request.wake)

    async def _wake(self, host: Host, request: Request, by: str, result: Result) -> None:
        seconds = request.timeout_seconds, request.queue_seconds
        for name in self._needed(host):
            try:
                await self._wakes.wake(name, f"{host.name}, which needs it", *seconds)
            except PowernapError as error:
                # Whoever wants the machine is better served by one that misses something than by none.
                result.result["needs"] = str(error)
        woken = await self._wakes.wake(host.name, by, *seconds)
        told = {"woken_seconds": woken["seconds"], "magic_packets": woken["magic_packets"], "was": woken["was"]}
        result.result |= told
        result.outcome, result.said = Outcome.DONE, "woken" if woken["changed"] else "was awake"
        result.changed = bool(woken["changed"])
        # Whoever has never said a word runs no powernapd, and is not waited for.
        if request.verb != "wake" and self._wakes.find(host.name).sequence:
            await self._until(lambda: self._presence.linked(host.name), _LINK_SECONDS)

    async def _send(
        self, host: Host, verb: str, arguments: Mapping[str, Any], request: Request, by: str, result: Result
    ) -> None:
        naps = verb in NAPS
        if naps:
            self._keeper.let_go(host.name, host.number, host.group, verb == "canary")
        ok = False
        try:
            valid = min(request.valid_seconds, request.timeout_seconds)
            done = await self._link.order(host.name, verb, dict(arguments), by, valid)
            ok = done.ok
        finally:
            if naps and not ok:
                self._keeper.give_back(host.name)
        result.outcome = Outcome.DONE if ok else Outcome.FAILED
        result.said = done.said
        result.result |= dict(done.result)
        # A powernapd that does not say so has done what it was told.
        result.changed = result.changed or (ok and done.result.get("changed") is not False)

    async def _canary(self, host: Host, request: Request, by: str, result: Result) -> None:
        """It naps, is stood in for, and is woken by magic packets alone; its own hello is the proof."""
        seconds = float(request.arguments.get("seconds", _CANARY_SECONDS))
        await self._send(host, "canary", {"seconds": seconds}, request, by, result)
        if result.outcome is not Outcome.DONE:
            return
        if result.result.get("sleeps") is False:  # it never does
            self._keeper.give_back(host.name)
            return
        name = host.name
        if not await self._until(lambda: self._state(name) in _DOWN, request.timeout_seconds):
            result.outcome = Outcome.FAILED
            result.said = f"it did not go to sleep within {request.timeout_seconds:.0f} s: nothing is proven"
            return
        began, heard = time.monotonic(), time.time()
        try:
            woken = await self._wakes.wake(name, f"canary, for {by}", request.timeout_seconds)
            if not await self._until(lambda: self._presence.heard_since(name, heard), _LINK_SECONDS):
                raise NotWoken("it was woken, but its powernapd said nothing afterwards")
        except NotWoken as error:
            result.outcome, result.said = Outcome.FAILED, f"canary failed: {error}"
            self._note(name, "alert", f"canary failed: {error}; its naps are refused until that is cleared")
            await self._marks.fail(name, time.time(), str(error))
            return
        result.result |= {"wake_seconds": round(time.monotonic() - began, 3), "magic_packets": woken["magic_packets"]}
        result.said = f"woke after {result.result['wake_seconds']:.1f} s, {woken['magic_packets']} magic packets"
        await self.proved(host, result.result["wake_seconds"])

    def _state(self, name: str) -> State | None:
        host = self._roster.peek(name)
        return None if host is None else host.state

    async def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True


async def _nothing(_host: Host, _seconds: float) -> None:
    """Nobody keeps what canaries prove."""
