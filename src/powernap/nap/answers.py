# SPDX-License-Identifier: GPL-3.0-or-later
"""What powernapd answers on its control socket: one function for each command, and one line in QUESTIONS or ORDERS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from powernap.nap import holding, report

if TYPE_CHECKING:
    from powernap.nap.daemon import Daemon

Request = Mapping[str, Any]
Reply = dict[str, Any]


async def _status(daemon: Daemon, _request: Request) -> Reply:
    await daemon.look()
    return report.status(daemon.situation())


async def _why(daemon: Daemon, _request: Request) -> Reply:
    await daemon.look()
    return {"ok": True, "text": report.why(daemon.situation()), "decision": daemon.decisions.last()}


async def _decisions(daemon: Daemon, _request: Request) -> Reply:
    return {"ok": True, "decisions": daemon.decisions.all()}


async def _now(daemon: Daemon, _request: Request) -> Reply:
    said = await daemon.nap_now()
    return {"ok": True, "action": said.sentence} if said.ok else {"ok": False, "error": said.sentence}


async def _recover(daemon: Daemon, _request: Request) -> Reply:
    daemon.recover()
    return {"ok": True, "state": daemon.state.phase.value}


async def _reload(daemon: Daemon, _request: Request) -> Reply:
    await daemon.reload()
    return {"ok": True}


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
ORDERS: dict[str, Answer] = {"now": _now, "recover": _recover, "reload": _reload}


async def answer(daemon: Daemon, request: Request) -> Reply:
    """Answer a request whose command control.py has found to be known and allowed. May raise PowernapError."""
    command = request["command"]
    return await (QUESTIONS.get(command) or ORDERS[command])(daemon, request)
