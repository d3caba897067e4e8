# SPDX-License-Identifier: GPL-3.0-or-later
"""A way to the wake server that stays open, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Socket(Protocol):
    """``heard`` is called with each text, ``lost`` once with why it ended. ``send`` and ``close`` return at once."""

    heard: Callable[[str], None]
    lost: Callable[[str], None]

    def send(self, text: str) -> None:
        pass

    def close(self, why: str = ...) -> None:
        pass
