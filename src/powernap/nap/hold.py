# SPDX-License-Identifier: GPL-3.0-or-later
"""What forbids a sleep, in one sentence, which may know its end."""

from __future__ import annotations

from collections.abc import Iterable


class Hold(str):
    """``until``: when it ends (CLOCK_BOOTTIME; in lookahead.py wall-clock time); None: that is not known."""

    until: float | None

    def __new__(cls, sentence: str, until: float | None = None) -> Hold:
        made = super().__new__(cls, sentence)
        made.until = until
        return made

    def by_clock(self, ahead: float) -> Hold:
        """Return the same by a clock that is so many seconds ahead of this one's."""
        return Hold(self, None if self.until is None else self.until + ahead)


def end_of(sentence: str) -> float | None:
    return getattr(sentence, "until", None)


def end_of_all(sentences: Iterable[str]) -> float | None:
    """Return when the last of them ends; None where that of one is not known, or there is none."""
    ends = [end_of(sentence) for sentence in sentences]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
