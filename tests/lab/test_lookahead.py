# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs ahead and logind's word, on a host with a real systemd, from within the sandbox that powernap-hands has."""

from __future__ import annotations

import json
import pathlib
import re
import time

import pytest

UNIT = pathlib.Path(__file__).resolve().parents[2] / "roles/powernapd/templates/powernap-hands.service.j2"
LOOK = """
import asyncio, json, sys, time
from pathlib import Path
sys.path.insert(0, "/run/lookahead")
from powernap.machine.logind import Hooks, Logind
from powernap.nap.jobs import JobFiles, gather
nothing = lambda: None
async def main():
    logind = Logind(Hooks(nothing, nothing, nothing, nothing, nothing))
    await logind.start()
    jobs, problems = await gather(logind.bus, JobFiles(Path("/")), Path("/"))
    inhibitors = [str(each) for each in await logind.inhibitors() if each.mode == "block"]
    around, failure = await logind.surroundings(), [await logind.failure(name) for name in ("suspend", "hybrid-sleep")]
    logind.close()
    found = {job.name: [job.at - time.time(), job.every, job.wakes, job.pauses] for job in jobs}
    return {"jobs": found, "problems": problems, "held": inhibitors, "around": around, "failure": failure}
print(json.dumps(asyncio.run(main())))
"""


@pytest.fixture(scope="module")
def look(running_lab):
    running_lab.install_source("web1", "/run/lookahead")
    running_lab.run("web1", "cat >/run/lookahead/look.py", input=LOOK)
    capabilities = re.search(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(), re.MULTILINE)[1]
    sandbox = (
        f"-pProtectHome=read-only -pProtectSystem=strict -pNoNewPrivileges=yes '-pCapabilityBoundingSet={capabilities}'"
    )

    def call():
        command = f"systemd-run -q --pipe --wait --collect {sandbox} /usr/bin/python3 /run/lookahead/look.py"
        return json.loads(running_lab.run("web1", command, timeout=40).stdout)

    return call


def test_timers_by_either_clock_are_seen_and_gone_when_they_are_stopped(look, running_lab):
    running_lab.run("web1", "systemd-run -q --unit=soon --on-active=200 true")
    running_lab.run(
        "web1", "systemd-run -q --unit=later --on-calendar=hourly --timer-property=WakeSystem=yes true", check=False
    )
    try:
        jobs = look()["jobs"]
        assert 150 < jobs["soon.timer"][0] <= 200
        assert jobs["soon.timer"][2:] == [False, True]
        if "later.timer" in jobs:  # needs a clock that can wake a machine, which hosts of the lab need not have
            assert 0 < jobs["later.timer"][0] <= 3600
            assert jobs["later.timer"][2:] == [True, False]
    finally:
        running_lab.run("web1", "systemctl stop soon.timer later.timer", check=False)
    assert "soon.timer" not in look()["jobs"]


def test_crontabs_and_at_jobs_that_only_their_users_may_read_are_read(look, running_lab):
    due = time.gmtime(time.time() + 1800)
    minute = int(time.time() // 60) + 10
    running_lab.run(
        "web1",
        "mkdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs; "
        f"echo '{due.tm_min} {due.tm_hour} * * * /bin/nightly' >/var/spool/cron/crontabs/nobody; "
        "chmod 600 /var/spool/cron/crontabs/nobody; chown nobody /var/spool/cron/crontabs/nobody; "
        f"touch /var/spool/cron/atjobs/a00007{minute:08x}; "
        "chown daemon:daemon /var/spool/cron/atjobs; chmod 1770 /var/spool/cron/atjobs",
    )
    try:
        said = look()
        assert said["problems"] == []
        assert 500 < said["jobs"]["at 7"][0] <= 600
        assert 1700 < said["jobs"]["cron /var/spool/cron/crontabs/nobody: /bin/nightly"][0] <= 1800
    finally:
        running_lab.run("web1", "rm -r /var/spool/cron/crontabs /var/spool/cron/atjobs")


def test_logind_says_who_forbids_a_sleep_and_what_it_knows_of_the_machine(look, running_lab):
    running_lab.run(
        "web1", "systemd-run -q --unit=holder systemd-inhibit --what=sleep --who=Backup --why=copying sleep 60"
    )
    try:
        for _ in range(50):
            said = look()
            if said["held"]:
                break
        assert said["held"] == ["Backup forbids sleep: copying"]
        assert said["around"] == [False, False, False]
        assert said["failure"] == ["", ""]
    finally:
        running_lab.run("web1", "systemctl stop holder.service")
