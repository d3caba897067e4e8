# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy, Step
from powernap.nap.report import Situation, decisions_text, status, table, why
from powernap.nap.state import Phase, begin

POLICY = Policy(steps=(Step(300, "suspend", 60),))
SSH = Reading("ssh", "tcp", 1040.0, detail="2 open on TCP port 22", source="sock_diag")
SERVER = {"url": "http://wake1:20709", "acknowledged": True, "error": ""}
PHYSICAL = {"kind": "none", "technology": "none", "source": "DMI", "reason": "a physical machine (DMI)"}


def situation(state=None, policy=POLICY, readings=(SSH,), held=(), server=SERVER, now=1100.0):
    state = state or replace(begin(1000.0), last_active=1040.0, now=now, cause="tcp monitor ssh: data")
    return Situation(state, policy, now, tuple(readings), held, server, PHYSICAL, "/etc/powernap/powernapd.toml", "1")


def test_why_gives_numbers_against_thresholds_and_the_earliest_nap():
    text = why(situation())
    assert "Idle for 60 s of 300 s before suspend (last activity: tcp monitor ssh: data)." in text
    assert "tcp ssh: idle for 60 s: 2 open on TCP port 22" in text
    assert "Earliest suspend: in 240 s." in text


def test_while_a_process_runs_no_nap_is_in_sight():
    running = Reading("backup", "process", 1100.0, active_now=True, detail="rsync runs", calls=True)
    made = situation(readings=(SSH, running))
    assert status(made)["deadline_seconds"] is None
    assert "process backup: active: rsync runs" in why(made)
    assert "Earliest nap: not as long as this lasts." in why(made)


def test_an_inhibitor_is_named():
    made = situation(held=("Backup forbids sleep: copying",))
    assert "Held: Backup forbids sleep: copying." in why(made)
    assert status(made)["held_by"] == ["Backup forbids sleep: copying"]
    assert status(made)["deadline_seconds"] is None


def test_a_failing_monitor_is_told():
    broken = Reading("x", "udp", error="no right")
    assert "udp x: failed, so it counts as active: no right" in why(situation(readings=(broken,)))
    assert status(situation(readings=(broken,)))["monitors"][0]["error"] == "no right"


def test_no_monitor_is_told_with_the_remedy():
    assert "add a [monitors.NAME] section" in why(situation(readings=()))


def test_what_never_naps_says_so_and_nothing_else():
    assert (
        why(situation(policy=replace(POLICY, never="this is a container"))) == "Awake for 100 s: this is a container."
    )


@pytest.mark.parametrize("phase", list(Phase))
def test_every_state_has_its_words(phase):
    state = replace(begin(1000.0), phase=phase, reason="", retry_at=1200.0, nap_at=1300.0)
    assert why(situation(state)).splitlines()[0].endswith(".")


def test_a_failed_nap_says_why_and_when_it_is_tried_again():
    state = replace(begin(1000.0), phase=Phase.BACKOFF, retry_at=1150.0, reason="the wake server is down")
    assert "after a nap that failed; next try in 50 s: the wake server is down." in why(situation(state))


def test_status_has_what_the_contract_names():
    answer = status(situation())
    assert answer["state"] == "awake" and answer["since_seconds"] == 100.0
    assert answer["action"] == "suspend" and answer["deadline_seconds"] == 240.0
    assert answer["monitors"] == [
        {
            "name": "ssh",
            "kind": "tcp",
            "active": False,
            "idle_seconds": 60.0,
            "detail": "2 open on TCP port 22",
            "source": "sock_diag",
            "error": "",
        }
    ]
    assert answer["server"] == SERVER and answer["mode"] == "act" and answer["virtualization"] == PHYSICAL


def test_the_table_says_it_for_people():
    text = table(status(situation(server={"url": "http://wake1", "acknowledged": False, "error": "it is down"})))
    assert "next: suspend in 240 s at the earliest" in text
    assert "wake server: http://wake1, it is down" in text
    assert "monitor ssh: idle for 60 s (2 open on TCP port 22; sock_diag)" in text


def test_decisions_are_one_a_line():
    records = [{"time": 5.0, "state": "awake", "cause": "start"}, {"time": 6.0, "state": "warned", "cause": "idle"}]
    assert decisions_text(records, lambda time: f"t{time:.0f}") == "t5 awake: start\nt6 warned: idle"
