# SPDX-License-Identifier: GPL-3.0-or-later
"""powersave on a disk that is full or fills up: a real small file system in a mount namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, json, pathlib, sys
from powernap.config.sections.powersave import PowersaveSettings
from powernap.nap.actions import ActionError, Means
from powernap.nap.actions.powersave import Powersave
folder, policies = pathlib.Path(sys.argv[1]), int(sys.argv[2])
root, state = folder / "root", folder / "state"
for number in range(policies):
    policy = root / f"sys/devices/system/cpu/cpufreq/policy{number}"
    policy.mkdir(parents=True)
    (policy / "scaling_governor").write_text("schedutil")
    (policy / "scaling_available_governors").write_text("schedutil powersave")
values = lambda: {file.read_text() for file in root.rglob("scaling_governor")}
means = Means(None, state, PowersaveSettings(), root=root)
said = {}
try:
    said["act"] = asyncio.run(Powersave(means).act())
except ActionError as error:
    said["refused"] = str(error)
said["turned"] = sorted(values())
(state / "ballast").unlink(missing_ok=True)
said["undo"] = asyncio.run(Powersave(means).undo())
said["back"] = sorted(values())
said["left"] = sorted(file.name for file in state.iterdir())
print(json.dumps(said))
"""


@pytest.fixture
def on_a_small_disk(tmp_path):
    """Run powersave there with so many knobs and so many bytes already taken of 8 KiB."""

    def run(knobs, taken):
        (tmp_path / "state").mkdir(exist_ok=True)
        (tmp_path / "program.py").write_text(PROGRAM)
        prepare = (
            f"mount -t tmpfs -o size=8k none {tmp_path}/state && head -c {taken} /dev/zero >{tmp_path}/state/ballast"
        )
        command = f"{prepare} && exec {sys.executable} {tmp_path}/program.py {tmp_path} {knobs}"
        nowhere = f"unix:path={tmp_path}/nobody"
        done = subprocess.run(
            ["unshare", "-m", "env", f"DBUS_SYSTEM_BUS_ADDRESS={nowhere}", "sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_on_a_full_disk_no_knob_is_touched(on_a_small_disk):
    said = on_a_small_disk(knobs=3, taken=8192)
    assert "No space left on device" in said["refused"]
    assert said["turned"] == ["schedutil"]
    assert (said["undo"], said["left"]) == ([], [])


def test_on_a_disk_that_fills_up_in_the_middle_of_the_plan_no_knob_is_touched(on_a_small_disk):
    said = on_a_small_disk(knobs=60, taken=4096)
    assert "No space left on device" in said["refused"]
    assert said["turned"] == ["schedutil"]
    assert (said["undo"], said["back"], said["left"]) == ([], ["schedutil"], [])


def test_on_a_disk_that_fills_up_after_the_plan_everything_comes_back(on_a_small_disk):
    """The plan of so many takes more than half of a block; what they showed afterwards finds no room."""
    said = on_a_small_disk(knobs=24, taken=4096)
    assert "refused" not in said
    assert "cannot be completed: No space left on device" in said["act"][0]
    assert said["turned"] == ["powersave"]
    assert (said["undo"], said["back"], said["left"]) == ([], ["schedutil"], [])
