# SPDX-License-Identifier: GPL-3.0-or-later
"""What `powernap history` shows to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Stamp = Callable[[float], str]
WORDS = {"observing": "observing, where it would have napped"}


def text(content: Mapping[str, Any], stamp: Stamp) -> str:
    """Return the naps as a table, and the totals below. ``stamp`` makes a text of a wall-clock time."""
    totals = content["totals"]
    rows = [("BEGAN", "FOR", "ASLEEP", "ACTION", "CAUSE", "ENDED BY")]
    rows += [
        (
            stamp(nap["began"]),
            duration(nap["seconds"]),
            duration(nap["asleep_seconds"]),
            ", ".join(nap["actions"]),
            nap["cause"],
            nap["woken_by"] if nap["ended"] is not None else "it lasts",
        )
        for nap in content["naps"]
    ]
    lines = table(rows) if content["naps"] else ["no nap in this time"]
    lines += ["", f"{totals['naps']} naps, asleep for {duration(totals['asleep_seconds'])}"]
    lines[-1] += f", in powersave for {duration(totals['powersave_seconds'])}"
    lines += [f"{WORDS.get(name, name)}: {duration(seconds)}" for name, seconds in sorted(totals["seconds"].items())]
    lines += [f"{count} x ended by {cause}" for cause, count in sorted(totals["wakes"].items(), key=_most_first)]
    if totals["estimated_kwh_saved"] is None:
        lines.append("energy: not estimated, as energy.watts_awake is not set")
    else:
        money = totals["estimated_money_saved"]
        price = "" if money is None else f", {money:.2f} {totals['currency']}".rstrip()
        lines.append(f"energy saved (estimated from [energy]): {totals['estimated_kwh_saved']:.2f} kWh{price}")
    lines += [
        f"{stamp(order['t'])} order {order['verb']} of {order['by']}, "
        f"{'done' if order['ok'] else 'refused'}: {order['said']}"
        for order in content["orders"]
    ]
    if content["error"]:
        lines.append(f"incomplete: {content['error']}")
    return "\n".join(lines)


def _most_first(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def duration(seconds: float) -> str:
    """Return a time such as 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
