# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of past naps, and what it amounts to."""

from __future__ import annotations

import errno
import json
import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.cli.commands.calculator import saving
from powernap.cli.commands.history import seconds_of
from powernap.cli.powernap import main
from powernap.config.sections import EnergySettings
from powernap.nap import history_text, jsonlines
from powernap.nap.history import History, summary
from powernap.nap.jsonlines import JsonLines
from powernap.shared.errors import PowernapError

ENERGY = EnergySettings(watts_awake=60, watts_powersave=40, watts_asleep=10, price_per_kwh=0.5, currency="EUR")


def line(at, state, in_effect="", cause="", **more):
    return {"t": 1_000_000 + at, "b": 50 + at, "state": state, "in_effect": in_effect, "cause": cause, **more}


DAY = [
    {"t": 1_000_000, "b": 50, "state": "started", "boot": "x"},
    line(0, "awake"),
    line(3600, "powersave", "powersave", "idle for 300 s"),
    line(7200, "suspending", "powersave", "idle for 3900 s"),
    line(7201, "asleep", "suspend", "as decided"),
    line(7201 + 36000, "resuming", "", "slept", slept=35990.0, woken_by="wake server"),
    line(7201 + 36060, "awake"),
]


def test_naps_have_their_times_causes_and_what_ended_them():
    (nap,) = summary(DAY, 1_000_000, 1_050_000, ENERGY)["naps"]
    assert nap["began"] == 1_003_600 and nap["ended"] == 1_043_201
    assert nap["actions"] == ["powersave", "suspend"]
    assert nap["seconds"] == 39601 and nap["asleep_seconds"] == 35990
    assert nap["cause"] == "idle for 300 s" and nap["woken_by"] == "wake server"


def test_the_cause_of_a_sleep_is_why_it_was_decided():
    lines = [line(0, "awake"), line(9, "suspending", "", "idle for 300 s"), line(10, "asleep", "suspend", "as decided")]
    (nap,) = summary(lines, 0, 2_000_000, ENERGY)["naps"]
    assert nap["cause"] == "idle for 300 s" and nap["ended"] is None


def test_the_totals_are_the_seconds_in_each_state_and_the_energy_that_is_estimated():
    totals = summary(DAY, 1_000_000, 1_050_000, ENERGY)["totals"]
    assert totals["seconds"] == {
        "awake": 3600 + 50_000 - 43_261,
        "powersave": 3600,
        "suspending": 1,
        "asleep": 35_990 + 10,  # on its way down and up it was in the state, but it ran
        "resuming": 60,
    }
    assert sum(totals["seconds"].values()) == 50_000
    assert totals["asleep_seconds"] == 35_990 and totals["powersave_seconds"] == 3601
    assert totals["estimated_kwh_saved"] == pytest.approx((35_990 * 50 + 3601 * 20) / 3.6e6)
    assert totals["estimated_money_saved"] == pytest.approx(totals["estimated_kwh_saved"] / 2)
    assert totals["wakes"] == {"wake server": 1}


def test_a_step_of_the_wall_clock_changes_no_duration():
    jumped = [{**each, "t": each["t"] + (86_400 if number >= 4 else 0)} for number, each in enumerate(DAY)]
    (nap,) = summary(jumped, 0, 2_000_000, ENERGY)["naps"]
    assert nap["seconds"] == 39_601


def test_only_the_time_that_was_asked_for_counts():
    totals = summary(DAY, 1_001_800, 1_003_600, ENERGY)["totals"]
    assert totals["seconds"] == {"awake": 1800}


def test_a_poweroff_lasts_until_the_next_start_even_on_another_boot():
    lines = [
        line(0, "awake"),
        line(100, "suspending", "", "idle"),
        line(101, "stopped", "poweroff", "idle"),
        {"t": 1_010_101, "b": 20, "state": "started", "boot": "y"},
        {"t": 1_010_102, "b": 21, "state": "awake", "in_effect": "", "cause": "start"},
    ]
    made = summary(lines, 1_000_000, 1_010_102, ENERGY)
    assert made["naps"][0]["asleep_seconds"] == 10_000
    assert made["naps"][0]["woken_by"] == "switched on"
    assert made["totals"]["seconds"] == {"awake": 101, "suspending": 1, "asleep": 10_000}


