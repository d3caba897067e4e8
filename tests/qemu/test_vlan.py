# SPDX-License-Identifier: GPL-3.0-or-later
"""VLAN interfaces, which the guest's kernel has: a sleeper on a VLAN, and a monitor that counts its frames."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from guest import Guest

TRIAL = (Path(__file__).parent / "onvlan.py").read_text()


@pytest.fixture(scope="module")
def seen(guest: Guest) -> dict:
    command = ["unshare", "-n", "python3", "-", "/carried/powernap.pyz", "/sys/fs/bpf/powerwaked"]
    return json.loads(guest.run(command, text=TRIAL, seconds=240).splitlines()[-1])


def test_a_sleeper_on_a_vlan_is_answered_for_and_woken_there_alone(seen: dict) -> None:
    assert seen["question"] == ["answer"] and seen["demand"] == ["magic packet"]
    assert seen["untagged"] == []
    assert seen["heard"] == ["Packet"], "the demand, and no question that the kernel answered"


def test_tagged_frames_concern_no_sleeper_of_the_untagged_network(seen: dict) -> None:
    assert seen["parent"] == {"untagged": ["answer"], "tagged": [[], []], "heard": []}


def test_datagrams_of_a_vlan_count_for_a_monitor(seen: dict) -> None:
    assert seen["counted"].startswith("1 datagram ")
