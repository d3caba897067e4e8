# SPDX-License-Identifier: GPL-3.0-or-later
"""Who speaks by a broker and lies behind a router: is he gone, or does a firewall keep him from answering?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.python.wake.link.linked import Place, Talker, place

from powernap.shared.envelope import read
from powernap.wake.presence import looking

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


class FakeEcho:
    """Where a router leads from here is not known: who answers to echo requests is said by the test."""

    def __init__(self) -> None:
        self.answers = False

    async def __call__(self, addresses: set[str], _times: int, _seconds: float) -> set[str]:
        return addresses if self.answers else set()


def test_who_has_answered_is_missed_and_who_never_did_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = FakeEcho()
    monkeypatch.setattr(looking, "echoes", echo)
    monkeypatch.setattr(looking, "_QUESTION_SECONDS", 0.01)

    async def act(there: Place) -> None:
        facts = {"macs": ["02:4c:00:00:00:07"], "addresses": [AFAR]}
        _changed, record, _host = await there.service.enrolment.enrol("web1", facts)
        host, looks = Talker(there, "web1", record.key), there.service.fleet.looking

        async def says_hello() -> FakeBroker:
            peer = FakeBroker(there)
            await there.hub.receive(peer, host.hello().encode())
            await asyncio.sleep(0)  # those who listen are told after the welcome
            assert there.hub.linked("web1") is peer
            return peer

        async def asked() -> str:
            await looks._look_at(["web1"])
            known = there.service.roster.peek("web1")
            assert known is not None
            return there.service.fleet.presence.status(known).condition.value

        peer = await says_hello()
        assert [await asked(), await asked()] == ["awake", "awake"]
        echo.answers = True
        assert await asked() == "awake"
        echo.answers = False
        assert await asked() == "unreachable"
        assert there.hub.linked("web1") is None
        assert read(peer.said[-1].encode()).message.body["cause"] == "silent"
        await says_hello()  # it is there after all, and has a firewall now
        assert [await asked(), await asked()] == ["awake", "awake"]

    async def play() -> None:
        async with place(tmp_path) as there:
            await act(there)

    asyncio.run(asyncio.wait_for(play(), 120))
