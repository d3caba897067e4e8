# SPDX-License-Identifier: GPL-3.0-or-later
"""What the channel needs of the machine that it speaks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from powernap.nap.link.session import Order, Refused
from powernap.shared.errors import PowernapError


class LinkError(PowernapError):
    """The wake server did not acknowledge."""


class Host(Protocol):
    """``greeting`` and ``standing``: the bodies of "hello" and "state"."""

    async def greeting(self) -> dict[str, Any]:
        pass

    def standing(self) -> dict[str, Any]:
        pass

    def woken_for(self, knock: Mapping[str, Any]) -> None:
        pass

    def ordered(self, order: Order | Refused) -> None:
        pass

    def heard_of(self, order: str) -> None:
        pass

    def renamed(self, name: str) -> None:
        pass
