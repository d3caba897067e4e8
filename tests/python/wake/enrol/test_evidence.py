# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host a machine is, over every evidence that there can be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from powernap.wake.enrol.evidence import Boot, Kind, Likeness, judge

_MAYBE = (None, False, True)
_WEB1 = Likeness("web1", name=True, key=True, machine=True, board=True, card=True, heard=True)


def _every() -> Iterator[Likeness]:
    for name, key, card, linked, heard in itertools.product((False, True), repeat=5):
        for machine, board, boot in itertools.product(_MAYBE, _MAYBE, Boot):
            yield Likeness("web1", name, key, machine, board, card, linked, heard, boot)


EVERY = list(_every())


def test_there_are_all_of_them() -> None:
    assert len(EVERY) == 2**5 * 3 * 3 * 4


@pytest.mark.parametrize("key", [True, False])
def test_only_the_key_makes_a_machine_known(key: bool) -> None:
    for like in EVERY:
        if like.key is key:
            assert judge([like]).is_host <= key, like


def test_while_the_first_is_alive_no_other_hardware_takes_its_name() -> None:
    for like in EVERY:
        if like.alive and not like.same_hardware and not like.card and like.boot is not Boot.SAME:
            kind = judge([like]).kind
            wanted = {Kind.CLONE, Kind.TWICE} if like.key else {Kind.CLONE, Kind.TAKEN, Kind.NEW}
            assert kind in wanted, like


def test_who_is_connected_is_replaced_by_nobody_in_another_boot() -> None:
    for like in EVERY:
        if like.here_twice and not like.key:
            assert judge([like]).kind in (Kind.CLONE, Kind.TAKEN, Kind.NEW), like


def test_who_is_connected_is_replaced_by_no_other_hardware_in_whatever_boot() -> None:
    for like in EVERY:
        if like.linked and not like.same_hardware and not like.key:
            assert judge([like]).kind in (Kind.CLONE, Kind.TAKEN, Kind.NEW), like


def test_a_key_that_comes_in_turn_from_two_machines_is_used_twice() -> None:
    for like in EVERY:
        verdict = judge([like])
        assert (verdict.kind is Kind.TWICE) == (like.key and like.linked and like.boot is Boot.LEFT), like


def test_a_machine_with_nothing_of_a_host_is_new_and_with_its_name_alone_needs_an_operator() -> None:
    for like in EVERY:
        if not (like.key or like.machine or like.board or like.card):
            verdict = judge([like])
            assert verdict.kind is (Kind.TAKEN if like.name else Kind.NEW), like
            assert verdict.may_be_admitted is not like.name, like


def test_liveness_alone_never_makes_a_machine_more_trusted() -> None:
    trust = {Kind.CLONE: 0, Kind.TWICE: 0, Kind.TAKEN: 1, Kind.AMBIGUOUS: 1, Kind.NEW: 2, Kind.REPLACES: 2}
    trust |= {Kind.KNOWN: 3, Kind.MOVED: 3}
    for like in EVERY:
        if not like.linked and not like.heard:
            for livelier in (replace(like, heard=True), replace(like, linked=True)):
                assert trust[judge([livelier]).kind] <= trust[judge([like]).kind], like


def test_every_verdict_but_new_names_its_host_and_says_what_it_is() -> None:
    for like in EVERY:
        verdict = judge([like])
        assert verdict.said()
        assert (verdict.host == "web1") == (verdict.kind is not Kind.NEW), like


CASES = {
    "as ever": ({}, Kind.KNOWN),
    "a link that is made anew": ({"linked": True, "boot": Boot.SAME}, Kind.KNOWN),
    "a crash, the old link still open": ({"linked": True, "boot": Boot.OTHER}, Kind.KNOWN),
    "renamed": ({"name": False}, Kind.KNOWN),
    "changed cards": ({"card": False}, Kind.KNOWN),
    "installed anew, key restored": ({"machine": False}, Kind.KNOWN),
    "a firmware that tells another board": ({"board": False}, Kind.KNOWN),
    "a disk in another machine, the former silent": ({"board": False, "card": False, "heard": False}, Kind.MOVED),
    "cloned disk, the first connected": (
        {"board": False, "card": False, "linked": True, "boot": Boot.OTHER},
        Kind.CLONE,
    ),
    "cloned disk, the first asleep": ({"board": False, "card": False}, Kind.CLONE),
    "cloned disk, no board known": ({"board": None, "card": False}, Kind.CLONE),
    "copied virtual machine with the same card": (
        {"board": False, "linked": True, "boot": Boot.OTHER},
        Kind.CLONE,
    ),
    "a stolen key, used in turn": ({"linked": True, "boot": Boot.LEFT}, Kind.TWICE),
    "installed anew": ({"key": False, "machine": False}, Kind.REPLACES),
    "lost its key": ({"key": False}, Kind.REPLACES),
    "asks again by hand, its link open": ({"key": False, "linked": True, "boot": Boot.SAME}, Kind.REPLACES),
    "cloned before it had a key": ({"key": False, "board": False, "card": False}, Kind.CLONE),
    "copied while it ran, before it had a key": (
        {"key": False, "board": None, "card": False, "linked": True, "boot": Boot.SAME},
        Kind.CLONE,
    ),
    "somebody with its cards while it is connected": (
        {"key": False, "machine": False, "linked": True, "boot": Boot.OTHER},
        Kind.CLONE,
    ),
    "a card that was put into another machine": (
        {"key": False, "machine": False, "board": False, "heard": False},
        Kind.REPLACES,
    ),
    "only its name": ({"key": False, "machine": False, "board": False, "card": False}, Kind.TAKEN),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_of_the_documentation(case: str) -> None:
    difference, kind = CASES[case]
    assert judge([replace(_WEB1, **difference)]).kind is kind


def test_a_machine_with_cards_of_two_hosts_is_neither() -> None:
    two = [replace(_WEB1, key=False, machine=False, host=host, name=False) for host in ("web1", "web2")]
    verdict = judge(two)
    assert verdict.kind is Kind.AMBIGUOUS
    assert "web1 and web2" in verdict.said()


def test_its_own_key_decides_whatever_it_shares_with_others() -> None:
    other = Likeness("web2", name=True, card=True, linked=True, boot=Boot.OTHER)
    assert judge([other, _WEB1]).host == "web1"
    assert judge([]).kind is Kind.NEW
