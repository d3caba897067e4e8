# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer of the leases outlives a registry that cannot be read for a while."""

from __future__ import annotations

import asyncio

import pytest

from powernap.wake import leases as leases_module
from powernap.wake.clock import clock
from powernap.wake.leases import Leases
from powernap.wake.registry import RegistryError


class FakeRegistry:
    """One deadline, which is soon; it cannot be read at first when that is due."""

    def __init__(self) -> None:
        self.deadline = clock() + 0.05
        self.failures = 2

    def due(self, after: float, number: int, before: float, most: int) -> list[tuple[float, int, str]]:
        if before < float("inf") and self.failures:
            self.failures -= 1
            raise RegistryError("cannot read")
        return [(self.deadline, 1, "web1")] if after < self.deadline <= before else []


def test_a_lease_is_dealt_with_once_the_registry_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "_AGAIN_SECONDS", 0.05)

    async def story() -> list[str]:
        ended: list[str] = []
        leases = Leases(FakeRegistry(), ended.append)  # type: ignore[arg-type]
        leases.open()
        for _turn in range(300):
            await asyncio.sleep(0.01)
            if ended:
                break
        await asyncio.sleep(0.1)
        leases.close()
        return ended

    assert asyncio.run(story()) == ["web1"]
