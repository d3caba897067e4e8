# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the daemons of a client log to."""

from __future__ import annotations

import logging
import sys

from powernap.machine import journal

_log = logging.getLogger("powernapd")


class _Formatter(logging.Formatter):
    """sd-daemon(3): systemd takes a line's priority from such a prefix."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{journal.PRIORITIES.get(record.levelno, 6)}>{super().format(record)}"


def log_to_journal(name: str, debug: bool = False) -> None:
    """``name``: as which the journal knows this program."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if journal.is_stderr():
        handler = journal.JournalHandler(name)
    elif not sys.stderr.isatty():
        handler.setFormatter(_Formatter("%(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.DEBUG if debug else logging.INFO)
    _log.propagate = False
