# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the registry in the order given, off the event loop; those that wait meanwhile share one transaction."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from powernap.wake.registry.changes import Change
from powernap.wake.registry.errors import RegistryError
from powernap.wake.registry.file import Registry

_log = logging.getLogger(__name__)


class Journal:
    """`took(seconds)` is told of each transaction."""

    def __init__(self, registry: Registry, took: Callable[[float], None] = lambda seconds: None) -> None:
        self._registry = registry
        self._took = took
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._waiting: list[tuple[Change, asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    def submit(self, change: Change) -> asyncio.Future[Any]:
        """Done when it is on disk, with what the change returns or refuses. It may fail with RegistryError."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write())
        return done

    async def commit(self, change: Change) -> Any:
        """Returns when it is on disk. Raises RegistryError, and what the change raises."""
        return await self.submit(change)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            began = time.monotonic()
            try:
                results = await loop.run_in_executor(
                    self._thread, self._registry.apply, [change for change, _done in batch]
                )
            except Exception as error:  # noqa: BLE001  whoever waits has to hear of it, and others go on
                if not isinstance(error, RegistryError):
                    _log.exception("a change of the registry failed")
                for _change, done in batch:
                    if not done.done():
                        done.set_exception(RegistryError(str(error)))
                continue
            self._took(time.monotonic() - began)
            for (_change, done), result in zip(batch, results, strict=True):
                if done.done():
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)

    async def close(self) -> None:
        """Let what waits reach the disk."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        self._registry.close()
