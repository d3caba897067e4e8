# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet path on Debian 12's kernel, which has no tcx: at tc, with powerwaked and after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from guest import Guest

TRIAL = (Path(__file__).parent / "onthepath.py").read_text()


@pytest.fixture(scope="module")
def seen(guest: Guest) -> dict:
    command = ["unshare", "-n", "python3", "-", "/carried/powernap.pyz", "/sys/fs/bpf/powerwaked"]
    return json.loads(guest.run(command, text=TRIAL).splitlines()[-1])


def test_it_acts_at_tc_where_it_is_pinned_and_not_otherwise(seen: dict) -> None:
    assert seen["name"] == "eBPF at tc (clsact), pinned in /sys/fs/bpf/powerwaked", seen["kernel"]
    assert seen["not pinned"].startswith(
        "eBPF socket filter alone (the kernel has no tcx, which came with Linux 6.6; tc "
    )
    assert "clsact" not in seen["loopback"], "the trial leaves nothing behind"


def test_it_answers_and_wakes_but_for_shut_gates_and_the_unwelcome(seen: dict) -> None:
    assert seen["question"] == ["answer"]
    assert seen["behind a shut gate"] == seen["refused"] == []
    assert seen["demand"] == ["magic packet"]


def test_it_goes_on_when_powerwaked_has_ended_and_the_next_one_takes_over(seen: dict) -> None:
    assert seen["question to nobody"] == ["answer"]
    assert seen["demand of nobody"] == ["magic packet"]
    assert "powerwaked" in seen["filter"] and "direct-action" in seen["filter"]
    assert seen["adopted"] and (seen["answered"], seen["fired"]) == (2, 2)
    assert seen["removed"] == [] and seen["filters"] == 1


def test_nothing_of_it_stays_where_it_is_not_wanted(seen: dict) -> None:
    assert seen["detached"] == [[], ""]
    assert seen["unpinned"] == [True, [], ""]


def test_a_filter_of_somebody_elses_in_its_place_stays(seen: dict) -> None:
    assert seen["another's"] == [] and seen["another's stays"]
