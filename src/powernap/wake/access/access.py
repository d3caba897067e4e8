# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and audit log over one file, as the wake server has them."""

from __future__ import annotations

import logging
from pathlib import Path

from powernap.wake.access.audit import Audit
from powernap.wake.access.guessing import Guessing
from powernap.wake.access.store import AccessError, Store
from powernap.wake.access.tokens import Tokens

_log = logging.getLogger(__name__)


class Access:
    """`trouble`: why the file could not be read at the start; empty where it could."""

    def __init__(self, path: str | Path, audit_days: float = 90.0) -> None:
        self.store = Store(path)
        self.tokens = Tokens(self.store)
        self.audit = Audit(self.store, audit_days)
        self.guessing = Guessing()
        self.trouble = ""

    def open(self) -> None:
        """After everybody has added his tables to the store."""
        try:
            self.tokens.load()
            self.audit.load()
        except AccessError as error:
            self.trouble = str(error)
            _log.error("no token is good until this is mended: %s", error)

    def complain(self, address: str, wait: float) -> None:
        """Once when a source begins, and once when it is slowed; not for each try."""
        slowed = f"; its tries are refused for {wait:.0f} s" if wait else ""
        _log.warning("%s asked with a token that is not good%s", address, slowed)

    async def close(self) -> None:
        await self.audit.flush()
        await self.store.close()
