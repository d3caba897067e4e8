# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings that only root can give: on terminals and desktops of others, by programs of the site."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from powernap.nap import warnings
from powernap.nap.hands.means import Means, Refused
from powernap.nap.warnings.base import Notice

KINDS = ("wall", "desktop", "exec", "mail")
LONGEST_TEXT = 4000
SPARE_SECONDS = 30.0


async def warn(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """``warning``: its section; ``notice``: what is to be said, worded."""
    section = means.warning(asked.get("warning"), *KINDS)
    notice = _notice(asked.get("notice"))
    stamp = repr(section)
    method = means.methods.get((section.name, stamp))
    if method is None:
        method = means.methods[section.name, stamp] = warnings.KINDS[section.kind](section.name, section.values)
    await method.tell(notice)
    means.remember(notice.seconds + SPARE_SECONDS if notice.event == "warning" else 0.0)
    return {}


def _notice(given: object) -> Notice:
    """Raises Refused."""
    if not isinstance(given, dict) or given.get("event") not in ("warning", "cancelled"):
        raise Refused("notice: give its fields")
    values: dict[str, Any] = {}
    for each in fields(Notice):
        value = given.get(each.name, 0.0 if each.name == "seconds" else "")
        if each.name == "seconds":
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1e6:
                raise Refused("notice: seconds is no number")
        elif not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
            raise Refused(f"notice: {each.name} is no text")
        values[each.name] = value
    return Notice(**values)
