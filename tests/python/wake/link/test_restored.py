# SPDX-License-Identifier: GPL-3.0-or-later
"""One side lost what it knew, or has yesterday's copy: it recovers by itself, and nothing that was recorded counts."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time

import pytest
from tests.python.wake.link.linked import Talker, Wire, error_of, eventually, place
from tests.python.wake.link.test_with_client import client, run

from powernap.nap.link import backoff
from powernap.nap.link.numbers import BLOCK, FILE, Numbers
from powernap.nap.link.session import Session, Settled, Unbelieved
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal

FAR = 4_000_000_000 * 10**9  # a number of a client whose clock was once in 2096


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.1)


@pytest.mark.parametrize("link", ["auto", "post"])
def test_a_client_that_lost_its_numbers_is_linked_and_may_register(tmp_path, link):
    """Its state directory and its clock are lost, or are yesterday's."""

    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            before = Talker(server, "web1", key)
            before.seq = FAR
            await before.link()
            before.wire.close()
            async with client(server, tmp_path, key, link=link) as host:
                host.channel.announce("boot", 0.0)
                await eventually(lambda: host.channel.health.by)
                await host.channel.ask("awake", {"cause": "rehearsal", "slept_seconds": 0.0})
                await eventually(lambda: not host.channel._session.unanswered)
            assert int((tmp_path / "client" / FILE).read_text()) > FAR

    run(work())


def test_a_registration_that_comes_before_any_hello_is_acknowledged_the_second_time(tmp_path):
    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            before = Talker(server, "web1", key)
            before.seq = FAR
            await before.link()
            before.wire.close()
            async with client(server, tmp_path, key, link="post") as host:
                with pytest.raises(Exception, match="was used before"):
                    await host.channel.ask("awake", {"cause": "rehearsal", "slept_seconds": 0.0})
                await host.channel.ask("awake", {"cause": "rehearsal", "slept_seconds": 0.0})

    run(work())


def test_who_replays_an_old_message_learns_a_number_and_moves_nobody(tmp_path):
    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            host = Talker(server, "web1", key)
            old = host.hello()
            first = host.wire = await Wire.open(server)
            await host.ask(old)
            await host.link()
            number = host.seq
            replayer = Talker(server, "web1", key)
            replayer.wire = await Wire.open(server)
            answer = await replayer.ask(old)
            assert "was used before" in error_of(answer) and answer.body["seen"] == number
            assert server.hub.linked("web1") is not None and server.hub.sessions.session("web1") == host.session
            for wire in (first, host.wire, replayer.wire):
                wire.close()

    run(work())


def test_numbers_go_on_above_what_was_seen_and_never_back(tmp_path):
    numbers = Numbers(tmp_path, lambda: 1000)
    assert numbers() == 1001
    numbers.above(10**18)
    assert numbers() == 10**18 + 1
    numbers.above(5)
    assert numbers() == 10**18 + 2
    assert Numbers(tmp_path, lambda: 1)() > 10**18 + BLOCK


def test_a_server_of_yesterday_takes_today_s_numbers_and_nothing_recorded_but_what_registers(tmp_path):
    """Its registry knows a lower number; what it knew in memory is gone."""

    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            with sqlite3.connect(tmp_path / "registry.sqlite") as now, sqlite3.connect(tmp_path / "copy") as copy:
                now.backup(copy)
            host = Talker(server, "web1", key)
            await host.link()
            recorded = host.seal("state", {"state": "awake", "since_seconds": 1})
            await host.ask(recorded)
            host.wire.close()
        for file in tmp_path.glob("registry.sqlite*"):
            file.unlink()
        (tmp_path / "copy").rename(tmp_path / "registry.sqlite")
        async with place(tmp_path) as server:
            replayer = Talker(server, "web1", key)
            replayer.wire = await Wire.open(server)
            assert "say hello first" in error_of(await replayer.ask(recorded))
            host.place = server
            assert (await host.link())["name"] == "web1"
            for wire in (host.wire, replayer.wire):
                wire.close()

    run(work())


def test_a_host_that_yesterday_s_registry_does_not_know_hears_what_to_do(tmp_path):
    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, os.urandom(32).hex()) as host:
            host.channel.announce("boot", 0.0)
            await eventually(lambda: host.channel.health.error)
            return host.channel.health.error

    said = run(work())
    assert "not known here by that key" in said and "powerwake" in said


def test_an_acknowledgement_from_before_the_welcome_is_not_believed(tmp_path):
    """Numbers that were lost may be used twice: then an answer of the first use must not count for the second."""
    key, numbers = "5a" * 32, iter(range(1, 99))
    session = Session("web1", key, lambda: next(numbers), lambda: "ab" * 16)
    session.hello({}, 0.0)
    body = {"nonce": "ab" * 16, "session": "s", "time": time.time(), "lease_seconds": 3600}
    session.received(seal(key, TO_CLIENT, Message("web1", "welcome", 500, body, 1)), 1.0)
    said = session.put("asleep", {})
    number = read(session.send(said)).opened(key, TO_SERVER).seq
    recorded = seal(key, TO_CLIENT, Message("web1", "ack", 400, {"ok": True}, number))
    assert isinstance(session.received(recorded, 2.0), Unbelieved)
    fresh = seal(key, TO_CLIENT, Message("web1", "ack", 501, {"ok": True}, number))
    assert session.received(fresh, 2.0) == Settled(said, "", 0.0)


def test_the_number_that_was_seen_counts_only_in_the_answer_to_what_is_under_way(tmp_path):
    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            async with client(server, tmp_path, key) as host:
                host.channel.announce("boot", 0.0)
                await eventually(lambda: host.channel.health.by and not host.channel._session.unanswered)
                last = host.channel._numbers._last
                forged = Message("web1", "ack", time.time_ns() * 2, {"ok": False, "error": "x", "seen": FAR}, last)
                host.channel._heard(seal(key, TO_CLIENT, forged))
                await asyncio.sleep(0)
                assert host.channel._numbers._last == last

    run(work())
