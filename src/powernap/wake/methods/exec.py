# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's own program: a power strip, a hypervisor, a BMC that speaks nothing else."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Coroutine
from typing import Any

from powernap.machine import outside
from powernap.shared.mac import format_mac
from powernap.wake.methods.base import Means, Outcome, Target, WakeMethod

_AT_ONCE = 16


class Exec(WakeMethod):
    """Run as powerwaked itself is, once in a wake, with what it has to know in its environment."""

    once = True

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._places = asyncio.Semaphore(_AT_ONCE)

    @classmethod
    def is_usable(cls, means: Means) -> bool:
        return bool(means.program)

    def wake(self, target: Target) -> Coroutine[Any, Any, Outcome]:
        return self._run(target)

    async def _run(self, target: Target) -> Outcome:
        async with self._places:
            try:
                finished = await outside.run_child(
                    self.means.program, seconds=self.means.program_seconds, environment=_environment(target)
                )
            except outside.ProgramError as error:
                return Outcome(0, str(error))
        said = (finished.output.strip().splitlines() or [""])[-1][:200]
        return Outcome(0, finished.complaint() or said or "done")


def _environment(target: Target) -> dict[str, str]:
    return {
        "POWERNAP_HOST": target.name,
        "POWERNAP_MACS": " ".join(format_mac(mac) for mac, _segment in target.cards),
        "POWERNAP_ADDRESSES": " ".join(str(ipaddress.ip_address(address.ip)) for address in target.addresses),
        "POWERNAP_GROUP": target.group,
        "POWERNAP_REASON": target.reason,
        "POWERNAP_PASSWORD": target.password or "",
    }
