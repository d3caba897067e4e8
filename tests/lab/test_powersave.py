# SPDX-License-Identifier: GPL-3.0-or-later
"""powersave's services on a host with a real systemd. The knobs are files of a folder: those of /sys are shared."""

from __future__ import annotations

import json

import pytest

RUN = """
import asyncio, json, os, pathlib, signal, sys
sys.path.insert(0, "/run/powersave")
from powernap.config.sections.powersave import PowersaveSettings
from powernap.nap.actions import Means
from powernap.nap.actions.powersave import Powersave
given = json.load(sys.stdin)
means = Means(None, pathlib.Path("/run/powersave/state"), PowersaveSettings(services=tuple(given["services"])),
              root=pathlib.Path("/run/powersave/root"))
problems = asyncio.run(getattr(Powersave(means), given["do"])())
print(json.dumps(problems), flush=True)
if given.get("killed"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
UNIT = "[Unit]\n{unit}\n[Service]\nExecStart=/bin/sleep 4322\n"


@pytest.fixture(scope="module")
def powersave(running_lab):
    """powersave("act", services) on web1, each time in a process of its own."""
    running_lab.install_source("web1", "/run/powersave")
    running_lab.run("web1", "cat >/run/powersave/run.py", input=RUN)
    running_lab.run("web1", "mkdir -p /run/powersave/root/proc/sys/kernel/random")
    running_lab.run("web1", "cp /proc/sys/kernel/random/boot_id /run/powersave/root/proc/sys/kernel/random/")
    for unit, text in (("idle-one", ""), ("idle-two", ""), ("wg-quick@lab", "Requires=idle-two.service")):
        running_lab.run("web1", f"cat >/run/systemd/system/{unit}.service", input=UNIT.format(unit=text))
    running_lab.run("web1", "systemctl daemon-reload")

    def call(do, services=(), **more):
        given = json.dumps({"do": do, "services": services, **more})
        done = running_lab.run("web1", "python3 /run/powersave/run.py", input=given, check=False, timeout=60)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    yield call
    running_lab.run("web1", "systemctl stop idle-one idle-two wg-quick@lab")


def state(lab, unit):
    return lab.run("web1", f"systemctl is-active {unit}", check=False).stdout.strip()


def test_a_service_is_stopped_and_started_again(powersave, running_lab):
    running_lab.run("web1", "systemctl start idle-one; systemctl stop idle-two")
    assert powersave("act", ["idle-one", "idle-two.service"]) == []
    assert state(running_lab, "idle-one") == "inactive"
    assert powersave("undo") == []
    assert state(running_lab, "idle-one") == "active"
    assert state(running_lab, "idle-two") == "inactive", "it was not we who stopped it"


def test_after_a_kill_and_a_restart_of_systemd_it_is_started_again(powersave, running_lab):
    running_lab.run("web1", "systemctl start idle-one")
    assert powersave("act", ["idle-one"], killed=True) == []
    running_lab.run("web1", "systemctl daemon-reexec", timeout=60)
    assert powersave("undo") == []
    assert state(running_lab, "idle-one") == "active"
    running_lab.run("web1", "systemctl stop idle-one")
    assert powersave("undo") == []
    assert state(running_lab, "idle-one") == "inactive", "once is enough"


def test_a_sleep_in_between_changes_nothing_of_it(powersave, running_lab):
    running_lab.run("web1", "systemctl start idle-one")
    assert powersave("act", ["idle-one"]) == []
    running_lab.sleep("web1")
    running_lab.magic("web1")
    running_lab.wait_state("web1", "awake", 60)
    assert powersave("undo") == []
    assert state(running_lab, "idle-one") == "active"


def test_what_the_network_hangs_on_is_refused(powersave, running_lab):
    running_lab.run("web1", "systemctl start wg-quick@lab")
    assert powersave("act", ["idle-two"]) == [
        "idle-two.service is not stopped, as wg-quick@lab.service would go down with it"
    ]
    (problem,) = powersave("act", ["systemd-journald"])
    assert problem == "systemd-journald.service is never stopped, as the machine is reached or kept running by it"
    assert state(running_lab, "wg-quick@lab") == "active"
    assert powersave("undo") == []


def test_a_service_that_cannot_start_any_more_is_told_and_the_others_are_started(powersave, running_lab):
    running_lab.run("web1", "systemctl stop wg-quick@lab; systemctl start idle-one idle-two")
    assert powersave("act", ["idle-one", "idle-two"]) == []
    running_lab.run("web1", "mkdir -p /run/systemd/system/idle-two.service.d")
    running_lab.run(
        "web1",
        "cat >/run/systemd/system/idle-two.service.d/x.conf",
        input="[Service]\nType=oneshot\nExecStartPre=false\n",
    )
    running_lab.run("web1", "systemctl daemon-reload")
    (problem,) = powersave("undo")
    assert problem.startswith("idle-two.service is not started again: systemd says 'failed'")
    assert state(running_lab, "idle-one") == "active"
    running_lab.run("web1", "rm -r /run/systemd/system/idle-two.service.d; systemctl daemon-reload")
    assert powersave("undo") == [], "it was tried again"
    assert state(running_lab, "idle-two") == "active"


def test_a_bus_that_restarts_meanwhile_leaves_no_service_down(powersave, running_lab):
    """idle-two takes a second to start, and the bus is lost in it."""
    running_lab.run("web1", "systemctl start idle-one idle-two")
    assert powersave("act", ["idle-one", "idle-two"]) == []
    slow = "/run/systemd/system/idle-two.service.d"
    running_lab.run("web1", f"mkdir -p {slow}; cat >{slow}/x.conf", input="[Service]\nExecStartPre=/bin/sleep 1\n")
    running_lab.run("web1", "systemctl daemon-reload; systemd-run -q sh -c 'sleep 0.7; systemctl restart dbus'")
    try:
        assert powersave("undo") == []
        assert state(running_lab, "idle-one") == "active"
        assert state(running_lab, "idle-two") in ("active", "activating")
    finally:
        running_lab.run("web1", f"rm -r {slow}; systemctl daemon-reload")


def test_while_another_tuner_runs_its_knobs_are_left_alone(powersave, running_lab):
    """A unit of that name stands for TLP, which is not installed there."""
    policy = "/run/powersave/root/sys/devices/system/cpu/cpufreq/policy0"
    running_lab.run("web1", f"mkdir -p {policy}; echo schedutil >{policy}/scaling_governor")
    running_lab.run("web1", f"echo schedutil powersave >{policy}/scaling_available_governors")
    running_lab.run("web1", "cat >/run/systemd/system/tlp.service", input=UNIT.format(unit=""))
    running_lab.run("web1", "systemctl daemon-reload; systemctl start tlp")
    try:
        assert powersave("act") == []
        assert running_lab.run("web1", f"cat {policy}/scaling_governor").stdout == "schedutil\n"
    finally:
        running_lab.run("web1", "systemctl stop tlp; rm /run/systemd/system/tlp.service; systemctl daemon-reload")
    assert powersave("act") == []
    assert running_lab.run("web1", f"cat {policy}/scaling_governor").stdout == "powersave"
    assert powersave("undo") == []
    assert running_lab.run("web1", f"cat {policy}/scaling_governor").stdout == "schedutil"
