# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wakes hosts for nothing is no longer believed, for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.python.wake.play import DESK, DESK4, THIRD

from powernap.wake import criers as criers_module
from powernap.wake.criers import Criers, Refused
from powernap.wake.model import Visitor
from powernap.wake.notes import Notes
from powernap.wake.wolf import Crier, Limits, Wake, crier, demotion, was_false

DAY = 86400.0
SYN = Visitor("TCP SYN", DESK, DESK4, 50000, 22)
LIMITS = Limits()


def history(text: str, gap: float = 60.0) -> tuple[Wake, ...]:
    """ "f": for nothing, "u": of use; the last at time 0."""
    return tuple(Wake(-gap * (len(text) - 1 - number), letter == "f") for number, letter in enumerate(text))


@pytest.mark.parametrize("wakes", ["fff", "ffff", "fuff", "ufff", "uuuufff", "ffuff"])
def test_three_of_the_last_four_for_nothing_demote(wakes: str) -> None:
    found = demotion(history(wakes), LIMITS, 0.0)
    assert found is not None
    assert (found.since, found.until) == (0.0, DAY)


@pytest.mark.parametrize("wakes", ["", "f", "ff", "uff", "fufu", "fffu", "ffuuff", "fffuu"])
def test_fewer_do_not_nor_does_a_wake_that_was_of_use(wakes: str) -> None:
    assert demotion(history(wakes), LIMITS, 0.0) is None


def test_the_reason_names_the_figures() -> None:
    found = demotion(history("fuff"), LIMITS, 0.0)
    assert found is not None and found.reason == "3 of its last 4 wakes were for nothing"


def test_old_wakes_do_not_count_and_none_demotes_where_that_is_off() -> None:
    assert demotion(history("fff", gap=0.6 * DAY), LIMITS, 0.0) is None
    assert demotion(history("ffff"), Limits(false=0), 0.0) is None


def test_a_crier_is_a_source_and_what_it_asks_for() -> None:
    assert crier(SYN) == crier(SYN._replace(what="TCP data", port=1, mac=THIRD)) == Crier(DESK4, "tcp/22")
    assert crier(Visitor("UDP", DESK, DESK4, 1, 161)) == Crier(DESK4, "udp/161")
    assert crier(Visitor("ARP", DESK, DESK4)) == Crier(DESK4, "arp")
    assert crier(Visitor("NS", DESK, DESK4)) == Crier(DESK4, "neighbour_solicitation")


@pytest.mark.parametrize(
    ("what", "used", "verdict"),
    [
        ("TCP SYN", False, True),
        ("ARP", False, True),
        ("TCP SYN", True, False),
        ("UDP", True, False),
        ("UDP", False, None),  # a datagram may have been answered
        ("TCP data", False, None),  # in a connection that was open before
        ("TCP SYN", None, None),
        ("ARP", None, None),
    ],
)
def test_what_nobody_knows_is_not_held_against_anybody(what: str, used: bool | None, verdict: bool | None) -> None:
    assert was_false(what, used) is verdict


# Kept


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


Scene = Callable[[Criers, Clock, Notes], Coroutine[Any, Any, None]]


def play(tmp_path: Path, *scenes: Scene) -> None:
    """Each scene with criers of its own, on the same notes."""
    clock = Clock()

    async def run() -> None:
        for scene in scenes:
            notes = Notes(tmp_path / "notes.sqlite")
            criers = Criers(notes, LIMITS, clock)
            criers.load()
            await scene(criers, clock, notes)
            await notes.close()

    asyncio.run(run())


def cry(criers: Criers, times: int = 1, used: bool | None = False, host: str = "web1") -> str:
    said = ""
    for _ in range(times):
        criers.woke(host, SYN)
        said = criers.slept(host, used)
    return said