def test_while_the_daemon_did_not_run_nobody_watched():
    lines = [line(0, "awake"), line(10, "stopped"), {"t": 1_000_070, "b": 120, "state": "started", "boot": "x"}]
    assert summary(lines, 0, 1_000_070, ENERGY)["totals"]["seconds"] == {"awake": 10, "unwatched": 60}


def test_after_a_crash_the_time_until_the_next_start_is_nobodys():
    lines = [line(0, "powersave", "powersave"), {"t": 1_000_070, "b": 3, "state": "started", "boot": "y"}]
    totals = summary(lines, 0, 1_000_070, ENERGY)["totals"]
    assert totals["seconds"] == {"unwatched": 70}
    assert totals["estimated_kwh_saved"] == 0


@pytest.mark.parametrize("known", [True, False], ids=["the boot is known", "its line is no longer in the file"])
def test_a_daemon_that_was_killed_and_started_anew_is_no_machine_that_was_switched_on(known):
    lines = [
        *([{"t": 999_990, "b": 40, "state": "started", "boot": "x"}] if known else []),
        line(0, "powersave", "powersave", "idle for 300 s"),
        line(10, "started", boot="x"),
    ]
    (nap,) = summary(lines, 0, 1_000_010, ENERGY)["naps"]
    assert nap["woken_by"] == "powernapd was started anew"


def test_a_killed_daemon_is_no_sleep_though_a_hibernation_was_under_way():
    lines = [
        {"t": 999_990, "b": 40, "state": "started", "boot": "x"},
        line(0, "asleep", "hibernate"),
        line(10, "started", boot="x"),
    ]
    assert summary(lines, 0, 1_000_010, ENERGY)["totals"]["asleep_seconds"] == 0


def test_without_watts_nothing_is_estimated():
    content = {**summary(DAY, 0, 2_000_000, EnergySettings()), "error": ""}
    assert content["totals"]["estimated_kwh_saved"] is None
    assert "not estimated, as energy.watts_awake is not set" in history_text.text(content, str)


def test_people_get_a_table_and_totals():
    content = {**summary(DAY, 1_000_000, 1_050_000, ENERGY), "error": ""}
    text = history_text.text(content, lambda wall: f"t{wall:.0f}")
    assert text.splitlines()[1].split("  ") == [
        "t1003600",
        "11 h 00 min",
        "9 h 59 min",
        "powersave, suspend",
        "idle for 300 s",
        "wake server",
    ]
    assert "1 naps, asleep for 9 h 59 min, in powersave for 1 h 00 min" in text
    assert "energy saved (estimated from [energy]): 0.52 kWh, 0.26 EUR" in text


def test_of_a_dry_run_people_are_told_how_long_it_would_have_napped():
    lines = [line(0, "awake"), line(600, "observing"), line(4200, "awake")]
    content = {**summary(lines, 1_000_000, 1_004_300, ENERGY), "error": ""}
    assert "observing, where it would have napped: 1 h 00 min" in history_text.text(content, str)


def test_what_is_no_line_is_passed_over():
    assert summary([{"t": "x"}, {}, {"t": 1, "b": 1, "state": 3}], 0, 10, ENERGY)["naps"] == []


