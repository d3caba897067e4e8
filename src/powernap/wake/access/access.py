# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and audit log over one file, as the wake server has them."""

from __future__ import annotations

import logging
from pathlib import Path

from powernap.wake.access.store import AccessError, Store
from powernap.wake.access.tokens import Tokens

_log = logging.getLogger(__name__)


class Access:
    """`trouble`: why the file could not be read at the start; empty where it could."""

    def __init__(self, path: str | Path) -> None:
        self.store = Store(path)
        self.tokens = Tokens(self.store)
        self.trouble = ""

    def open(self) -> None:
        """After everybody has added his tables to the store."""
        try:
            self.tokens.load()
        except AccessError as error:
            self.trouble = str(error)
            _log.error("no token is good until this is mended: %s", error)

    async def close(self) -> None:
        await self.store.close()
