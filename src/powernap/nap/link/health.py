# SPDX-License-Identifier: GPL-3.0-or-later
"""How the link is, for those who ask: by what, since when, what was acknowledged last, and what is wrong."""

from __future__ import annotations

import logging
from typing import Any

_log = logging.getLogger("powernapd")


class Health:
    """``by``: the way in use, or ""; ``error``: what is wrong, or "". Times are of CLOCK_BOOTTIME."""

    def __init__(self, url: str) -> None:
        self.by = ""
        self.since: float | None = None
        self.acknowledged: bool | None = None
        self.acknowledged_at: float | None = None
        self.error = ""
        self.fingerprint = ""
        self.untimely = ""
        self.next_try: float | None = None
        self.url = url
        self._told_of = ""

    def linked(self, by: str, now: float, untimely: str = "") -> None:
        """``untimely``: what was passed over of the server's certificate, or ""."""
        if untimely and untimely != self.untimely:
            _log.warning("the wake server %s: %s; it is believed by its CA", self.url, untimely)
        self.untimely = untimely
        self.by, self.since, self.error, self._told_of = by, now, "", ""
        trusted = f", CA {self.fingerprint[:16]}" if self.fingerprint else ""
        _log.info("linked to the wake server %s by %s%s", self.url, by, trusted)

    def unlinked(self) -> None:
        self.by, self.since = "", None

    def answered(self, error: str, now: float) -> None:
        """The server has answered; ``error``: "" for an acknowledgement."""
        if error:
            self.failed(error)
        else:
            self.acknowledged, self.error, self.acknowledged_at = True, "", now

    def failed(self, error: str) -> None:
        """Note what is wrong, and tell it once."""
        self.acknowledged, self.error = False, error
        level = logging.DEBUG if error == self._told_of else logging.WARNING
        self._told_of = error
        _log.log(level, "the wake server %s: %s", self.url, error)

    def as_dict(self, now: float) -> dict[str, Any]:
        """Times are seconds ago, or from now."""
        return {
            "acknowledged": self.acknowledged,
            "error": self.error,
            "link": self.by,
            "linked_seconds": _ago(self.since, now),
            "acknowledged_seconds": _ago(self.acknowledged_at, now),
            "next_try_seconds": None if self.next_try is None else round(max(0.0, self.next_try - now), 3),
            "ca_fingerprint": self.fingerprint,
            "certificate": self.untimely,
        }


def _ago(at: float | None, now: float) -> float | None:
    return None if at is None else round(max(0.0, now - at), 3)
