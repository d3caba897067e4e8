# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of powernap_facts that only a host with a real systemd and services of its own has."""

from __future__ import annotations

import json

import pytest

READ = """
import json, subprocess, sys
sys.path.insert(0, "/run/facts")
from powernap.shared.machine import Machine
def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr
print(json.dumps(Machine(run).facts(["ports", "timers"])))
"""


@pytest.fixture(scope="module")
def read(running_lab):
    running_lab.install_source("web1", "/run/facts")
    running_lab.run("web1", "cat >/run/facts/read.py", input=READ)
    return lambda: json.loads(running_lab.run("web1", "python3 /run/facts/read.py", timeout=40).stdout)


def test_timers_by_either_clock_are_told_and_gone_when_they_are_stopped(read, running_lab):
    running_lab.run("web1", "systemd-run -q --unit=soon --on-active=900 true")
    running_lab.run("web1", "systemd-run -q --unit=hourly --on-calendar=hourly true")
    try:
        facts = read()
        timers = {each["name"]: each for each in facts["timers"]}
        assert 700 < timers["soon.timer"]["in_seconds"] <= 900
        assert 0 <= timers["hourly.timer"]["in_seconds"] <= 3600
        assert timers["hourly.timer"]["next"].endswith(":00:00Z")
        assert {timers[name]["kind"] for name in ("soon.timer", "hourly.timer")} == {"systemd"}
        assert [each["in_seconds"] for each in facts["timers"]] == sorted(
            each["in_seconds"] for each in facts["timers"]
        )
        assert facts["unreadable"] == []
    finally:
        running_lab.run("web1", "systemctl stop soon.timer hourly.timer")
    assert not {"soon.timer", "hourly.timer"} & {each["name"] for each in read()["timers"]}


def test_a_listener_is_told_with_its_process_and_its_unit(read, running_lab):
    serve = "python3 -m http.server 8123"
    running_lab.run("web1", f"systemd-run -q --unit=site {serve}")
    try:
        running_lab.run("web1", "until ss -Hltn 'sport = :8123' | grep -q .; do sleep 0.2; done", timeout=60)
        facts = read()
        (found,) = [each for each in facts["listeners"] if each["port"] == 8123]
        assert found["protocol"] == "tcp" and found["reachable"]
        assert found["units"] == ["site.service"]
        assert len(found["processes"]) == 1 and found["processes"][0].startswith("python3")
        assert 8123 in facts["tcp_ports"]
    finally:
        running_lab.run("web1", "systemctl stop site.service")
