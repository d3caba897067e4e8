# SPDX-License-Identifier: GPL-3.0-or-later
"""Warning people by wall."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from powernap.nap.warnings import wall as module
from powernap.nap.warnings.wall import Wall
from powernap.shared.errors import PowernapError


def program(folder: Path, script: str) -> str:
    path = folder / "wall"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_text_reaches_wall(tmp_path):
    wall = Wall("wall", {}, program(tmp_path, f"cat > {tmp_path}/heard"))
    asyncio.run(wall.tell(wall.warning("web1", 59.7, "suspend", "idle for 240 s")))
    assert (tmp_path / "heard").read_text() == (
        "web1: suspend in 60 seconds, as it was idle for 240 s. Press a key to keep it awake.\n"
    )


def test_the_message_is_the_sites_own():
    wall = Wall("wall", {"message": "{host} schläft in {seconds} s", "cancelled": "{host} bleibt wach"})
    assert wall.warning("web1", 60, "suspend", "idle") == "web1 schläft in 60 s"
    assert wall.cancellation("web1", "a key") == "web1 bleibt wach"


@pytest.mark.parametrize("message", ["{hots}", "{0}", "{}", "{host.__class__}"])
def test_a_field_that_does_not_exist_is_told(message):
    with pytest.raises(PowernapError, match=r"message: there is no .*: use \{host\}, \{seconds\}"):
        Wall("wall", {"message": message})


def test_a_lonely_brace_is_told():
    with pytest.raises(PowernapError, match="for braces that are meant as such"):
        Wall("wall", {"message": "in { seconds"})


def test_a_hanging_wall_is_ended_and_the_event_loop_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT_SECONDS", 0.5)
    wall = Wall("wall", {}, program(tmp_path, "exec sleep 30"))

    async def run():
        ticks = 0
        telling = asyncio.ensure_future(wall.tell("x"))
        begun = time.monotonic()
        while not telling.done():
            await asyncio.sleep(0.05)
            ticks += 1
        assert time.monotonic() - begun < 5
        assert ticks >= 5
        with pytest.raises(PowernapError, match="took longer"):
            telling.result()

    asyncio.run(run())


def test_a_missing_wall_is_told(tmp_path):
    with pytest.raises(PowernapError, match="is missing"):
        asyncio.run(Wall("wall", {}, str(tmp_path / "nowhere")).tell("x"))


def test_a_failing_wall_is_told(tmp_path):
    with pytest.raises(PowernapError, match="failed"):
        asyncio.run(Wall("wall", {}, program(tmp_path, "exit 3")).tell("x"))
