# SPDX-License-Identifier: GPL-3.0-or-later
"""What is due during a sleep: jobs that hold it, and those that the machine wakes for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from powernap.config.sections.sleep import SleepSettings
from powernap.nap.lookahead import Job, missed, plan

NOW = 1_750_000_000.0


def planned(*jobs, ordered=False, **settings):
    return plan(jobs, SleepSettings(**settings), NOW, ordered)


def test_a_job_that_is_due_soon_holds_the_nap_and_is_named():
    assert planned(Job("backup.timer", NOW + 299)).held == (
        "backup.timer is due in 299 s (sleep.min_sleep_seconds is 300)",
    )
    assert planned(Job("backup.timer", NOW + 300)).held == ()


def test_the_hold_of_a_job_ends_when_it_runs():
    (held,) = planned(Job("backup.timer", NOW + 299)).held
    assert held.until == NOW + 299
    assert (held.by_clock(-NOW), held.by_clock(-NOW).until) == (held, 299)


def test_an_order_is_held_by_no_job_but_wakes_for_it():
    ordered = planned(Job("backup.timer", NOW + 100, wakes=True), ordered=True)
    assert (ordered.held, ordered.wake_at) == ((), NOW + 70)


def test_a_job_that_runs_all_the_time_holds_nothing_and_that_is_said():
    result = planned(Job("cron /etc/crontab: poll", NOW + 20, every=60))
    assert result.held == ()
    assert "runs every 60 s and holds no nap" in result.notes[0]


def test_but_one_that_is_to_be_woken_for_does():
    assert planned(Job("poll.timer", NOW + 20, every=60, wakes=True)).held


def test_the_machine_wakes_some_time_before_the_first_job_that_is_marked():
    result = planned(
        Job("late.timer", NOW + 9000, wakes=True),
        Job("cron /etc/cron.d/backup: run", NOW + 5000),
        Job("other.timer", NOW + 1000),
        wake_for=("cron /etc/cron.d/backup: *",),
        wake_lead_seconds=60,
    )
    assert (result.wake_at, result.wake_for) == (NOW + 4940, "cron /etc/cron.d/backup: run")


def test_the_time_to_wake_up_counts_against_the_shortest_sleep():
    assert planned(Job("backup.timer", NOW + 320, wakes=True)).held
    assert not planned(Job("backup.timer", NOW + 331, wakes=True)).held


def test_the_longest_sleep_is_a_time_to_wake():
    assert planned(max_sleep_seconds=3600).wake_at == NOW + 3600
    result = planned(Job("backup.timer", NOW + 500, wakes=True), max_sleep_seconds=3600)
    assert result.wake_for == "backup.timer"
    assert planned(Job("a.timer", NOW + 500)).wake_at is None


def test_ignored_jobs_neither_hold_nor_wake():
    result = planned(Job("apt-daily.timer", NOW + 100, wakes=True), ignore_timers=("apt-*",))
    assert (result.held, result.wake_at) == ((), None)


def test_a_job_that_never_comes_about_does_not_hold_for_ever():
    assert planned(Job("stuck.timer", NOW - 61)).held == ()
    assert planned(Job("now.timer", NOW - 1)).held == ("now.timer is due in 0 s (sleep.min_sleep_seconds is 300)",)


def test_what_was_due_during_the_sleep_is_told():
    jobs = (Job("a.timer", NOW + 100), Job("b.timer", NOW + 900), Job("c.timer", NOW - 100), Job("apt.timer", NOW + 50))
    told = missed(jobs, SleepSettings(ignore_timers=("apt*",)), NOW, NOW + 600)
    assert told == ("a.timer was due 500 s before the machine woke",)


def test_a_job_whose_clock_pauses_is_neither_woken_for_nor_missed():
    job = Job("fstrim.timer", NOW + 1000, pauses=True)
    result = planned(job)
    assert (result.held, result.wake_at, result.notes) == ((), None, ())
    assert missed([job], SleepSettings(), NOW, NOW + 5000) == ()


def test_but_it_holds_a_nap_right_before_it():
    assert planned(Job("fstrim.timer", NOW + 100, pauses=True)).held


def test_and_where_it_is_named_the_machine_wakes_and_it_is_said_how_long_it_must_stay_so():
    result = planned(Job("fstrim.timer", NOW + 1000, pauses=True), wake_for=("fstrim*",))
    assert result.wake_at == NOW + 970
    assert "must stay awake for another 1000 s until it runs, unless it has WakeSystem=yes" in result.notes[0]


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.booleans(), st.none() | st.floats(1, 1e5)), max_size=8),
    st.floats(0, 3600),
    st.floats(0, 600),
)
def test_where_nothing_holds_the_machine_wakes_before_every_marked_job_and_not_too_soon(jobs, shortest, lead):
    listed = [Job(f"{number}.timer", NOW + due, every, wakes) for number, (due, wakes, every) in enumerate(jobs)]
    result = plan(listed, SleepSettings(min_sleep_seconds=shortest, wake_lead_seconds=lead), NOW)
    marked = [job for job in listed if job.wakes]
    if result.held:
        return
    assert (result.wake_at is None) == (not marked)
    if marked:
        assert all(result.wake_at <= max(job.at - lead, NOW) for job in marked)
        assert result.wake_at - NOW >= shortest - 1e-3
