# SPDX-License-Identifier: GPL-3.0-or-later
"""A round over all that are stood in for: is the owner there after all? At most so many questions a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from powernap.wake.clock import clock
from powernap.wake.host import STANDING_BY
from powernap.wake.model import Address
from powernap.wake.registry import Registry, RegistryError
from powernap.wake.rollcall import questions

_log = logging.getLogger(__name__)
_PER_SECOND = 200
_PAGE = 20


class Looks:
    """`probe(address)`: ask its owner, alone. `seconds`: the least length of a round."""

    def __init__(self, registry: Registry, probe: Callable[[Address], None], seconds: float) -> None:
        self._registry = registry
        self._probe = probe
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        began = clock()
        while True:
            await asyncio.sleep(max(1.0, began + self._seconds - clock()))
            began = clock()
            try:
                await self._round()
            except RegistryError as error:
                _log.warning("%s", error)

    async def _round(self) -> None:
        after = 0
        while page := self._registry.watched(after, _PAGE):
            after = page[-1].number
            # Its answers while arming may have been lost, and one that is up need not send what we hear.
            asked = [
                a for rest in page if rest.captured and rest.state in STANDING_BY for a in questions(rest.addresses)
            ]
            for address in asked:
                self._probe(address)
            await asyncio.sleep(len(page) / _PER_SECOND)
