# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in a process of its own, which can be killed: `speaker.py FOLDER SETTINGS`, these as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.python.brokers.spoken import client

from powernap.config.sections import ServerSettings


async def speak(folder: Path, settings: ServerSettings) -> None:
    with client(folder, (folder / "key").read_text(), settings) as host:
        host.channel.announce("boot", 0.0)
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(speak(Path(sys.argv[1]), ServerSettings(**json.loads(sys.argv[2]))))
