# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from powernap.nap import report, report_text
from powernap.nap.conditions import Conditions, Surroundings
from powernap.nap.evidence import Reading
from powernap.nap.hold import Hold
from powernap.nap.policy import Policy, Step
from powernap.nap.report import Situation, status
from powernap.nap.report_text import decisions_text, table
from powernap.nap.state import Phase, Taken, begin

POLICY = Policy(steps=(Step(300, "suspend", 60),))
SSH = Reading("ssh", "tcp", 1040.0, detail="2 open on TCP port 22", source="sock_diag")
SERVER = {"url": "http://wake1:20709", "acknowledged": True, "error": ""}
PHYSICAL = {"kind": "none", "technology": "none", "source": "DMI", "reason": "a physical machine (DMI)"}


def situation(state=None, policy=POLICY, readings=(SSH,), held=(), server=SERVER, now=1100.0):
    state = state or replace(begin(1000.0), last_active=1040.0, now=now, cause="tcp monitor ssh: data")
    return Situation(state, policy, now, tuple(readings), held, server, PHYSICAL, "/etc/powernap/powernapd.toml", "1")


def why(made):
    return report_text.why(report.why(made))


def test_why_gives_numbers_against_thresholds_and_the_earliest_nap():
    text = why(situation())
    assert "Idle for 60 s (last activity: tcp monitor ssh: data)." in text
    assert "tcp ssh: idle for 60 s (2 open on TCP port 22; sock_diag)" in text
    assert "Step suspend: suspend after 300 s idle, with a warning 60 s before; at the earliest in 240 s." in text
    assert "Awake because of the idle time: 240 s are left of it." in text
    assert "Earliest suspend: in 240 s." in text


def test_while_a_process_runs_no_nap_is_in_sight():
    running = Reading("backup", "process", 1100.0, active_now=True, detail="rsync runs", calls=True)
    made = situation(readings=(SSH, running))
    assert status(made)["deadline_seconds"] is None
    assert "Awake because of the monitor backup: rsync runs." in why(made)
    assert "Earliest nap: not as long as this lasts." in why(made)


def test_an_inhibitor_is_named():
    made = situation(held=("Backup forbids sleep: copying",))
    assert "Awake because of the inhibitor: Backup forbids sleep: copying." in why(made)
    assert status(made)["held_by"] == ["Backup forbids sleep: copying"]
    assert status(made)["deadline_seconds"] is None


def test_the_end_of_what_holds_it_is_the_earliest_nap_where_all_know_theirs():
    leases = (Hold("alice holds lease 1: copying", 1700.0), Hold("bob holds lease 2: tests", 1600.0))
    made = situation(held=leases)
    assert status(made)["deadline_seconds"] == 600.0
    assert "Earliest suspend: in 600 s." in why(made)
    assert "at the earliest in 600 s." in why(made)
    held = [each for each in report.why(made)["keeps_awake"] if each["by"] == "inhibitor"]
    assert [each["seconds"] for each in held] == [600.0, 500.0]


def test_a_hold_that_ends_before_the_idle_time_puts_nothing_off():
    assert status(situation(held=(Hold("alice holds lease 1: copying", 1200.0),)))["deadline_seconds"] == 240.0


def test_beside_one_that_does_not_know_its_end_nothing_is_in_sight():
    made = situation(held=(Hold("alice holds lease 1: copying", 1700.0), "Backup forbids sleep: copying"))
    assert status(made)["deadline_seconds"] is None
    assert "Earliest nap: not as long as this lasts." in why(made)


def test_a_hold_of_a_sleep_puts_no_step_off_that_lets_the_machine_run():
    policy = Policy(steps=(Step(300, "powersave", 0), Step(600, "suspend", 60)))
    answer = report.why(situation(policy=policy, held=(Hold("alice holds lease 1: copying", 9000.0),)))
    assert [step["earliest_in_seconds"] for step in answer["steps"]] == [240.0, 7900.0]


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
    first = why(situation(state)).splitlines()[0]
    assert first.endswith(".") and "None" not in first


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
            "value": None,
            "threshold": None,
            "unit": "",
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


