# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the channel share: a FakeLinkServer, and channels to it."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager

from fake_link_server import KEY, FakeLinkServer, authority

from powernap.config.sections import ServerSettings
from powernap.nap.link import backoff
from powernap.nap.link.channel import Channel

REGISTRATION = {"action": "suspend", "interfaces": [], "lease_seconds": 86400}


class FakeHost:
    def __init__(self):
        self.orders, self.knocks, self.heard, self.state = [], [], [], "awake"

    async def greeting(self):
        return {"state": self.state, "version": "0", "cards": []}

    def standing(self):
        return {"state": self.state, "since_seconds": 0.0, "why": "", "next_at_seconds": None, "activity": {}}

    def woken_for(self, knock):
        self.knocks.append(knock)

    def ordered(self, order):
        self.orders.append(order)

    def renamed(self, name):
        self.names = name

    def heard_of(self, order):
        self.heard.append(order)


@contextmanager
def server_and_channels(tmp_path, monkeypatch):
    """A server, and what makes channels to it."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.2)
    ca_file, certificate = authority(tmp_path)
    (tmp_path / "key").write_text(KEY)
    server = FakeLinkServer(certificate)
    hosts = []

    def made(**settings):
        settings = {"url": server.url, "ca_file": str(ca_file), "timeout_seconds": 5, **settings}
        host = FakeHost()
        hosts.append(host)
        return Channel(ServerSettings(key_file=str(tmp_path / "key"), **settings), "web1", tmp_path, host), host

    yield server, made
    server.close()


def run(work):
    return asyncio.run(asyncio.wait_for(work, 60))


async def until(condition, seconds=20.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.01)


async def linked(made, server):
    made.announce("boot", 0.0)
    await until(lambda: made.health.by and server.of("state"))
