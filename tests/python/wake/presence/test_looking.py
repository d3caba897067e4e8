# SPDX-License-Identifier: GPL-3.0-or-later
"""Who speaks by a broker or by POST and lies behind a router: is he gone, or is there a firewall?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.python.wake.link.linked import Place, Talker, place

from powernap.shared.envelope import read
from powernap.wake.presence import looking, presence

AFAR = "192.0.2.7"


class FakeBroker:
    """A host's way by a broker (Peer), which does not end with the host."""

    transport, address, lasts = "mqtt", "broker1", True

    def __init__(self, there: Place) -> None:
        self.there, self.said = there, list[str]()

    def send(self, text: str) -> None:
        self.said.append(text)

    def close(self, _why: str) -> None:
        self.there.hub.lost(self)

    async def pause(self, _seconds: float) -> None:
        pass


class FakePost:
    """One message by POST: the way ends with its answer."""

    transport, address, lasts = "post", AFAR, False

    def send(self, text: str) -> None:
        raise AssertionError(text)

    def close(self, _why: str) -> None:
        pass

    async def pause(self, _seconds: float) -> None:
        pass


class FakeEcho:
    """Where a router leads from here is not known: who answers to echo requests is said by the test."""

    def __init__(self) -> None:
        self.answers = False

    async def __call__(self, addresses: set[str], _times: int, _seconds: float) -> set[str]:
        return addresses if self.answers else set()


async def known(there: Place) -> Talker:
    facts = {"macs": ["02:4c:00:00:00:07"], "addresses": [AFAR]}
    _changed, record, _host = await there.service.enrolment.enrol("web1", facts)
    return Talker(there, "web1", record.key)


async def asked(there: Place) -> str:
    """What it is called after a look."""
    await there.service.fleet.looking._look_at(["web1"])
    host = there.service.roster.peek("web1")
    assert host is not None
    return there.service.fleet.presence.status(host).condition.value


def run(folder: Path, act: Callable[[Place], Awaitable[None]]) -> None:
    async def play() -> None:
        async with place(folder) as there:
            await act(there)

    asyncio.run(asyncio.wait_for(play(), 120))


def test_by_post_it_is_missed_once_it_has_answered_or_its_lease_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = FakeEcho()
    monkeypatch.setattr(looking, "echoes", echo)
    monkeypatch.setattr(looking, "_QUESTION_SECONDS", 0.01)

    async def act(there: Place) -> None:
        host = await known(there)
        assert await there.hub.receive(FakePost(), host.hello().encode())
        await asyncio.sleep(0)
        assert await asked(there) == "awake"
        echo.answers = True
        assert await asked(there) == "awake"
        echo.answers = False
        assert await asked(there) == "unreachable"
        assert await there.hub.receive(FakePost(), host.hello().encode())
        await asyncio.sleep(0)
        assert await asked(there) == "awake"
        monkeypatch.setattr(presence, "LEASE_SECONDS", -1.0)
        assert await asked(there) == "unreachable"

    run(tmp_path, act)


def test_by_a_broker_it_is_missed_once_it_has_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = FakeEcho()
    monkeypatch.setattr(looking, "echoes", echo)
    monkeypatch.setattr(looking, "_QUESTION_SECONDS", 0.01)

    async def act(there: Place) -> None:
        host = await known(there)

        async def says_hello() -> FakeBroker:
            peer = FakeBroker(there)
            await there.hub.receive(peer, host.hello().encode())
            await asyncio.sleep(0)  # those who listen are told after the welcome
            assert there.hub.linked("web1") is peer
            return peer

        peer = await says_hello()
        assert [await asked(there), await asked(there)] == ["awake", "awake"]
        echo.answers = True
        assert await asked(there) == "awake"
        echo.answers = False
        assert await asked(there) == "unreachable"
        assert there.hub.linked("web1") is None
        assert read(peer.said[-1].encode()).message.body["cause"] == "silent"
        await says_hello()  # it is there after all, and has a firewall now
        assert [await asked(there), await asked(there)] == ["awake", "awake"]

    run(tmp_path, act)
