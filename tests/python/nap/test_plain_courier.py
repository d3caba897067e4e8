# SPDX-License-Identifier: GPL-3.0-or-later
"""The last words to the wake server, with a FakeLink that fails so many times."""

from __future__ import annotations

import asyncio
import time

import pytest

from powernap.config.sections import ServerSettings
from powernap.nap.link import plain_courier as module
from powernap.nap.link.plain_courier import PlainCourier
from powernap.shared.errors import PowernapError


class FakeLink:
    def __init__(self, failures):
        self.failures = failures
        self.tries = 0

    def send(self, _verb, _content):
        self.tries += 1
        if self.tries <= self.failures:
            raise PowernapError("link-sequence: cannot be written (No space left on device): free some space")


def ended(tmp_path, failures, before=0.0):
    """Announce, end ``before`` seconds later; return the link and how long the end took."""
    courier = PlainCourier(ServerSettings(url="http://wake1", timeout_seconds=60), tmp_path)
    courier._link = FakeLink(failures)

    async def run():
        courier.announce("cancelled", 0.0)
        await asyncio.sleep(before)
        begun = time.monotonic()
        await courier.end()
        return time.monotonic() - begun

    return courier._link, asyncio.run(run())


@pytest.mark.parametrize("before", [0.0, 0.2])
def test_who_cannot_tell_the_wake_server_ends_all_the_same_and_soon(tmp_path, before):
    link, seconds = ended(tmp_path, failures=1000, before=before)
    assert seconds < 20
    assert 2 <= link.tries <= 4


def test_a_long_wait_before_the_next_try_is_cut_short_by_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIRST_RETRY_SECONDS", 30.0)
    link, seconds = ended(tmp_path, failures=1, before=0.2)
    assert link.tries == 2
    assert seconds < 20


def test_a_wake_server_that_fails_once_in_the_end_is_told_again(tmp_path):
    link, _seconds = ended(tmp_path, failures=1)
    assert link.tries == 2
