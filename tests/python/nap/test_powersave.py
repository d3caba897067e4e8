# SPDX-License-Identifier: GPL-3.0-or-later
"""The action powersave on a machine made of files; the knobs themselves are tested in test_knobs.py."""

from __future__ import annotations

import asyncio

import pytest

from powernap.nap.actions import ActionError, Means, Powersave


@pytest.fixture
def means(tmp_path):
    governor = tmp_path / "root/sys/devices/system/cpu/cpufreq/policy0"
    governor.mkdir(parents=True)
    (governor / "scaling_governor").write_text("schedutil\n")
    (governor / "scaling_available_governors").write_text("schedutil powersave performance\n")
    return Means(None, tmp_path / "state", ("*",), tmp_path / "root")


def governor(means):
    return (means.root / "sys/devices/system/cpu/cpufreq/policy0/scaling_governor").read_text().strip()


def test_it_is_taken_back_exactly(means):
    action = Powersave(means)
    assert asyncio.run(action.act()) == []
    assert governor(means) == "powersave"
    assert asyncio.run(action.undo()) == []
    assert governor(means) == "schedutil"


def test_after_a_kill_the_next_start_puts_it_back(means):
    asyncio.run(Powersave(means).act())
    assert asyncio.run(Powersave(means).undo()) == []  # another process: it knows only the journal
    assert governor(means) == "schedutil"


def test_where_the_journal_cannot_be_written_nothing_is_touched(means):
    means.state_dir.parent.joinpath("state").write_text("a file where the directory should be")
    with pytest.raises(ActionError, match="knobs are left alone"):
        asyncio.run(Powersave(means).act())
    assert governor(means) == "schedutil"


def test_undoing_nothing_does_nothing(means):
    assert asyncio.run(Powersave(means).undo()) == []