steps = st.lists(
    st.tuples(
        st.floats(0, 1e6),
        st.sampled_from(["awake", "powersave", "asleep", "resuming", "held", "started", "stopped"]),
        st.floats(0, 1e6),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_is_in_the_file_the_seconds_add_up_and_no_more_is_slept_than_passed(parts):
    at, lines = 0.0, []
    for passed, state, slept in parts:
        at += passed
        doing = {"powersave": "powersave", "asleep": "suspend"}.get(state, "")
        lines.append(line(at, state, doing, **({"slept": slept} if state == "resuming" else {})))
    totals = summary(lines, 0, 1_000_000 + at, ENERGY)["totals"]
    watched = sum(totals["seconds"].values())
    assert watched == pytest.approx(at - (lines[0]["t"] - 1_000_000 if lines else 0), abs=0.1)
    assert totals["asleep_seconds"] <= watched + 0.1


# --- the file


def records(path):
    return list(jsonlines.read(path))


def test_a_decision_becomes_a_line_and_a_moved_deadline_does_not(tmp_path):
    history = History(tmp_path, 64)
    history.started(1000.0, 5.0)
    record = {"time": 1001.0, "boottime": 6.0, "state": "awake", "in_effect": "", "cause": "x", "event": "awake"}
    history.note(record)
    history.note({**record, "event": "deadline"})
    history.note({**record, "event": "resuming", "slept_seconds": 3.0, "woken_by": "eth0"})
    started, awake, resumed = records(history.path)
    assert started["state"] == "started" and len(started["boot"]) == 36
    assert awake == {"t": 1001.0, "b": 6.0, "state": "awake", "in_effect": "", "cause": "x"}
    assert resumed["slept"] == 3.0 and resumed["woken_by"] == "eth0"


def test_where_it_is_not_wanted_nothing_is_written(tmp_path):
    History(tmp_path, 64, keep=False).started(1.0, 1.0)
    assert not list(tmp_path.iterdir())


def test_a_torn_line_is_passed_over_and_costs_no_other(tmp_path):
    lines = JsonLines(tmp_path / "x", 65536)
    lines.append({"n": 1})
    with (tmp_path / "x").open("ab") as file:
        file.write(b'{"n": 2, "to')
    lines.append({"n": 3})
    assert records(tmp_path / "x") == [{"n": 1}, {"n": 3}]


@pytest.mark.parametrize("cut", range(1, 9))
def test_wherever_a_crash_tears_the_last_line_the_rest_is_read(tmp_path, cut):
    lines = JsonLines(tmp_path / "x", 65536)
    for number in range(3):
        lines.append({"n": number})
    with (tmp_path / "x").open("r+b") as file:
        file.truncate(file.seek(0, 2) - cut)
    lines.append({"n": 9})
    read = [each["n"] for each in records(tmp_path / "x")]
    assert read[:2] == [0, 1] and read[-1] == 9


def test_it_never_grows_beyond_its_limit_and_keeps_the_newest(tmp_path):
    lines = JsonLines(tmp_path / "x", 4096)
    for number in range(2000):
        lines.append({"n": number})
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4096
    kept = [each["n"] for each in records(tmp_path / "x")]
    assert kept == list(range(kept[0], 2000)) and len(kept) > 100


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", where], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not possible here")
    yield where
    subprocess.run(["umount", where], check=True, timeout=10)


def test_a_full_disk_costs_lines_and_is_said_and_heals(small_disk):
    history = History(small_disk, 4096)
    record = {"time": 1.0, "boottime": 6.0, "state": "held", "in_effect": "", "cause": "x" * 2000, "event": "held"}
    for _ in range(100):
        history.note(record)
    assert os.strerror(errno.ENOSPC) in history.error and "lines were lost" in history.error
    assert all(each["state"] == "held" for each in records(history.path))
    history.path.unlink()
    history.note(record)
    assert history.error == ""
    assert len(records(history.path)) == 1


def test_a_directory_that_is_gone_is_said(tmp_path):
    history = History(tmp_path / "gone", 64)
    history.started(1.0, 1.0)
    assert "cannot be written: No such file or directory" in history.error


# --- the calculator


def test_the_calculator_multiplies():
    made = saving(hosts=100, hours_asleep=12, watts_awake=60, watts_asleep=10, price_per_kwh=0.3)
    assert made.kwh_per_day == 60 and made.kwh_per_year == 21_900
    assert made.percent == pytest.approx(100 * 60 / 144)
    assert made.money_per_year == pytest.approx(6570)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [((1, 25, 60, 3), "24 hours"), ((1, 5, 3, 60), "save nothing"), ((-1, 5, 60, 3), "not negative")],
)
def test_the_calculator_refuses_nonsense(arguments, sentence):
    with pytest.raises(PowernapError, match=sentence):
        saving(*arguments)


def test_since_has_units():
    assert [seconds_of(text) for text in ("90m", "12h", "7d", "1.5w")] == [5400, 43_200, 604_800, 907_200]
    with pytest.raises(PowernapError, match="is no time such as"):
        seconds_of("7 days")


def test_a_file_without_a_history_is_refused(tmp_path, capsys):
    (tmp_path / "passwd").write_text("root:x:0:0\n")
    assert main(["history", "--file", str(tmp_path / "passwd")]) == 2
    assert "there is no history in it: name a copy of history.jsonl" in capsys.readouterr().err


def test_the_file_is_json_lines(tmp_path):
    JsonLines(tmp_path / "x", 4096).append({"cause": "größer"})
    assert json.loads((tmp_path / "x").read_text()) == {"cause": "größer"}
