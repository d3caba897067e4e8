# SPDX-License-Identifier: GPL-3.0-or-later
"""machine/outside.py on a host where systemd is the first process."""

from __future__ import annotations

import json
import re

import pytest

RUN = """
import asyncio, json, sys
sys.path.insert(0, "/run/outside")
from powernap.machine import outside
given = json.load(sys.stdin)
async def main():
    assert outside.systemd_runs()
    try:
        done = await outside.run(given.pop("argv"), **given)
        return {"status": done.status, "output": done.output}
    except outside.ProgramError as error:
        return {"error": str(error)}
print(json.dumps(asyncio.run(main())))
"""


@pytest.fixture(scope="module")
def outside(running_lab):
    """outside(argv, ...) on web1, from within the sandbox that powernapd has there."""
    running_lab.install_source("web1", "/run/outside")
    running_lab.run("web1", "cat >/run/outside/run.py", input=RUN)
    running_lab.run("web1", "printf '#!/bin/sh\\nid -un; echo $0\\n' >/home/site; chmod 755 /home/site")
    sandbox = "-pProtectHome=yes -pPrivateTmp=yes -pProtectSystem=strict -pNoNewPrivileges=yes"
    sandbox += " -pCapabilityBoundingSet=CAP_NET_ADMIN -pProtectKernelModules=yes -pSystemCallFilter=@system-service"

    def call(*argv, **more):
        given = json.dumps({"argv": argv, "seconds": 10, **more})
        command = f"systemd-run -q --pipe --wait --collect {sandbox} /usr/bin/python3 /run/outside/run.py"
        return json.loads(running_lab.run("web1", command, input=given, timeout=40).stdout)

    return call


def test_status_output_and_arguments_come_through_unchanged(outside):
    assert outside("sh", "-c", "echo good; echo bad >&2; exit 3") == {"status": 3, "output": "good\nbad\n"}
    words = ["$HOME", "$$", "${PATH}", "a b", "%n", "'"]
    assert outside("printf", "%s\\n", *words)["output"].splitlines() == words


def test_the_sandbox_does_not_reach_it(outside):
    assert outside("sh", "-c", "grep -E 'CapBnd|NoNewPrivs' /proc/self/status")["output"].split()[3] == "0"
    assert outside("sh", "-c", "echo here >/etc/was-written && cat /etc/was-written")["output"] == "here\n"
    assert outside("/home/site", user="nobody") == {"status": 0, "output": "nobody\n/home/site\n"}


def test_input_and_environment_reach_it(outside):
    said = outside("sh", "-c", "cat; echo $LUNCH", stdin="soup\n", environment={"LUNCH": "$bread"})
    assert said["output"] == "soup\n$bread\n"


def test_what_cannot_be_run_is_named(outside):
    assert "/nowhere/prog cannot be run" in outside("/nowhere/prog")["error"]
    assert "/etc/hostname cannot be run" in outside("/etc/hostname")["error"]


def test_out_of_time_everything_it_started_is_killed(outside, running_lab):
    said = outside("sh", "-c", "trap '' TERM; setsid sleep 4321 & sleep 4321", seconds=1)
    assert said == {"error": "sh took longer than 1 s and was killed"}
    assert running_lab.run("web1", "pgrep -f 'sleep 432[1]'", check=False).stdout == ""
    units = running_lab.run("web1", "systemctl list-units --all --plain --no-legend").stdout
    assert not re.search(r"powernap-\d", units)
