# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told of steps that were carried out in part only."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from powernap.nap import actions
from powernap.nap.actions.base import Action
from powernap.nap.doing import Doing
from powernap.nap.events import Act, ActionDone
from powernap.nap.policy import Step

STEP = Step(300, "powersave")


class FakeAction(Action):
    """``said``: what goes wrong in act, beside it, and in undo."""

    said: tuple[list[str], list[str], list[str]] = ([], [], [])

    async def act(self):
        return list(self.said[0])

    async def settled(self):
        return list(self.said[1])

    async def undo(self):
        return list(self.said[2])


@pytest.fixture
def doing(tmp_path, monkeypatch):
    monkeypatch.setattr(actions, "KINDS", {"powersave": FakeAction})
    told = []
    made = Doing(SimpleNamespace(), tmp_path, told.append)
    made.adopt(SimpleNamespace(powersave=None))
    made.told = told
    return made


def nap(doing, said=([], [], [])):
    async def run():
        FakeAction.said = said
        await doing.act(Act(STEP, 1))
        await doing.settled(STEP)
        await doing.undo_step(STEP)

    asyncio.run(run())


def test_a_knob_that_refused_is_among_the_notes_until_the_next_nap_even_when_all_is_taken_back(doing, caplog):
    knob = "/proc/sys/vm/laptop_mode: cannot be set to '5': Permission denied"
    nap(doing, ([knob], [], []))
    assert doing.told == [ActionDone(1)]
    assert doing.notes() == (f"powersave: {knob}",)
    assert f"powersave: {knob}" in caplog.text
    nap(doing)
    assert doing.notes() == ()


def test_of_many_problems_the_first_is_told_and_how_many_more_there_are(doing):
    nap(doing, (["one", "two"], ["three"], ["four"]))
    (note,) = doing.notes()
    assert note == "powersave: one (and 3 more in the journal)"


def test_what_went_wrong_beside_and_in_the_recovery_is_told_too(doing):
    nap(doing, ([], ["the service x does not stop"], []))
    assert doing.notes() == ("powersave: the service x does not stop",)
    nap(doing, ([], [], ["the service x does not start"]))
    assert doing.notes() == ("powersave: the service x does not start",)


def test_another_configuration_begins_without_notes(doing):
    nap(doing, (["one"], [], []))
    doing.adopt(SimpleNamespace(powersave=None))
    assert doing.notes() == ()
