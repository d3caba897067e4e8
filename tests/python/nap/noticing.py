# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the warnings share: two notices, and how they are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from powernap.nap.warnings.base import Notice

WARNING = Notice("warning", "web1", 59.7, "suspend", "idle for 240 s", "14:05")
CANCELLED = Notice("cancelled", "web1", 0.0, "suspend", "tcp monitor ssh: data")


def program(folder: Path, script: str, name: str = "wall") -> str:
    """Write a shell script; return its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def tell(method, *notices: Notice) -> None:
    """By that way, those notices in turn; without any, the warning."""

    async def run():
        for notice in notices or (WARNING,):
            await method.tell(method.worded(notice))

    asyncio.run(run())
