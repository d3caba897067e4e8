# SPDX-License-Identifier: GPL-3.0-or-later
"""What `powernap simulate` shows to people."""

from __future__ import annotations

from collections.abc import Callable

from powernap.nap.history_text import duration, table
from powernap.simulate.outcome import Outcome


def text(outcome: Outcome, stamp: Callable[[float], str]) -> str:
    """Return the naps as a table, and below it what they amount to. ``stamp`` makes a text of a time of the day."""
    rows = [("AT", "ACTION", "ASLEEP", "LATE", "CAUSE", "WOKEN BY")]
    rows += [
        (
            stamp(nap.at),
            nap.action,
            duration(nap.asleep_seconds) if nap.asleep_seconds else "",
            duration(nap.late_seconds),
            nap.cause,
            nap.woken_by,
        )
        for nap in outcome.naps
    ]
    lines = table(rows) if outcome.naps else ["no nap"]
    lines += [
        "",
        f"asleep for {duration(outcome.asleep_seconds)} of {duration(outcome.duration)}, "
        f"in powersave for {duration(outcome.powersave_seconds)}",
        f"an oracle would have slept for {duration(outcome.oracle_seconds)}"
        + (f": {100 * outcome.share:.1f} % of it reached" if outcome.oracle_seconds else "")
        + f"; the policy allows {duration(outcome.allowed_seconds)}",
        f"{outcome.wakes} wakes, for which people waited {outcome.waited_seconds:.0f} s in all",
    ]
    lines += [f"WRONG at {stamp(wrong.at)}: asleep while {wrong.monitor} was active" for wrong in outcome.wrong]
    lines.append(f"asleep while work was on: {len(outcome.wrong)} times")
    if outcome.unwatched:
        lines.append(f"not watched by this policy: {', '.join(outcome.unwatched)}")
    return "\n".join(lines)
