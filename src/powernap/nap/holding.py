# SPDX-License-Identifier: GPL-3.0-or-later
"""What powernapd answers about leases: everybody may take one, which is limited, and end their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from powernap.machine import clocks, hands
from powernap.nap.leases import Lease, LeaseError, Leases, owner_of

if TYPE_CHECKING:
    from powernap.nap.daemon import Daemon

Request = Mapping[str, Any]
Reply = dict[str, Any]


async def inhibit(daemon: Daemon, request: Request) -> Reply:
    """{"who", "reason", "seconds": null for the longest, "pid": 0 or the process to bind to, "uid": control's word}."""
    pid, uid = request.get("pid", 0), request.get("uid", 0)
    if isinstance(pid, int) and pid > 0:
        owner = await _owner(pid)  # also of root: powernap-hands is started without holding up the event loop
        if uid not in (0, owner):
            raise LeaseError(f"process {pid} is not yours: a lease is bound to a process of one's own")
    return _taken(daemon, request, ordered=False)


def inhibit_by_order(daemon: Daemon, who: str, reason: str, seconds: float) -> Reply:
    """The wake server wants it. Raises LeaseError."""
    return _taken(daemon, {"who": who, "reason": reason, "seconds": seconds}, ordered=True)


def _taken(daemon: Daemon, request: Request, ordered: bool) -> Reply:
    limit = daemon.guard.lease_limit
    seconds = request.get("seconds") or limit
    pid = request.get("pid", 0)
    uid = request.get("uid", 0)
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not math.isfinite(seconds):
        raise LeaseError("seconds is a number")
    if not isinstance(pid, int) or pid < 0:
        raise LeaseError("pid is a process number, or 0")
    who, reason = str(request.get("who", "")), str(request.get("reason", ""))
    lease = _leases(daemon).take(who, reason, seconds, limit, clocks.now(), uid, pid, ordered)
    daemon.look_soon()
    return {"ok": True, "lease": _shown(lease)}


async def release(daemon: Daemon, request: Request) -> Reply:
    """{"id"}."""
    lease = _leases(daemon).release(str(request.get("id", "")), request.get("uid", 0))
    daemon.look_soon()
    return {"ok": True, "lease": _shown(lease)}


def release_by_order(daemon: Daemon, identifier: str, reason: str) -> list[Reply]:
    """End what the wake server has ordered; what local people and programs hold is theirs."""
    ended = _leases(daemon).release_ordered(clocks.now(), identifier, reason)
    if ended:
        daemon.look_soon()
    return [_shown(lease) for lease in ended]


async def leases(daemon: Daemon, _request: Request) -> Reply:
    return {"ok": True, "leases": [_shown(lease) for lease in _leases(daemon).current(clocks.now())]}


def _leases(daemon: Daemon) -> Leases:
    if daemon.guard.leases is None:
        raise LeaseError("powernapd has not begun yet: try again")
    return daemon.guard.leases


def _shown(lease: Lease) -> Reply:
    return {
        "id": lease.id,
        "who": lease.who,
        "reason": lease.reason,
        "remaining_seconds": round(max(0.0, lease.until - clocks.now()), 3),
        "pid": lease.pid,
        "uid": lease.uid,
        "ordered": lease.ordered,
    }


async def _owner(pid: int) -> int:
    """Return whose process that is, or -1. Raises LeaseError."""
    if not hands.needed():
        return owner_of(pid)
    try:
        return int((await hands.asked("process", pid=pid))["owner"])  # others' are hidden from powernapd
    except hands.HandsError as error:
        raise LeaseError(str(error)) from None
