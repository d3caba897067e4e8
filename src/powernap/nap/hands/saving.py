# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that leave something to be taken back."""

from __future__ import annotations

from typing import Any

from powernap.nap.actions import Action
from powernap.nap.hands.means import Means


async def act(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """``kind``, ``command``: of a step of the configuration, ``profile`` as ordered; ``network``: devices to spare."""
    return await _in_turn(means, asked, to_begin=True)


async def settled(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Wait for what goes on beside."""
    action = _action(means, asked, to_begin=False)
    problems = await action.settled()
    means.note_hold()
    return {"problems": problems, "notes": action.notes()}


async def undo(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """By the journal, which is root's: nothing else can be put anywhere."""
    return await _in_turn(means, asked, to_begin=False)


async def _in_turn(means: Means, asked: dict[str, Any], to_begin: bool) -> dict[str, Any]:
    """Begin it or take it back, after whatever is under way."""
    async with means.turn:
        means.adopt_network(asked.get("network", {}))
        action = _action(means, asked, to_begin)
        try:
            problems = await (action.act() if to_begin else action.undo())
        finally:
            means.note_hold()
    return {"problems": problems, "notes": action.notes()}


def _action(means: Means, asked: dict[str, Any], to_begin: bool) -> Action:
    return means.action(asked.get("kind"), asked.get("command", ""), asked.get("profile", ""), to_begin)
