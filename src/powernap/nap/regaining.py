# SPDX-License-Identifier: GPL-3.0-or-later
"""After a start and after each resume: whether this machine has the use of its IPv6 addresses.

Who stands in for a sleeping machine, or another machine by mistake, may answer just when the kernel asks whether an
address is free. Then the kernel never asks again, and the machine stays without that address. systemd-networkd (252)
leaves it so; NetworkManager (1.42) begins its connection anew, but only if that happens while it brings it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from powernap.config import NapConfig
from powernap.machine import dad
from powernap.machine.dad import Held, NotAdded
from powernap.machine.nics import Interface
from powernap.nap.background import beside
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
FILE = "addresses.json"
#: Between the resume and the first look, and from look to look, in seconds: some links take half a minute.
PAUSES = (4.0, 26.0)
#: Before an address is added anew: who stood in for this machine knows by then that it is back.
SETTLE_SECONDS = 2.0
#: How long the kernel may take to find out anew (RFC 4862: a random delay of 1 s at most, and RetransTimer of 1 s).
VERDICT_SECONDS = 4.0


class Regaining:
    """Only what this machine had before is added anew, once after each resume, and not again until it was in use."""

    def __init__(self, state_dir: Path, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._file = state_dir / FILE
        self._spawn = spawn
        self._turn = 0
        self._had = self._kept()
        self._told: dict[Held, str] = {}
        self._lost: set[Held] = set()
        self.pauses, self.settle_seconds, self.verdict_seconds = PAUSES, SETTLE_SECONDS, VERDICT_SECONDS

    def had(self, interfaces: Iterable[Interface]) -> None:
        """Before a sleep: these have these addresses, in use."""
        self._keep(frozenset(Held(each.name, address) for each in interfaces for address in each.addresses))

    def begin(self, cause: str, config: NapConfig, acts: bool) -> None:
        """This machine is awake; ``cause``: as the wake server is told. ``acts``: False to tell people only."""
        if cause not in ("boot", "resume"):
            return
        self._turn += 1
        self._told, self._lost = {}, set()
        self._spawn(self._look(self._turn, self._had, config, acts))

    def notes(self) -> tuple[str, ...]:
        """Return what people should know, one sentence for each address that is without use now."""
        if not self._told:
            return ()
        there = dad.flags()
        lost = {held for held in self._lost if held not in there}
        return tuple(said for held, said in self._told.items() if held in lost | _failed(there))

    async def _look(self, turn: int, before: frozenset[Held], config: NapConfig, acts: bool) -> None:
        tried: set[Held] = set()
        for pause in self.pauses:
            await asyncio.sleep(pause)
            if turn != self._turn:
                return
            failed = _failed(dad.flags()) - set(self._told)
            if not failed:
                continue
            again = (failed & before) - tried if acts else frozenset()
            if again:
                tried |= again
                await self._add_anew(turn, again)
            for held in await beside(partial(_ours, failed - again, before, config)):
                self._tell(held, "")

    async def _add_anew(self, turn: int, again: frozenset[Held]) -> None:
        for held in sorted(again):
            _log.warning(
                "%s: duplicate-address detection of %s failed, so it has no use: it is deleted and added anew, once",
                held.interface,
                held.address,
            )
        await asyncio.sleep(self.settle_seconds)
        if turn != self._turn:
            return
        self._keep(self._had - again)  # not again before it was in use, whatever becomes of powernapd
        added = [held for held in sorted(again) if await self._is_added(held)]
        await asyncio.sleep(self.verdict_seconds if added else 0.0)
        there = dad.flags()
        for held in added:
            if held in _failed(there):
                self._tell(held, " again after it was added anew")
            elif held in there and not there[held] & dad.IFA_F_TENTATIVE:
                _log.info("%s: %s is in use again", held.interface, held.address)
                self._keep(self._had | {held})

    async def _is_added(self, held: Held) -> bool:
        try:
            await beside(lambda: dad.add_anew(held))
        except NotAdded as error:
            there = dad.flags()
            if held not in there:
                self._lost.add(held)
            if held not in there or held in _failed(there):
                self._tell(held, f" and {error}")
            return False
        return True

    def _tell(self, held: Held, how: str) -> None:
        interface, address = held
        self._told[held] = (
            f"{interface} has lost the use of {address}, as duplicate-address detection failed{how}: make sure that no "
            f"other machine has this address, then run 'ip address del {address} dev {interface}' and 'ip address add "
            f"{address} dev {interface}'"
        )
        _log.warning("%s", self._told[held])

    # --- what was before

    def _kept(self) -> frozenset[Held]:
        try:
            return frozenset(Held(str(name), str(address)) for name, address in json.loads(self._file.read_text()))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError) as error:
            _log.warning("%s cannot be read (%s): what it held is not known", self._file, error)
            return frozenset()

    def _keep(self, had: frozenset[Held]) -> None:
        if had == self._had:
            return
        self._had = had
        new = self._file.with_suffix(".new")
        try:
            new.write_text(json.dumps(sorted(had)))
            new.replace(self._file)
        except OSError as error:
            _log.warning("%s cannot be written (%s)", self._file, error.strerror)


def _failed(there: Mapping[Held, int]) -> frozenset[Held]:
    return frozenset(held for held, flag in there.items() if flag & dad.IFA_F_DADFAILED)


def _ours(failed: frozenset[Held], before: frozenset[Held], config: NapConfig) -> list[Held]:
    """Return those of interfaces by which this machine is reached; others' are no business of ours. Blocks."""
    from powernap.machine import nics

    names = {held.interface for held in before}
    if any(held.interface not in names for held in failed):
        with contextlib.suppress(PowernapError):
            names |= {each.name for each in nics.find(config.nap.interfaces, config.server.where)}
    return sorted(held for held in failed if held.interface in names)
