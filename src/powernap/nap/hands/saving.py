# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that leave something to be taken back."""

from __future__ import annotations

from typing import Any

from powernap.nap.hands.means import Means


async def act(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """``kind``, ``command``: of a step of the configuration, ``profile`` as ordered; ``network``: devices to spare."""
    async with means.turn:
        means.adopt_network(asked.get("network", {}))
        action = means.action(asked.get("kind"), asked.get("command", ""), asked.get("profile", ""), to_begin=True)
        try:
            problems = await action.act()
        finally:
            means.note_hold()
    return {"problems": problems, "notes": action.notes()}


async def settled(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Wait for what goes on beside."""
    action = means.action(asked.get("kind"), asked.get("command", ""), asked.get("profile", ""), to_begin=False)
    problems = await action.settled()
    means.note_hold()
    return {"problems": problems, "notes": action.notes()}


async def undo(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """By the journal, which is root's: nothing else can be put anywhere."""
    async with means.turn:
        means.adopt_network(asked.get("network", {}))
        action = means.action(asked.get("kind"), asked.get("command", ""), asked.get("profile", ""), to_begin=False)
        try:
            problems = await action.undo()
        finally:
            means.note_hold()
    return {"problems": problems, "notes": action.notes()}
