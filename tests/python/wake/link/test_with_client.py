# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's own end of the channel against the wake server's own: TLS, WebSocket, POST, orders."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from tests.python.wake.link.linked import place

from powernap.config.sections import ServerSettings
from powernap.nap.link.channel import Channel
from powernap.nap.link.host import LinkError
from powernap.nap.link.session import Order

SECONDS = 20.0


class FakeHost:
    """Carries out nothing, and says so."""

    def __init__(self):
        self.orders, self.knocks, self.heard = [], [], []
        self.channel = None

    async def greeting(self):
        card = {"name": "eth0", "mac": "02:4c:00:00:00:01", "addresses": ["198.18.0.9/16"]}
        return {"state": "awake", "version": "1", "boot_id": "b", "cards": [card], "profile": "", "features": []}

    def standing(self):
        return {"state": "awake", "since_seconds": 1.0, "why": "start", "next_at_seconds": 300.0, "activity": {}}

    def woken_for(self, knock):
        self.knocks.append(knock)

    def ordered(self, order):
        self.orders.append(order)
        done = {"order": order.id, "ok": isinstance(order, Order), "said": "so it was", "result": {"a": 1}}
        self.channel.tell("done", done, f"done {order.id}")

    def heard_of(self, order):
        self.heard.append(order)


@contextlib.asynccontextmanager
async def client(server, folder, key, **settings):
    (folder / "key").write_text(key)
    state = folder / "client"
    state.mkdir(exist_ok=True)
    host = FakeHost()
    host.channel = Channel(
        ServerSettings(
            url=f"https://127.0.0.1:{server.port}",
            key_file=str(folder / "key"),
            ca_file=str(server.ca),
            timeout_seconds=5,
            **settings,
        ),
        "web1",
        state,
        host,
    )
    try:
        yield host
    finally:
        host.channel.close()


async def until(condition):
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.02)


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


def test_a_client_is_linked_carries_out_orders_and_says_farewell(tmp_path):
    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1")) as host:
            host.channel.announce("boot", 0.0)
            await until(lambda: server.hub.linked("web1") is not None and host.channel.health.by)
            assert host.channel.health.by == "websocket"
            done = await server.hub.order("web1", "recover", {}, "alice", 30)
            assert (done.ok, done.said, done.result) == (True, "so it was", {"a": 1})
            await until(lambda: host.heard)
            await host.channel.end("stopped")
            await until(lambda: server.hub.linked("web1") is None)
            return host.orders

    (order,) = run(work())
    assert (order.verb, order.by) == ("recover", "alice")


@pytest.mark.parametrize("link", ["auto", "post"])
def test_what_the_server_refuses_is_told_in_its_own_words(tmp_path, link):
    async def work():
        key = "00" * 32
        async with place(tmp_path) as server:
            real = await server.enrol("web1")
            async with client(server, tmp_path, real, link=link) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: host.channel.health.by)
                with pytest.raises(LinkError) as caught:  # it hears no segment, so it cannot stand in
                    await host.channel.ask("asleep", {"action": "suspend", "interfaces": []})
            (tmp_path / "key").write_text(key)
            async with client(server, tmp_path, key, link=link) as stranger:
                with pytest.raises(LinkError) as unknown:
                    await stranger.channel.ask("asleep", {"action": "suspend", "interfaces": []})
        return str(caught.value), str(unknown.value)

    refused, unknown = run(work())
    assert "interfaces" in refused
    assert "key" in unknown


def test_after_a_loss_the_client_comes_back_and_goes_on_counting(tmp_path):
    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1")) as host:
            host.channel.announce("boot", 0.0)
            await until(lambda: host.channel.health.by)
            since = host.channel.health.since
            host.channel._socket._wire.close()
            await until(lambda: host.channel.health.by == "websocket" and host.channel.health.since != since)
            done = await server.hub.order("web1", "recover", {}, "alice", 30)
            return done.ok

    assert run(work())


def test_a_restart_of_the_client_with_a_clock_set_back_is_no_replay(tmp_path, monkeypatch):
    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            for _ in range(3):
                async with client(server, tmp_path, key) as host:
                    host.channel.announce("boot", 0.0)
                    await until(lambda: host.channel.health.by)  # it is waited for within the turn
                    assert not host.channel.health.error
                monkeypatch.setattr(time, "time_ns", lambda: 1)

    run(work())


def test_the_client_comes_back_when_the_server_that_stops_has_said(tmp_path):
    async def work():
        async with place(tmp_path) as server, client(server, tmp_path, await server.enrol("web1")) as host:
            host.channel.announce("boot", 0.0)
            await until(lambda: host.channel.health.by)
            before = host.channel._not_before
            closing = asyncio.ensure_future(server.hub.close(20))
            await until(lambda: host.channel._not_before > before)
            await closing

    run(work())
