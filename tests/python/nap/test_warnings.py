# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told: the texts, and all ways at once."""

from __future__ import annotations

import asyncio
import time

import pytest
from noticing import CANCELLED, WARNING

from powernap.nap.warnings import KINDS
from powernap.nap.warnings.crier import Crier
from powernap.nap.warnings.wall import Wall
from powernap.shared.errors import PowernapError

# --- texts


def test_the_message_is_the_sites_own():
    wall = Wall("wall", {"message": "{host} schläft um {at}, in {seconds} s", "cancelled": "{host} bleibt wach"})
    assert wall.worded(WARNING).text == "web1 schläft um 14:05, in 60 s"
    assert wall.worded(CANCELLED).text == "web1 bleibt wach"


@pytest.mark.parametrize("message", ["{hots}", "{0}", "{}", "{host.__class__}"])
def test_a_field_that_does_not_exist_is_told(message):
    with pytest.raises(PowernapError, match=r"message: there is no .*: use \{host\}, \{seconds\}"):
        Wall("wall", {"message": message})


def test_a_lonely_brace_is_told():
    with pytest.raises(PowernapError, match="for braces that are meant as such"):
        Wall("wall", {"message": "in { seconds"})


# --- all at once


class Slow(Wall):
    """A way of the test: notes what it says, ``delay`` seconds after it was asked to."""

    def __init__(self, name, delay=0.0, limit=5.0, fails=False):
        super().__init__(name, {"limit_seconds": limit})
        self.delay, self.fails, self.heard = delay, fails, []

    async def tell(self, notice):
        await asyncio.sleep(self.delay)
        if self.fails:
            raise ValueError("a defect")
        self.heard.append(notice.event)


def cry(methods, script):
    async def run():
        tasks = set()
        crier = Crier(methods, lambda work: tasks.add(asyncio.ensure_future(work)))
        await script(crier)
        await asyncio.gather(*tasks)
        return crier

    return asyncio.run(run())


def test_one_that_hangs_or_fails_delays_no_other():
    quick, hanging, failing = Slow("quick"), Slow("hanging", delay=60, limit=-1.5), Slow("failing", fails=True)

    async def script(crier):
        crier.warn("web1", 60, "suspend", "idle")
        await asyncio.sleep(0.05)
        assert quick.heard == ["warning"]

    crier = cry([hanging, failing, quick], script)
    assert [each["error"] for each in crier.as_list()] == ["it took longer than -1.5 s", "ValueError: a defect", ""]


def test_a_cancellation_never_overtakes_its_warning():
    slow = Slow("slow", delay=0.2)

    async def script(crier):
        crier.warn("web1", 60, "suspend", "idle")
        await asyncio.sleep(0.05)
        slow.delay = 0.0
        crier.cancel("web1", "a key")

    cry([slow], script)
    assert slow.heard == ["warning", "cancelled"]


def test_what_nobody_heard_yet_is_not_cancelled_aloud():
    slow = Slow("slow", delay=0.1)

    async def script(crier):
        for _ in range(50):
            crier.warn("web1", 60, "suspend", "idle")
            await asyncio.sleep(0)
            crier.cancel("web1", "a key")

    cry([slow], script)
    assert slow.heard == ["warning", "cancelled"]


def test_a_warning_that_waited_past_its_nap_is_not_told():
    slow = Slow("slow", delay=0.3)

    async def script(crier):
        crier.warn("web1", 60, "suspend", "idle")
        await asyncio.sleep(0.01)
        crier.warn("web1", -3, "suspend", "idle")

    crier = cry([slow], script)
    assert slow.heard == ["warning"]
    assert "too late" in crier.as_list()[0]["error"]


def test_a_cancellation_names_what_was_cancelled():
    wall = Wall("x", {"cancelled": "no {action}: {reason}"})
    said = []

    async def note(notice):
        said.append(notice.text)

    wall.tell = note

    async def script(crier):
        crier.warn("web1", 60, "hibernate", "idle")
        await asyncio.sleep(0.01)
        crier.cancel("web1", "a key")

    cry([wall], script)
    assert said[1] == "no hibernate: a key"


def test_every_kind_is_made_from_its_defaults_and_what_it_requires():
    required = {"to": ("ops@example.com",), "command": ("/bin/true",), "url": "http://hook/"}
    for kind, cls in KINDS.items():
        values = {option.name: required[option.name] for option in cls.options if option.required}
        assert cls("x", values).kind == kind


def test_who_waits_for_the_last_words_waits_only_so_long():
    quick, hanging = Slow("quick", delay=0.1), Slow("hanging", delay=3, limit=-1.0)

    async def script(crier):
        crier.cancel("web1", "powernapd is stopped")
        begun = time.monotonic()
        await crier.settled(0.4)
        assert 0.3 < time.monotonic() - begun < 2.5
        assert quick.heard == ["cancelled"]
        await crier.settled(5)

    cry([quick, hanging], script)
