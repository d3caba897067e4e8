# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 at every single step of powersave and of its recovery; the next start completes the recovery."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("what", "at_least"), [("act", 20), ("undo", 8)])
def test_wherever_it_is_killed_the_next_start_leaves_everything_as_it_was(tmp_path, what, at_least):
    program = Path(__file__).with_name("killed_at_every_step.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "machine"), what],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [step for step in seen if not step["right"]] == []
    assert len(seen) > at_least, "so many steps there are"
    assert any(step["turned"] for step in seen)
    assert not all(step["turned"] for step in seen)
