# SPDX-License-Identifier: GPL-3.0-or-later
"""What powernapd answers on its control socket: one function for each command, and one line in QUESTIONS or ORDERS."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from powernap.nap import holding, jsonlines, report, report_text
from powernap.nap.state import next_step
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    from powernap.nap.daemon import Daemon

Request = Mapping[str, Any]
Reply = dict[str, Any]

INHIBITORS_SECONDS = 5.0
#: Longer is a timer's business.
MOST_DELAY_SECONDS = 300.0


async def _status(daemon: Daemon, _request: Request) -> Reply:
    return {**report.status(await _situation(daemon)), **_beside(daemon)}


async def _why(daemon: Daemon, _request: Request) -> Reply:
    said = {**report.why(await _situation(daemon)), **_beside(daemon)}
    return {**said, "text": report_text.why(said), "decision": daemon.decisions.last()}


def _beside(daemon: Daemon) -> Reply:
    """The profiles in use, and what on this machine stands in the way of sleeping and waking."""
    return {"profile": daemon.profile, "conflicts": list(daemon.guard.conflicts)}


async def _situation(daemon: Daemon) -> report.Situation:
    """Look, and ask who forbids the next sleep, too, which a look leaves out as long as none is near."""
    await daemon.look()
    situation = daemon.situation()
    following = next_step(situation.state, situation.policy)
    if situation.policy.never or following is None or not following.sleeps:
        return situation
    try:
        found = await asyncio.wait_for(daemon.guard.inhibited(following.action), INHIBITORS_SECONDS)
    except asyncio.TimeoutError:
        found = (f"who forbids a sleep was not found out within {INHIBITORS_SECONDS:g} s",)
    return replace(situation, held=tuple(dict.fromkeys((*situation.held, *found))))


async def _decisions(daemon: Daemon, _request: Request) -> Reply:
    return {"ok": True, "decisions": daemon.decisions.all()}


async def _now(daemon: Daemon, request: Request) -> Reply:
    """{"delay_seconds": a short while in which whoever ordered it can take its leave, "dry_run"}."""
    delay = request.get("delay_seconds", 0)
    if not isinstance(delay, (int, float)) or isinstance(delay, bool) or not 0 <= delay <= MOST_DELAY_SECONDS:
        raise PowernapError(f"delay_seconds: {delay!r} is not within 0 and {MOST_DELAY_SECONDS:g}")
    if request.get("dry_run"):
        said = await daemon.may_nap()
    else:
        said = await (daemon.nap_later(delay) if delay else daemon.nap_now())
    return {"ok": True, "action": said.sentence} if said.ok else {"ok": False, "error": said.sentence}


async def _recover(daemon: Daemon, _request: Request) -> Reply:
    daemon.recover()
    return {"ok": True, "state": daemon.state.phase.value}


async def _reload(daemon: Daemon, _request: Request) -> Reply:
    try:
        await daemon.reload()
    except PowernapError as error:
        from powernap.nap import setup  # which the commands, who import this module, need not load

        daemon.refused = setup.refusal(error)
        raise
    return {"ok": True}


async def _record(daemon: Daemon, request: Request) -> Reply:
    if not isinstance(request.get("on"), bool):
        raise PowernapError('record: say {"command": "record", "on": true} or false')
    recorder = daemon.record(request["on"])
    return {"ok": True, "recording": "" if recorder is None else str(recorder.path)}


async def _watch(daemon: Daemon, _request: Request) -> AsyncIterator[Reply]:
    yield {"ok": True, "decision": daemon.decisions.last()}
    async for record in daemon.decisions.watch():
        yield record


async def _history(daemon: Daemon, request: Request) -> AsyncIterator[Reply]:
    """The lines of the file since a wall-clock time, and the one before it; then {"end": true}."""
    since = request.get("since", 0)
    if not isinstance(since, (int, float)) or not math.isfinite(since):
        raise PowernapError("history: since is a time in seconds since 1970")
    yield {"ok": True, "energy": asdict(daemon.config.energy), "error": daemon.history.error}
    before: Reply | None = None
    try:
        for number, line in enumerate(jsonlines.read(daemon.history.path)):
            if number % 100 == 0:
                await asyncio.sleep(0)
            if isinstance(line.get("t"), (int, float)) and line["t"] >= since:
                if before is not None:
                    yield before
                before = line
            elif "state" in line and (before is None or before.get("t", 0) < since):
                before = line  # remarks of before are of no use
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise PowernapError(f"{daemon.history.path} cannot be read: {error.strerror}") from error
    if before is not None:
        yield before
    yield {"end": True}


Answer = Callable[["Daemon", Request], Awaitable[Reply]]
#: What everybody may ask, and what only root may order.
QUESTIONS: dict[str, Answer] = {
    "status": _status,
    "why": _why,
    "decisions": _decisions,
    "inhibit": holding.inhibit,
    "release": holding.release,
    "leases": holding.leases,
}
ORDERS: dict[str, Answer] = {"now": _now, "recover": _recover, "reload": _reload, "record": _record}

Streamer = Callable[["Daemon", Request], AsyncIterator[Reply]]
#: What everybody may read on, line by line; the first line has "ok".
STREAMS: dict[str, Streamer] = {"watch": _watch, "history": _history}


async def answer(daemon: Daemon, request: Request) -> Reply:
    """Answer a request whose command control.py has found to be known and allowed. May raise PowernapError."""
    command = request["command"]
    return await (QUESTIONS.get(command) or ORDERS[command])(daemon, request)


def stream(daemon: Daemon, request: Request) -> AsyncIterator[Reply]:
    """Return the lines of a stream whose command control.py has found to be known. They may raise PowernapError."""
    return STREAMS[request["command"]](daemon, request)