def test_a_crier_is_demoted_with_the_reason_and_believed_again_when_the_time_is_over(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        assert cry(criers, 2) == "" == criers.refusal(SYN)
        assert cry(criers) == "198.18.0.9 by tcp/22: 3 of its last 3 wakes were for nothing"
        assert criers.refusal(SYN) == "3 of its last 3 wakes were for nothing"
        assert criers.refusal(SYN._replace(to_port=80)) == "" == criers.refusal(SYN._replace(ip=bytes(4)))
        (told,) = criers.report()["criers"]
        assert (told["source"], told["mac"], told["by"]) == ("198.18.0.9", "02:4c:00:00:00:09", "tcp/22")
        assert (told["wakes"], told["false"], told["unknown"], told["host"]) == (3, 3, 0, "web1")
        assert (told["demoted_until"], told["reason"]) == (clock.now + DAY, criers.refusal(SYN))
        clock.now += DAY + 1
        assert criers.refusal(SYN) == ""
        assert criers.report()["criers"][0]["demoted_until"] is None
        assert cry(criers, 2) == ""

    play(tmp_path, scene)


def test_counts_and_demotions_outlive_a_restart(tmp_path: Path) -> None:
    async def before(criers: Criers, clock: Clock, notes: Notes) -> None:
        cry(criers, 2)
        criers.woke("web1", SYN)

    async def amid(criers: Criers, clock: Clock, notes: Notes) -> None:
        assert criers.slept("web1", False).endswith("were for nothing")

    async def after(criers: Criers, clock: Clock, notes: Notes) -> None:
        assert criers.refusal(SYN)
        assert criers.slept("web1", False) == ""

    play(tmp_path, before, amid, after)


def test_those_woken_are_known_after_a_restart_also_beyond_how_many_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(criers_module, "_MOST_AT_HAND", 2)

    async def before(criers: Criers, clock: Clock, notes: Notes) -> None:
        for number in range(5):
            criers.woke(f"web{number}", SYN)

    async def after(criers: Criers, clock: Clock, notes: Notes) -> None:
        for number in range(5):
            criers.slept(f"web{number}", False)
        assert criers.report()["criers"][0]["false"] == 5
        assert criers.slept("web9", False) == ""

    play(tmp_path, before, after)


def test_a_wake_of_which_nothing_is_known_is_counted_as_such_alone(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        assert cry(criers, 10, None) == ""
        (told,) = criers.report()["criers"]
        assert (told["wakes"], told["false"], told["unknown"]) == (10, 0, 10)

    play(tmp_path, scene)


def test_a_sleep_without_a_wake_before_it_concerns_nobody(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        cry(criers)
        assert [criers.slept("web1", False) for _ in range(5)] == [""] * 5
        assert criers.report()["criers"][0]["false"] == 1

    play(tmp_path, scene)


def test_a_sleep_that_is_called_off_takes_its_count_and_its_demotion_back(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        cry(criers, 3)
        assert criers.refusal(SYN)
        criers.stayed_awake("web1")
        assert criers.refusal(SYN) == ""
        assert criers.report()["criers"][0]["false"] == 2
        assert criers.slept("web1", True) == ""
        assert cry(criers) == "198.18.0.9 by tcp/22: 3 of its last 4 wakes were for nothing"
        cry(criers, 1, None, "web2")
        criers.stayed_awake("web2")
        criers.stayed_awake("web2")
        criers.stayed_awake("nobody")
        (told,) = criers.report()["criers"]
        assert (told["wakes"], told["false"], told["unknown"]) == (5, 3, 0)

    play(tmp_path, scene)


@pytest.mark.parametrize("source", ["198.18.0.9", "02:4c:00:00:00:09", "02-4C-00-00-00-09"])
def test_a_pardon_ends_a_demotion_and_begins_the_count_anew(tmp_path: Path, source: str) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        cry(criers, 3)
        assert criers.pardon(source, "tcp/80") == [] == criers.pardon("198.18.0.8")
        assert criers.refusal(SYN)
        assert criers.pardon(source, "tcp/22") == ["198.18.0.9 by tcp/22"]
        assert criers.refusal(SYN) == ""
        assert cry(criers, 2) == ""
        assert cry(criers)
        assert criers.pardon(source) == ["198.18.0.9 by tcp/22"]

    async def after(criers: Criers, clock: Clock, notes: Notes) -> None:
        assert criers.refusal(SYN) == ""

    play(tmp_path, scene, after)


def test_it_is_told_when_somebody_is_demoted_and_when_pardoned(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        told: list[set[str]] = []
        criers.changed = lambda: told.append({who.by for who in criers.demoted()})
        cry(criers, 5)
        assert told == [{"tcp/22"}]
        criers.pardon("198.18.0.9")
        assert told == [{"tcp/22"}, set()]
        cry(criers, 3)
        clock.now += DAY + 1
        assert not criers.demoted()

    play(tmp_path, scene)


def test_who_was_refused_is_reported_with_reason_and_count(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        for _ in range(3):
            criers.refused("web1", SYN, "wakes too many hosts")
        last = {"count": 3, "host": "web1", "last": clock.now}
        told = {"source": "198.18.0.9", "by": "tcp/22", "reason": "wakes too many hosts", **last}
        assert criers.report()["refused"] == [told]
        later = Refused(4, "web2", clock.now + 1)
        criers.elsewhere = lambda: [(crier(SYN), "wakes too many hosts", later), (crier(SYN), "denied", later)]
        found = criers.report()["refused"]
        assert [each["count"] for each in found] == [7, 4], "the kernel's count is added"
        assert found[0]["host"] == "web2" and found[0]["last"] == clock.now + 1
        for number in range(5000):
            criers.refused("web1", SYN._replace(ip=number.to_bytes(4, "big")), "denied")
        assert len(criers._refused) <= 1024

    play(tmp_path, scene)


def test_notes_that_cannot_be_kept_stand_in_nobodys_way(tmp_path: Path) -> None:
    async def scene(criers: Criers, clock: Clock, notes: Notes) -> None:
        assert cry(criers, 3)
        assert criers.refusal(SYN)
        assert criers.report()["criers"]

    async def run() -> None:
        notes = Notes(tmp_path / "no" / "such" / "folder")
        await scene(Criers(notes, LIMITS, Clock()), Clock(), notes)
        await notes.close()

    asyncio.run(run())
