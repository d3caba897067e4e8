# SPDX-License-Identifier: GPL-3.0-or-later
"""How powerwake tells of wakes, and of what the API says anew."""

from __future__ import annotations

from typing import Any

from powernap.cli.wakecommands.base import others, plain
from powernap.cli.wakecommands.story_text import story_text
from powernap.cli.wakecommands.wakes import wakes_text

DESK = {"what": "TCP SYN", "address": "fd4c::9", "mac": "02:4c:00:00:00:09", "port": 4711, "to_port": 80, "own": False}


def wake(**changes: Any) -> dict[str, Any]:
    return {
        "host": "web1",
        "started": 1_700_000_000.0,
        "reason": "demand",
        "asked_by": "TCP SYN to port 80",
        "result": "woken",
        "seconds": 1.234,
        "first_sign": "answer",
        "verified": "hello",
        "knocks": [{"at": 0.0, "reason": "demand", "by": DESK, "count": 3}],
        "more_knocks": 0,
        "volleys": [{"at": 0.001, "number": 0, "ways": {"ethernet": {"packets": 2, "text": ""}}}],
        "outcomes": [{"at": 0.9, "way": "exec", "text": "ended with status 0"}],
        "magic_packets": 2,
        "probes": 12,
        "replays": 1,
        "released": 0,
        "at": {"ended": 1.1, "hello": 1.2, "restored": 2.2},
        **changes,
    }


def test_a_wake_is_told_in_the_order_in_which_it_happened() -> None:
    first, *lines = story_text([wake(verdict="used")])
    assert first.startswith("last wake: 2023-11-1")
    assert first.endswith("demand (TCP SYN to port 80): woken after 1.2 s, proven by hello; it was used")
    assert [line.strip() for line in lines] == [
        "0.000 s  demand: TCP SYN to port 80 from [fd4c::9]:4711 (02:4c:00:00:00:09), 3 times",
        "0.001 s  volley 1: ethernet 2 packets",
        "0.900 s  exec: ended with status 0",
        "1.100 s  it is awake: it answers a probe",
        "1.200 s  the machine says that it is awake",
        "2.200 s  its addresses are its own again",
        "in all: 2 magic packets, 12 probes, 1 frames passed on",
    ]


def test_a_wake_that_runs_and_earlier_ones_are_told() -> None:
    running = wake(result="running", seconds=None, verified=None, volleys=[], outcomes=[], at={"waited_from": 0.0})
    lines = story_text([running, wake(result="given up", verified=None, verdict=None)])
    assert "not awake yet" in lines[0] and any("waits for its turn" in line for line in lines)
    assert lines[-1].startswith("earlier: ") and lines[-1].endswith("given up after 1.2 s")


def test_orders_and_own_questions_are_named() -> None:
    arp = {"what": "ARP", "address": "198.18.0.1", "mac": "02:4c:00:00:00:01", "port": 0, "to_port": 0, "own": True}
    knocks = [{"at": 0.0, "reason": "order", "by": {"what": "powerwake on wake1"}, "count": 1}]
    knocks.append({"at": 0.5, "reason": "demand", "by": arp, "count": 1})
    text = "\n".join(story_text([wake(knocks=knocks, more_knocks=4)]))
    assert "order: powerwake on wake1" in text and "and 4 more" in text
    assert "ARP from 198.18.0.1 (02:4c:00:00:00:01), this machine itself" in text


def test_its_turn_comes_before_what_it_sends_and_who_gives_up_says_so() -> None:
    at = {"waited_from": 0.0, "turn": 5.1, "ended": 20.0}
    volleys = [{"at": 5.0, "number": 0, "ways": {"ethernet": {"packets": 2, "text": ""}}}]
    given_up = wake(result="given up", first_sign=None, verified=None, outcomes=[], volleys=volleys, at=at)
    words = [line.split(" s  ")[-1] for line in story_text([given_up])]
    assert words.index("its turn has come") < words.index("volley 1: ethernet 2 packets") < words.index("given up")


def test_a_row_counts_others_who_knocked_and_not_their_frames() -> None:
    other = {**DESK, "address": "fd4c::a"}
    knocks = [{"at": 0.0, "reason": "demand", "by": DESK, "count": 9}]
    assert wakes_text([wake(knocks=knocks)]).endswith("TCP SYN to port 80 (demand)")
    knocks.append({"at": 0.5, "reason": "demand", "by": other, "count": 9})
    assert wakes_text([wake(knocks=knocks)]).endswith("TCP SYN to port 80 (demand) and 1 more")


def test_a_field_that_is_new_is_shown_all_the_same() -> None:
    content = {"name": "web1", "waiting_for_turn": 3, "budget": {"tokens": 2.50, "short": False, "queue": []}}
    assert others(content, ("name",)) == ["waiting for turn: 3", "budget: tokens 2.5, short no, queue none"]
    assert plain([{"a_b": None}, "x"]) == "a b none; x"