def test_a_value_is_shown_against_its_threshold_in_text_and_for_programs():
    load = Reading(
        "cpu", "load", 1100.0, True, "1-minute load", "/proc/loadavg", value=3.1416, threshold=2, unit="load"
    )
    made = situation(readings=(load,))
    assert "load cpu: active (3.142 load against 2; 1-minute load; /proc/loadavg)" in why(made)
    assert "Awake because of the monitor cpu: 3.142 load against 2, 1-minute load." in why(made)
    (monitor,) = report.why(made)["monitors"]
    assert (monitor["value"], monitor["threshold"], monitor["unit"]) == (3.1416, 2, "load")


def test_a_large_value_is_written_out_and_a_threshold_only_once():
    disk = Reading("d", "disk", value=409_500.4, threshold=1e6, unit="bytes/s", detail="vda reads")
    assert "(409500 bytes/s against 1000000; vda reads)" in why(situation(readings=(disk,)))
    load = Reading("l", "load", 1100.0, True, "load 0.70, threshold 0.5", value=0.7, threshold=0.5)
    assert "load l: active (load 0.70, threshold 0.5)" in why(situation(readings=(load,)))
    assert "Awake because of the monitor l: load 0.70, threshold 0.5." in why(situation(readings=(load,)))


STAGES = Policy(
    steps=(
        Step(100, "powersave", name="dim"),
        Step(300, "suspend", 60, Conditions(power="battery", battery_below=20, lid="closed"), name="battery"),
        Step(900, "poweroff", 60, Conditions(between=((79_200, 21_600),), days=("mon", "fri")), name="night"),
    )
)


def descent():
    taken = (Taken(STAGES.steps[0], 1, 1090.0),)
    noon = Surroundings(False, 80.0, False, False, 0, 43_200.0, calls=True)
    state = replace(begin(1000.0), phase=Phase.POWERSAVE, taken=taken, since=1090.0, now=1100.0, around=noon)
    return situation(state, STAGES)


def test_the_descent_is_told_step_by_step_with_its_conditions():
    first = why(descent()).splitlines()[0]
    assert first == "In powersave for 10 s."
    steps = [line for line in why(descent()).splitlines() if line.startswith("Step")]
    assert steps == [
        "Step dim: powersave after 100 s idle; in effect for 10 s.",
        "Step battery: suspend after 300 s idle, with a warning 60 s before, if on battery and the battery is below "
        "20 % and the lid is closed; passed over: the machine runs on mains; the battery is at 80 %, not below 20 %; "
        "the lid is open.",
        "Step night: poweroff after 900 s idle, with a warning 60 s before, if between 22:00 and 06:00 and on mon, "
        f"fri; passed over: {STAGES.steps[2].conditions.unmet(descent().state.around)[0]} "
        "(by the clock that changes in 36000 s).",
    ]
    assert "No further step follows as things stand." in why(descent())


def test_programs_get_every_step():
    dim, battery, night = report.why(descent())["steps"]
    assert dim["in_effect_seconds"] == 10 and dim["earliest_in_seconds"] is None
    assert battery["conditions"] == {"power": "battery", "battery_below": 20, "lid": "closed"}
    assert len(battery["unmet"]) == 3 and not battery["next"]
    assert night["conditions_change_in_seconds"] == 36_000 and night["earliest_in_seconds"] == 800


def test_after_a_failure_and_after_a_wake_the_waits_are_named():
    state = replace(begin(1000.0), now=1100.0, retry_at=1500.0, not_before=1450.0)
    against = {each["by"]: each.get("seconds") for each in report.why(situation(state))["keeps_awake"]}
    assert against == {"idle time": 200.0, "least time awake": 350.0, "failed nap": 400.0}


def test_the_wake_server_that_was_asked_is_named_before_it_knows_this_machine():
    asked = {"url": "https://wake1:20709", "status": "pending", "request": "482a7b1d"}
    made = situation(server={"url": "", "acknowledged": None, "error": "", "enrolment": asked})
    for text in (why(made), table(status(made))):
        assert "ake server: https://wake1:20709, this machine is pending there" in text


def test_what_does_not_work_beside_is_told():
    troubled = replace(
        situation(),
        warnings=({"name": "ops", "kind": "mail", "error": "the server is down"},),
        history={"history_error": "no space", "recording": "/x", "recording_error": ""},
    )
    for text in (why(troubled), table(status(troubled))):
        assert "arning ops failed: the server is down" in text
        assert "istory: no space" in text and "ecording to /x" in text


def test_all_that_programs_get_is_json():
    json.dumps(report.why(descent()))
