# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts reach the site's program, however many and however slow it is."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from tests.python.wake.test_methods import program

from powernap.wake import alerts as module
from powernap.wake.alerts import Alerts


def told(program: tuple[str, ...], number: int, seconds: float = 20.0, patience: float = 60.0) -> Alerts:
    async def play() -> Alerts:
        alerts = Alerts(program, seconds)
        for each in range(number):
            alerts.tell({"host": f"web{each}", "event": "alert", "detail": "did not wake"})
        if alerts._tasks:
            await asyncio.wait(alerts._tasks, timeout=patience)
        alerts.close()
        return alerts

    return asyncio.run(play())


def test_the_program_reads_one_json_object_for_each_alert(tmp_path: Path) -> None:
    told((program(tmp_path / "alert", f"cat >>{tmp_path}/$$"),), 10)
    texts = [path.read_text() for path in tmp_path.iterdir() if path.name.isdigit()]
    assert sorted(json.loads(text)["host"] for text in texts) == sorted(f"web{each}" for each in range(10))
    assert json.loads(texts[0])["detail"] == "did not wake"


def test_without_a_program_nothing_is_run() -> None:
    assert not told((), 3)._waiting


def test_more_than_can_wait_are_counted_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 5)
    assert told(("/bin/true",), 20).dropped == 15


def test_a_program_that_fails_or_hangs_is_told_of_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        told((program(tmp_path / "fails", "cat >/dev/null; exit 2"),), 1)
        told((program(tmp_path / "hangs", "sleep 300"),), 1, seconds=1)
        told((str(tmp_path / "missing"),), 1)
    assert "ended with status 2" in caplog.text
    assert "took longer than 1 s" in caplog.text
    assert "cannot be run" in caplog.text
