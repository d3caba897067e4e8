# SPDX-License-Identifier: GPL-3.0-or-later
"""Replayed days: small ones worked out by hand, and any at all (hypothesis)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from powernap.nap import recording
from powernap.nap.conditions import Conditions
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy, Step
from powernap.shared.errors import PowernapError
from powernap.simulate import Activity, Trace, simulate
from powernap.simulate.outcome import oracle, overlap
from powernap.simulate.recorded import trace_of
from powernap.simulate.trace import Spans

SUSPEND = Policy(steps=(Step(300, "suspend", 60),), min_awake_seconds=0)
STAGED = Policy(steps=(Step(100, "powersave"), Step(1000, "suspend", 60)), min_awake_seconds=0)


def ssh(start, end=None):
    return Activity(start, start if end is None else end, "ssh", "tcp")


def job(start, end):
    return Activity(start, end, "backup", "process")


def load(start, end):
    return Activity(start, end, "cpu", "load")


# --- by hand


def test_a_quiet_hour_is_slept_through_after_the_idle_time():
    outcome = simulate(SUSPEND, Trace((), 3600), resume_seconds=10, suspend_seconds=2)
    (nap,) = outcome.naps
    assert nap.at == pytest.approx(300, abs=0.2) and nap.ended is None and nap.woken_by == ""
    assert outcome.asleep_seconds == pytest.approx(3600 - 302, abs=0.2)
    assert outcome.oracle_seconds == 3598
    assert outcome.share == pytest.approx((3600 - 302) / 3598, abs=0.001)
    assert outcome.wakes == 0 and outcome.waited_seconds == 0


def test_between_deadlines_only_those_that_count_are_asked_as_by_the_daemon():
    day = (ssh(0), job(0, 1), load(0, 1))
    outcome = simulate(SUSPEND, Trace(day, 290), resume_seconds=10)
    looks = SUSPEND.looks_per_period - 1
    assert outcome.partial_looks == looks - 1 and outcome.looks >= looks
    assert simulate(SUSPEND, Trace(day[:2], 290), resume_seconds=10).partial_looks == 0


def test_activity_wakes_it_and_whoever_came_waits_for_the_resume():
    outcome = simulate(SUSPEND, Trace((ssh(2000),), 3000), resume_seconds=10, suspend_seconds=2)
    first, second = outcome.naps
    assert first.at == pytest.approx(300, abs=0.2)
    assert first.cause == "idle for 300 s; last activity: start"
    assert second.cause == "idle for 300 s; last activity: tcp monitor ssh"
    assert first.woken_by == "ssh" and first.ended == 2010 and first.waited_seconds == 10
    assert first.asleep_seconds == pytest.approx(1698, abs=0.2)
    assert second.at == pytest.approx(2310, abs=0.2), "idle time counts from the resume"
    assert outcome.wakes == 1 and outcome.waited_seconds == 10
    assert outcome.allowed_seconds == 2000 - 302 + 1000 - 302
    assert outcome.wrong == ()


def test_whoever_comes_while_it_falls_asleep_waits_for_both():
    outcome = simulate(SUSPEND, Trace((ssh(301.0),), 500), resume_seconds=10, suspend_seconds=5)
    assert outcome.naps[0].asleep_seconds == 0
    assert outcome.naps[0].waited_seconds == pytest.approx(14, abs=0.2)


def test_activity_in_the_warning_calls_it_off():
    outcome = simulate(SUSPEND, Trace((ssh(290),), 900), resume_seconds=10)
    assert [nap.at for nap in outcome.naps] == [pytest.approx(590, abs=0.2)]


def test_a_running_process_keeps_it_awake_to_its_end_and_is_late_by_nothing():
    outcome = simulate(SUSPEND, Trace((job(100, 5000),), 6000), resume_seconds=10)
    (nap,) = outcome.naps
    assert nap.at == pytest.approx(5300, abs=0.2) and nap.late_seconds < 0.2


def test_a_monitor_that_only_counts_is_late_by_at_most_one_part_of_the_period():
    outcome = simulate(SUSPEND, Trace((load(0, 1000.5),), 3000), resume_seconds=10)
    (nap,) = outcome.naps
    assert 0 <= nap.late_seconds <= 300 / SUSPEND.looks_per_period + 1
    assert nap.at > 1300.5


def test_the_steps_of_a_staged_descent_follow_each_other_and_both_end():
    outcome = simulate(STAGED, Trace((ssh(3000),), 3500), resume_seconds=10, suspend_seconds=2)
    assert [(nap.action, round(nap.at)) for nap in outcome.naps[:2]] == [("powersave", 100), ("suspend", 1000)]
    assert outcome.naps[0].ended == pytest.approx(3010), "the resume ends both"
    assert outcome.naps[0].woken_by == "ssh"
    again = outcome.naps[2]
    assert again.action == "powersave" and again.at == pytest.approx(3110, abs=0.2)
    expected = (1000 - 100) + 2 + 10 + (3500 - 3110)
    assert outcome.powersave_seconds == pytest.approx(expected, abs=1)


def test_a_time_window_is_kept():
    night = Step(300, "suspend", conditions=Conditions(between=((22 * 3600.0, 6 * 3600.0),)))
    day = Trace((), 7200, second_of_day=21 * 3600.0)
    (nap,) = simulate(Policy(steps=(night,)), day, resume_seconds=10).naps
    assert nap.at == pytest.approx(3600, abs=2)
    assert nap.late_seconds < 2, "nobody was late before the window began"


def test_work_that_nobody_watches_is_found_by_the_oracle():
    day = Trace((ssh(0), job(200, 2000)), 4000)
    outcome = simulate(SUSPEND, day, resume_seconds=10, suspend_seconds=2, watched={"ssh"})
    (wrong,) = outcome.wrong
    assert wrong.monitor == "backup" and wrong.at == pytest.approx(300, abs=0.2)
    assert wrong.seconds == pytest.approx(2000 - 302, abs=0.2)
    assert outcome.unwatched == ("backup",)
    assert outcome.share == pytest.approx(1998 / 2196, abs=0.001), "only what was right counts as reached"
    assert simulate(SUSPEND, day, resume_seconds=10).wrong == ()


def test_a_dry_run_is_simulated_as_if_it_acted():
    observing = Policy(steps=SUSPEND.steps, observe=True)
    assert simulate(observing, Trace((), 3600), resume_seconds=10).asleep_seconds > 3000


def test_the_least_time_awake_is_kept_after_a_wake():
    lazy = Policy(steps=SUSPEND.steps, min_awake_seconds=900)
    outcome = simulate(lazy, Trace((ssh(1000),), 4000), resume_seconds=10)
    assert outcome.naps[1].at == pytest.approx(1910, abs=0.2)
    assert outcome.naps[1].late_seconds < 0.2


def test_the_oracle_sleeps_in_every_gap_that_is_worth_it():
    assert oracle([(0, 5), (10, 100)], suspend_seconds=2, worthwhile_seconds=10) == [(12, 100)]
    assert overlap([(0, 10), (20, 30)], [(5, 25)]) == 10


def test_spans_merge_and_leave_gaps():
    spans = Spans([ssh(10, 20), ssh(15, 30), ssh(50)])
    assert spans.spans == [(10, 30), (50, 50)]
    assert spans.gaps(60) == [(0, 10), (30, 50), (50, 60)]
    assert spans.last(12) == 12 and spans.last(40) == 30 and spans.last(5) is None
    assert spans.next_start(10) == 50


# --- any day

activities = st.lists(
    st.builds(
        lambda start, length, monitor: Activity(start, start + length, *monitor),
        st.floats(0, 7200).map(lambda value: round(value, 2)),
        st.one_of(st.just(0.0), st.floats(0, 900).map(lambda value: round(value, 2))),
        st.sampled_from([("ssh", "tcp"), ("backup", "process"), ("cpu", "load"), ("keys", "console")]),
    ),
    max_size=12,
)
policies = st.builds(
    lambda after, second, wait: Policy(
        steps=(Step(after, "powersave"), Step(after + second, "suspend", second / 4))
        if second
        else (Step(after, "suspend", after / 5),),
        min_awake_seconds=wait,
    ),
    st.sampled_from([20.0, 300.0]),
    st.sampled_from([0.0, 60.0, 1000.0]),
    st.sampled_from([0.0, 60.0]),
)


@settings(deadline=None, max_examples=150)
@given(activities, policies, st.sampled_from([0.0, 5.0, 60.0]))
def test_on_any_day_it_never_sleeps_while_work_is_on_and_never_beats_the_oracle(spans, policy, resume):
    outcome = simulate(policy, Trace(tuple(spans), 9000), resume, suspend_seconds=2)
    assert outcome.wrong == ()
    assert 0 <= outcome.share <= 1
    assert outcome.asleep_seconds <= 9000
    assert outcome.powersave_seconds + outcome.asleep_seconds <= 9000 + 1e-6
    for nap in outcome.naps:
        least = next(step.after_seconds for step in policy.steps if step.action == nap.action)
        quiet = [span.end for span in spans if span.start <= nap.at]
        assert nap.at >= max([0, *quiet]) + least - 1e-6, "it napped too early"
        counts = {span.kind for span in spans} & {"load"}
        assert nap.late_seconds <= (least / policy.looks_per_period + 2.5 if counts else 2.5) + 0.2


@settings(deadline=None, max_examples=50)
@given(activities, st.sampled_from([{"ssh"}, {"cpu"}, set()]))
def test_whatever_is_watched_the_share_is_a_share(spans, watched):
    outcome = simulate(SUSPEND, Trace(tuple(spans), 9000), 5, watched=watched)
    assert 0 <= outcome.share <= 1
    assert all(wrong.seconds >= 0 for wrong in outcome.wrong)


# --- from a recording


def look(at, boot="x", offset=1_000_000.0, **monitors):
    return {"t": at + offset, "b": float(at), "boot": boot, "state": "awake", "in_effect": "", "monitors": monitors}


def recorded(now, reading):
    return recording.entry(reading, now)


def test_a_process_seen_running_at_two_looks_ran_in_between_and_until_its_end():
    records = [
        look(100, backup=recorded(100, Reading("backup", "process", 90.0))),
        look(160, backup=recorded(160, Reading("backup", "process", 160.0, active_now=True))),
        look(220, backup=recorded(220, Reading("backup", "process", 220.0, active_now=True))),
        look(280, backup=recorded(280, Reading("backup", "process", 233.5))),
        look(340, backup=recorded(340, Reading("backup", "process", 300.0))),
    ]
    trace = trace_of(records)
    assert [(each.start, each.end) for each in trace.activities] == [(0, 0), (60, 133.5), (200, 200)]
    assert trace.duration == 240
    assert {each.kind for each in trace.activities} == {"process"}


def test_what_only_counts_was_active_from_look_to_look():
    counted = [
        recorded(now, Reading("cpu", "load", now if busy else None, counts=True))
        for now, busy in ((0, True), (60, True), (120, False), (180, False))
    ]
    trace = trace_of([look(60 * number, cpu=each) for number, each in enumerate(counted)])
    assert [(each.start, each.end) for each in trace.activities] == [(0, 60)]


def test_a_monitor_that_failed_was_active():
    trace = trace_of([look(0, x=recorded(0, Reading("x", "udp", error="no right")))])
    assert [(each.start, each.end) for each in trace.activities] == [(0, 0)]


def test_a_step_of_the_wall_clock_moves_nothing_and_a_reboot_goes_on():
    records = [
        look(0, ssh={"kind": "tcp", "last": 0}),
        look(60, offset=5_000_000.0, ssh={"kind": "tcp", "last": 50}),  # the clock was set
        look(10, boot="y", offset=1_000_300.0, ssh={"kind": "tcp", "last": 5}),
    ]
    assert [each.start for each in trace_of(records).activities] == [0, 50, 305]


def test_the_time_of_day_is_that_of_the_first_look():
    from time import struct_time

    made = trace_of([look(0)], lambda _wall: struct_time((2026, 1, 7, 13, 30, 5, 2, 7, 0)))
    assert made.second_of_day == 13.5 * 3600 + 5 and made.weekday == 2


def test_an_empty_recording_is_told():
    with pytest.raises(PowernapError, match="powernap record on"):
        trace_of([{"t": 1}, {"monitors": 3}])


def test_the_command_says_it_all_in_text_and_as_json(tmp_path):
    day, config = tmp_path / "day.jsonl", tmp_path / "powernapd.toml"
    ran = {"kind": "process", "last": 1200.0}
    with day.open("w") as file:
        for number in range(60):
            ssh_seen = {"kind": "tcp", "last": 1800.0} if number >= 30 else {"kind": "tcp"}
            print(json.dumps(look(60 * number, ssh=ssh_seen, **({"backup": ran} if number >= 20 else {}))), file=file)
    config.write_text('[nap]\nabsent_seconds = 300\n[monitors.ssh]\nkind = "tcp"\nports = [22]\n')
    command = [sys.executable, "-m", "powernap", "powernap", "simulate", "--config", str(config), "--day", str(day)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert "an oracle would have slept for" in said and "not watched by this policy: backup" in said
    content = json.loads(subprocess.run([*command, "--json"], capture_output=True, timeout=30, check=True).stdout)
    assert content["ok"] and content["naps"][0]["action"] == "suspend"
    assert content["wakes"] == 2


@pytest.mark.parametrize("words", [("--day", "/nonexistent"), ("--day", "/dev/null", "--profile", "no-such-profile")])
def test_bad_input_of_the_command_is_one_sentence(tmp_path, words):
    config = tmp_path / "powernapd.toml"
    config.write_text("")
    command = [sys.executable, "-m", "powernap", "powernap", "simulate", *words]
    command += [] if "--profile" in words else ["--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and words[-1] in done.stderr
