# SPDX-License-Identifier: GPL-3.0-or-later
"""When cron jobs run next. croniter, an independent implementation, says what is right where clocks do not change."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from powernap.shared.cron import BadSchedule, jobs, parse_schedule, read

croniter = pytest.importorskip("croniter").croniter
UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")


def epoch(text, zone=UTC, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def following(schedule, text, zone=UTC):
    at = parse_schedule(schedule).next(epoch(text, zone), zone)
    return None if at is None else datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M %z")


def fields(first, last, names=()):
    number = st.integers(first, last).map(str)
    if names:
        number = number | st.sampled_from(names)
    ends = st.lists(st.integers(first, last), min_size=2, max_size=2, unique=True)  # croniter reads 5-5 as all
    span = ends.map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    stepped = st.tuples(st.just("*") | span, st.integers(1, last)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.just("*") | st.lists(number | span | stepped, min_size=1, max_size=3).map(",".join)


@settings(max_examples=400, deadline=None)
@given(
    fields(0, 59),
    fields(0, 23),
    fields(1, 31),
    fields(1, 12, ("jan", "FEB", "sep", "dec")),
    fields(0, 7, ("sun", "Mon", "sat")),
    st.integers(0, 2**31),
)
def test_the_next_run_is_that_of_croniter(minute, hour, day, month, weekday, now):
    # a list that begins with "*" is "any" to cron's rule of days, and croniter reads such lists in its own way
    assume(not any("," in field and "*" in field for field in (day, weekday)))
    text = f"{minute} {hour} {day} {month} {weekday}"
    try:
        oracle = croniter(text, now, implement_cron_bug=True).get_next(float)
    except Exception:  # noqa: BLE001  # no such day within its horizon
        assume(False)
    assert parse_schedule(text).next(now, UTC) == oracle


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("@hourly", "2026-03-01 13:00 +0000"),
        ("@daily", "2026-03-02 00:00 +0000"),
        ("@weekly", "2026-03-08 00:00 +0000"),
        ("@monthly", "2026-04-01 00:00 +0000"),
        ("@Yearly", "2027-01-01 00:00 +0000"),
        ("*/20 * * * *", "2026-03-01 12:20 +0000"),
        ("5/20 * * * *", "2026-03-01 12:25 +0000"),
        ("0 0 * * 7", "2026-03-08 00:00 +0000"),
        ("0 0 13 * fri", "2026-03-06 00:00 +0000"),
        ("0 0 29 2 *", "2028-02-29 00:00 +0000"),
        ("10~20 3 * * *", "2026-03-02 03:10 +0000"),
        ("0 0 30 2 *", None),
    ],
)
def test_schedules(schedule, expected):
    assert following(schedule, "2026-03-01 12:05") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "@reboot",
        "a * * * *",
    ],
)
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(BadSchedule):
        parse_schedule(text)


def test_a_time_that_the_change_of_clocks_skips_runs_at_the_change():
    assert following("30 2 * * *", "2026-03-28 12:00", BERLIN) == "2026-03-29 03:00 +0200"
    assert following("30 2 * * *", "2026-03-29 12:00", BERLIN) == "2026-03-30 02:30 +0200"


def test_a_time_that_comes_twice_counts_twice():
    schedule = parse_schedule("30 2 * * *")
    first = schedule.next(epoch("2026-10-24 12:00", BERLIN), BERLIN)
    second = schedule.next(first, BERLIN)
    assert (first, second) == (epoch("2026-10-25 02:30", BERLIN), epoch("2026-10-25 02:30", BERLIN, fold=1))
    assert schedule.next(second, BERLIN) == epoch("2026-10-26 02:30", BERLIN)


def test_minutes_go_on_through_a_change_of_clocks():
    schedule = parse_schedule("*/30 * * * *")
    at, seen = epoch("2026-10-25 01:45", BERLIN), []
    for _ in range(5):
        at = schedule.next(at, BERLIN)
        seen.append(at)
    assert {later - sooner for sooner, later in pairwise(seen)} == {1800.0}


CRONTAB = """# the nightly backup
SHELL=/bin/sh
PATH = /usr/bin
17 *  * * *  root  run-parts /etc/cron.hourly
@reboot root /bin/once
CRON_TZ=America/New_York
0 3 * * * backup  /usr/bin/backup --all % note
not a line
"""


def test_a_crontab_of_the_system_names_users_and_time_zones():
    now = epoch("2026-06-01 00:00")
    hourly, nightly = jobs(CRONTAB, "/etc/crontab", True, now, UTC)
    assert (hourly.name, hourly.at - now, hourly.every) == (
        "cron /etc/crontab: run-parts /etc/cron.hourly",
        17 * 60,
        3600,
    )
    assert nightly.name == "cron /etc/crontab: /usr/bin/backup --all % note"
    assert nightly.at - now == 7 * 3600  # 3:00 in New York


def test_all_crontabs_are_read_and_leftovers_are_not(tmp_path):
    for path, text in {
        "etc/crontab": "0 1 * * * root /bin/a\n",
        "etc/cron.d/b": "0 2 * * * root /bin/b\n",
        "etc/cron.d/b.dpkg-old": "0 2 * * * root /bin/old\n",
        "etc/cron.d/.placeholder": "0 2 * * * root /bin/placeholder\n",
        "var/spool/cron/crontabs/kim": "0 3 * * * /bin/c\n",
        "var/spool/cron/lee": "0 4 * * * /bin/d\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found, problems = read(epoch("2026-06-01 00:00"), tmp_path)
    assert [job.name.split(": ")[1] for job in found] == ["/bin/a", "/bin/b", "/bin/c", "/bin/d"]
    assert problems == []


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/crontab").symlink_to("crontab")  # a loop: ELOOP, also for root
    _found, problems = read(0.0, tmp_path)
    assert len(problems) == 1 and "etc/crontab cannot be read" in problems[0]


def test_a_machine_without_cron_has_no_jobs(tmp_path):
    assert read(0.0, tmp_path) == ([], [])
