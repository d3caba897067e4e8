# SPDX-License-Identifier: GPL-3.0-or-later
"""A wake server and a client that speak by a broker, and somebody else who may use it too, by other libraries."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.python.brokers.real_brokers import PASSWORD, SERVER, Process
from tests.python.wake.link.linked import Place, place

from powernap.config.sections import ServerSettings
from powernap.nap.link.brokerchannel import BrokerChannel
from powernap.nap.link.session import Order

SECONDS = 40.0
NAME = "web1"


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 180))


async def until(condition: Any, seconds: float = SECONDS) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        await asyncio.sleep(0.02)


class FakeHost:
    """Carries out nothing, and says so."""

    def __init__(self, mac: str = "02:4c:00:00:00:01") -> None:
        self.mac = mac
        self.orders: list[Any] = []
        self.channel: BrokerChannel

    async def greeting(self) -> dict[str, Any]:
        card = {"name": "eth0", "mac": self.mac, "addresses": ["198.18.0.9/16"]}
        return {"state": "awake", "version": "1", "boot_id": "b", "cards": [card], "profile": "", "features": []}

    def standing(self) -> dict[str, Any]:
        return {"state": "awake", "since_seconds": 1.0, "why": "start", "next_at_seconds": 300.0, "activity": {}}

    def woken_for(self, knock: Any) -> None: ...

    def renamed(self, name: str) -> None: ...

    def heard_of(self, order: str) -> None: ...

    def ordered(self, order: Any) -> None:
        self.orders.append(order)
        done = {"order": order.id, "ok": isinstance(order, Order), "said": "so it was", "result": {}}
        self.channel.tell("done", done, f"done {order.id}")


@contextlib.asynccontextmanager
async def wake_server(folder: Path, broker: Process, password: str = PASSWORD, more: str = "") -> AsyncIterator[Place]:
    folder.mkdir(exist_ok=True)
    secret = folder / "broker.password"
    secret.write_text(password)
    section = (
        f'[{broker.protocol.rstrip("s")}]\nbroker = "{broker.url}"\nuser = "{SERVER}"\npassword_file = "{secret}"\n'
    )
    async with place(folder, section + more) as server:
        server.service.transports.open()
        yield server


def station(server: Place) -> dict[str, Any]:
    return server.service.transports.status()[0]


async def connected(server: Place) -> None:
    await until(lambda: station(server)["connected"])


def settings(folder: Path, broker: Process, server: Place | None, **more: Any) -> ServerSettings:
    """``server``: None where there is no other way to it."""
    direct = {"url": f"https://127.0.0.1:{server.port}", "ca_file": str(server.ca)} if server is not None else {}
    user = SERVER if broker.protocol == "stomp" else NAME  # one user is enough to RabbitMQ here
    return ServerSettings(
        **{
            "key_file": str(folder / "key"),
            "link": broker.protocol.rstrip("s"),
            "broker": broker.url,
            "broker_user": user,
            "broker_password_file": str(broker.password_file),
            "timeout_seconds": 5,
            **direct,
            **more,
        }
    )


@contextlib.contextmanager
def client(folder: Path, key: str, server: ServerSettings) -> Iterator[FakeHost]:
    (folder / "key").write_text(key)
    state = folder / "client"
    state.mkdir(exist_ok=True)
    host = FakeHost()
    host.channel = BrokerChannel(server, NAME, state, host)
    try:
        yield host
    finally:
        host.channel.close()
