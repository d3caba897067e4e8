# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection ends at every place of what is said, from the first byte of TLS to the answer of an order.

POWERNAP_CUT_BYTES is how far apart the places are; 1 tries each byte.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from tests.python.wake.link.linked import eventually, place
from tests.python.wake.link.test_with_client import FakeHost, client

from powernap.nap.link import backoff
from powernap.nap.link.orderbook import OrderBook
from powernap.wake.link.orders import NotLinked

STEP = int(os.environ.get("POWERNAP_CUT_BYTES", "97"))


class Cutter:
    """A proxy. ``after``: how many bytes of a direction pass before the connection ends, once; ``passed``: in all."""

    def __init__(self, port: int) -> None:
        self.port, self.after, self.passed = port, {}, {"in": 0, "out": 0}

    async def listen(self):
        self.server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def _join(self, reader, writer):
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        ends = (writer, there_writer)
        await asyncio.gather(
            self._pass("in", reader, there_writer, ends), self._pass("out", there_reader, writer, ends)
        )

    async def _pass(self, way, reader, writer, ends):
        try:
            while data := await reader.read(65536):
                self.passed[way] += len(data)
                limit = self.after.get(way)
                if limit is not None and self.passed[way] >= limit:
                    del self.after[way]
                    writer.write(data[: len(data) - (self.passed[way] - limit)])
                    break
                writer.write(data)
        except ConnectionError:
            pass
        for end in ends:
            end.close()


class FakeObeyer(FakeHost):
    """Notes orders on disk as powernapd does, and counts how often it carries each out."""

    def __init__(self, folder):
        super().__init__()
        self.book, self.carried_out = OrderBook(folder), []

    def ordered(self, order):
        known = self.book.find(order.id)
        if known is None:
            known = self.book.begin(order.id, order.verb, order.by)
            self.carried_out.append(order.id)
            self.book.finish(known, True, "so it was", {})
        self.channel.tell("done", known.done(), f"done {order.id}")


@pytest.mark.parametrize("way", ["in", "out"])
def test_cut_at_any_place_the_client_is_back_and_an_order_is_carried_out_once(tmp_path, monkeypatch, way):
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.02)

    async def ordered(server):
        while True:  # who orders asks again where there is no link yet
            try:
                return await server.hub.order("web1", "recover", {}, "alice", 20)
            except NotLinked:
                await asyncio.sleep(0.01)

    async def through(server, cutter, key, after):
        cutter.passed = {"in": 0, "out": 0}
        cutter.after = {} if after is None else {way: after}
        async with client(server, tmp_path, key) as host:
            obeyer = FakeObeyer(tmp_path / "client")
            obeyer.channel, host.channel._host = host.channel, obeyer
            host.channel.announce("boot", 0.0)
            done = await asyncio.wait_for(ordered(server), 20)
            assert done.ok and len(obeyer.carried_out) == 1, (after, done, obeyer.carried_out)
            await eventually(lambda: host.channel.health.by and not host.channel._session.unanswered)
            assert server.hub.linked("web1") is not None, after
        return cutter.passed[way]

    async def work():
        async with place(tmp_path) as server:
            key = await server.enrol("web1")
            cutter = Cutter(server.port)
            server.port = await cutter.listen()
            whole = await through(server, cutter, key, None)
            assert whole > 1000
            for after in range(1, whole, STEP):
                await through(server, cutter, key, after)
                assert not cutter.after, f"nothing was cut at {after}"
            cutter.server.close()

    asyncio.run(asyncio.wait_for(work(), 120 * 97 / STEP))
