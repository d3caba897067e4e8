# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's end of the channel against a FakeLinkServer: what is said over real WebSockets and POSTs."""

from __future__ import annotations

import asyncio
import time

import pytest
from channels import REGISTRATION, linked, run, server_and_channels, until

from powernap.nap.link.host import LinkError
from powernap.nap.link.session import Order


@pytest.fixture
def place(tmp_path, monkeypatch):
    with server_and_channels(tmp_path, monkeypatch) as made:
        yield made


def test_a_registration_goes_over_the_link_and_no_hello_follows_it(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        await made.ask("asleep", REGISTRATION)
        server.drop()
        await asyncio.sleep(1)
        made.close()

    run(work())
    assert server.of("asleep") == [REGISTRATION]
    assert [kind for kind, _body in server.said_all][-1] == "asleep"


def test_after_a_sleep_it_says_hello_at_once_with_how_long_it_slept(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        await made.ask("asleep", REGISTRATION)
        made.sleeping()
        assert made.health.by == ""
        server.said_all.clear()
        made.announce("resume", 12.0)
        await until(lambda: server.of("hello"))
        made.close()

    run(work())
    assert server.of("hello")[0]["slept_seconds"] == 12.0
    assert server.of("hello")[0]["cause"] == "resume"


@pytest.mark.parametrize("link", ["auto", "post", "websocket"])
def test_a_registration_without_a_link_needs_none(place, link):
    server, make = place

    async def work():
        made, _host = make(link=link)
        await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())
    assert server.of("asleep") == [REGISTRATION]
    assert server.said_all[-1][0] == "asleep" or link == "websocket"
    # Said to be awake, it would be stood in for no more by what a powernapd registered that was killed since.
    assert all(body["state"] == "napping" for body in server.of("hello"))


def test_a_link_that_is_dead_does_not_keep_a_registration_back(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=3)
        await linked(made, server)
        made._socket.send = lambda _text: None  # half open: what is sent goes nowhere
        await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())
    assert server.ways[-1] == "post"
    assert server.said_all[-1] == ("asleep", REGISTRATION)


def test_a_registration_that_is_refused_or_not_answered_is_an_error_in_time(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=1)
        await linked(made, server)
        server.refuse = {"asleep": {"error": "the registry is full"}}
        with pytest.raises(LinkError, match="the registry is full"):
            await made.ask("asleep", REGISTRATION)
        server.refuse, server.mute = {}, {"asleep"}
        began = time.monotonic()
        with pytest.raises(LinkError, match="no answer"):
            await made.ask("asleep", REGISTRATION)
        made.close()
        return time.monotonic() - began

    assert run(work()) < 10


def test_a_registration_that_is_called_off_ends_at_once_and_the_hello_stands(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=20)
        await linked(made, server)
        server.mute = {"asleep"}
        asked = asyncio.ensure_future(made.ask("asleep", REGISTRATION))
        await until(lambda: made._answers and made._session.unanswered)
        made.announce("cancelled", 0.0)
        with pytest.raises(LinkError, match="called off"):
            await asked
        await until(lambda: server.of("awake"))
        made.close()

    run(work())
    assert server.of("awake")[-1]["cause"] == "cancelled"


def test_orders_and_who_knocked_are_handed_on(place):
    server, make = place
    server.woken_for = {"reason": "connection", "address": "10.0.0.7", "port": 22, "at": time.time() - 3, "packets": 2}

    async def work():
        made, host = make()
        await linked(made, server)
        text = server.order("recover", identifier="o1")
        await until(lambda: host.orders)
        server.send(text)  # once more
        server.order("recover", identifier="o2", session="another")
        server.order("recover", identifier="o3", time=time.time() - 100)
        await until(lambda: len(host.orders) == 4)
        made.close()
        return host

    host = run(work())
    assert [isinstance(order, Order) for order in host.orders] == [True, False, False, False]
    assert [order.id for order in host.orders] == ["o1", "o1", "o2", "o3"]
    assert host.knocks[0]["port"] == 22
    assert 2 < host.knocks[0]["seconds"] < 60


def test_farewell_is_said_and_what_was_still_to_be_said_before(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        made.announce("cancelled", 0.0)
        await made.end("stopped")

    run(work())
    assert server.said_all[-2:] == [
        ("awake", {"cause": "cancelled", "slept_seconds": 0.0}),
        ("bye", {"cause": "stopped"}),
    ]
