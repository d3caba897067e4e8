# SPDX-License-Identifier: GPL-3.0-or-later
"""A wall clock that is wrong on one side, or is set while the link is open.

That a client's clock is years off is tried the other way round: the wake server's certificates are of another time.
"""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from tests.python.wake.link.linked import eventually, place
from tests.python.wake.link.test_with_client import client, run

from powernap.nap.enrol import asking
from powernap.nap.link import backoff, channel
from powernap.nap.link.session import Order
from powernap.wake import clock, tls
from powernap.wake.link import hub, orders

DAY = 86400.0
#: Since when the certificates hold, and when they are made, seconds: for a client of 1970, and for one of 2040.
TIMES = {"not yet valid": (4e9, 4.1e9), "expired": (0, 6e8)}


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.1)


@pytest.fixture(params=TIMES)
def of_another_time(request, tmp_path, monkeypatch):
    since, made = TIMES[request.param]
    monkeypatch.setattr(tls, "_SINCE", since)
    tls.own(tmp_path / "tls", ("127.0.0.1",), made)
    monkeypatch.setattr(tls, "_is_good", lambda *_facts: True)
    return request.param


@pytest.mark.parametrize("link", ["auto", "post"])
def test_a_client_whose_clock_is_of_1970_or_2040_is_linked_as_it_knows_the_authority(
    tmp_path, of_another_time, link, caplog
):
    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1"), link=link) as host:
            host.channel.announce("boot", 0.0)
            await eventually(lambda: host.channel.health.by)
            assert of_another_time in host.channel.health.untimely
            assert host.channel.health.as_dict(0.0)["certificate"] == host.channel.health.untimely

    run(work())
    assert len([record for record in caplog.records if "check the clock" in record.getMessage()]) == 1


def test_another_authority_of_another_time_is_no_more_believed_than_today_s(tmp_path, of_another_time):
    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            other = tmp_path / "other"
            tls.own(other, ("127.0.0.1",), time.time())
            server.ca = other / "ca.pem"
            async with client(server, tmp_path, key) as host:
                host.channel.announce("boot", 0.0)
                await eventually(lambda: host.channel.health.error)
                assert "is not of the CA" in host.channel.health.error
                await asyncio.sleep(0.5)
                assert not host.channel.health.by

    run(work())


def test_who_trusts_the_system_s_authorities_minds_the_time(tmp_path, of_another_time, monkeypatch):
    """A public authority takes certificates back by letting them expire."""

    def trusting_all(context, _purpose):
        context.load_verify_locations(cafile=str(tmp_path / "tls" / "ca.pem"))

    monkeypatch.setattr("ssl.SSLContext.load_default_certs", trusting_all)

    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            server.ca = "system"
            async with client(server, tmp_path, key) as host:
                host.channel.announce("boot", 0.0)
                await eventually(lambda: host.channel.health.error)
                await asyncio.sleep(0.5)
                assert not host.channel.health.by
                assert of_another_time in host.channel.health.error and "clock" in host.channel.health.error

    run(work())


def test_enrolment_shows_a_key_and_minds_the_time(tmp_path, of_another_time):
    async def work():
        async with place(tmp_path) as server:
            context = asking.context_of(server.ca.read_text())
            with pytest.raises(asking.NoAnswer, match="set the clock"):
                await asyncio.to_thread(asking.ask, f"https://127.0.0.1:{server.port}", context, {}, 5)

    run(work())


def shifted(seconds):
    """The module time, with another wall clock."""
    return SimpleNamespace(
        time=lambda: time.time() + seconds,
        time_ns=lambda: time.time_ns() + int(seconds * 1e9),
        monotonic=time.monotonic,
    )


@pytest.mark.parametrize("seconds", [-DAY, DAY, -1.7e9, 4.5e8])
def test_a_server_whose_clock_is_wrong_gives_orders_that_are_carried_out(tmp_path, monkeypatch, seconds):
    for module in (hub, orders):
        monkeypatch.setattr(module, "time", shifted(seconds))
    monkeypatch.setattr(clock, "_BEGAN", clock._BEGAN + seconds)

    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1")) as host:
            host.channel.announce("boot", 0.0)
            await eventually(lambda: host.channel.health.by)
            assert (await server.hub.order("web1", "recover", {}, "alice", 5)).ok
            return host.orders

    (order,) = run(work())
    assert isinstance(order, Order)


@pytest.mark.parametrize("seconds", [-DAY, DAY])
def test_a_server_s_clock_that_is_set_while_the_link_is_open_costs_nothing(tmp_path, monkeypatch, seconds):
    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1")) as host:
            host.channel.announce("boot", 0.0)
            await eventually(lambda: host.channel.health.by and not host.channel._session.unanswered)
            for module in (hub, orders):
                monkeypatch.setattr(module, "time", shifted(seconds))
            before = server.hub.linked("web1")
            done = await server.hub.order("web1", "recover", {}, "alice", 30)
            assert server.hub.linked("web1") is before
            return done, host.orders

    done, given = run(work())
    assert done.ok, done
    assert [type(order) for order in given] == [Order]


def test_a_client_s_clock_that_is_set_makes_no_order_old_or_new(tmp_path, monkeypatch):
    """Its ages are by CLOCK_BOOTTIME, which nobody sets; its numbers come from a file."""

    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1")) as host:
            host.channel.announce("boot", 0.0)
            await eventually(lambda: host.channel.health.by)
            host.channel._numbers._wall_ns = lambda: 1
            assert not hasattr(channel, "time"), "the channel has no wall clock"
            assert (await server.hub.order("web1", "recover", {}, "alice", 5)).ok
            before = server.hub.linked("web1")
            host.channel._socket._wire.close()
            await eventually(lambda: server.hub.linked("web1") not in (None, before) and host.channel.health.by)
            assert (await server.hub.order("web1", "recover", {}, "alice", 5)).ok

    run(work())
