# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that naps and is woken where it speaks to its wake server by a broker; and the broker dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.net.lan import Lan, wait_for
from tests.net.linked import status
from tests.net.sleeper import Sleeper
from tests.python.brokers.real_brokers import SERVER, Mosquitto, missing
from tests.python.brokers.spoken import FakeHost, until

from powernap.config.sections import ServerSettings
from powernap.nap.link.brokerchannel import BrokerChannel
from powernap.nap.link.channel import LinkError


@pytest.fixture
def broker(bare_lan: Lan, tmp_path: Path) -> Iterator[Mosquitto]:
    """With the wake server that uses it."""
    why = missing(Mosquitto)
    if why:
        pytest.skip(why)
    made = Mosquitto(tmp_path, namespace=bare_lan.server.namespace)
    made.start()
    drop_ins = bare_lan.server.directory / "powerwaked.d"
    drop_ins.mkdir()
    (drop_ins / "broker.toml").write_text(
        f'[mqtt]\nbroker = "mqtt://127.0.0.1:{made.port}"\nuser = "{SERVER}"\npassword_file = "{made.password_file}"\n'
    )
    (drop_ins / "presence.toml").write_text("[presence]\nlook_seconds = 10\n")
    bare_lan.server.start()
    wait_for(lambda: _broker(bare_lan)["connected"], 30, 0.1)
    yield made
    made.kill()


def _broker(lan: Lan) -> dict[str, Any]:
    return dict(lan.server.admin.get("/api/v1/status")["brokers"][0])


def _link(lan: Lan) -> Any:
    return lan.server.admin.get("/api/v1/hosts/web1")["status"]["link"]


class Speaker:
    """powernapd's own end of the channel on a sleeper, by the broker alone."""

    def __init__(self, lan: Lan, broker: Mosquitto, host: Sleeper, folder: Path) -> None:
        self.host, self.folder = host, folder
        host.says_hello = False
        (folder / "key").write_text(host.key)
        self.settings = ServerSettings(
            key_file=str(folder / "key"),
            link="mqtt",
            broker=f"mqtt://{lan.server.ipv4}:{broker.port}",
            broker_user="web1",
            broker_password_file=str(broker.password_file),
            timeout_seconds=5,
        )

    def naps(self, cause: str = "boot", slept: float = 0.0) -> None:
        """Says hello, registers its nap, and leaves the broker. Raises LinkError where that is not acknowledged."""

        async def work() -> None:
            host = FakeHost(self.host.mac)
            host.channel = channel = BrokerChannel(self.settings, "web1", self.folder, host)
            try:
                channel.announce(cause, slept)
                await until(lambda: channel.health.by or channel.health.error)
                await channel.ask("asleep", self.host.registration())
            finally:
                channel.close()

        self.host.inside(lambda: asyncio.run(work()))
        self.host.sleep()

    def is_deaf_until(self, deaf: Callable[[], object], hears: Callable[[], object]) -> None:
        """Says hello, and stays; its card hears and says nothing until the one is true, and hears again until the
        other is.
        """

        async def work() -> None:
            host = FakeHost(self.host.mac)
            host.channel = channel = BrokerChannel(self.settings, "web1", self.folder, host)
            try:
                channel.announce("boot", 0.0)
                await until(lambda: channel.health.by)
                self.host.sleep()
                await until(deaf, 60)
                self.host.wake()
                await until(hears, 60)
            finally:
                channel.close()

        self.host.inside(lambda: asyncio.run(work()), 150)


def test_a_nap_by_the_broker_and_a_wake_that_needs_none(bare_lan: Lan, broker: Mosquitto, tmp_path: Path) -> None:
    desk, web1 = bare_lan.client(), bare_lan.sleeper()
    listener = web1.listen(80)
    speaker = Speaker(bare_lan, broker, web1, tmp_path)
    speaker.naps()
    bare_lan.wait_for_state("web1", "proxied", 30)
    assert _broker(bare_lan)["hosts"] == 0
    assert _link(bare_lan) is None
    assert "Client powernapd-web1 disconnected." in (tmp_path / "log").read_text()
    broker.kill()
    wait_for(lambda: not _broker(bare_lan)["connected"], 30, 0.1)
    begun = time.monotonic()
    connection, connected = desk.connect(web1.ipv4, 80)
    listener.accept()[0].sendall(b"up")
    assert connection.recv(2) == b"up"
    assert connected - begun < 5
    bare_lan.wait_for_state("web1", "awake", 30)
    with pytest.raises(LinkError, match="cannot be reached"):
        speaker.naps("resume", 1.0)
    assert not web1.asleep
    broker.start()
    wait_for(lambda: _broker(bare_lan)["connected"], 90, 0.1)
    speaker.naps("resume", 1.0)
    bare_lan.wait_for_state("web1", "proxied", 30)


def test_a_broker_that_stands_still_or_is_dead_delays_no_wake(bare_lan: Lan, broker: Mosquitto, tmp_path: Path) -> None:
    desk, web1 = bare_lan.client(), bare_lan.sleeper()
    web1.serve(80)
    Speaker(bare_lan, broker, web1, tmp_path).naps()
    bare_lan.wait_for_state("web1", "proxied", 30)
    broker.signal(19)  # SIGSTOP
    begun = time.monotonic()
    connection, connected = desk.connect(web1.ipv4, 80)
    with contextlib.closing(connection):
        connection.settimeout(10)
        assert connection.recv(2) == b"up"
    assert connected - begun < 5
    bare_lan.wait_for_state("web1", "awake", 30)


def test_who_dies_silently_is_unreachable_long_before_the_broker_tells_and_linked_anew_when_it_lives(
    bare_lan: Lan, broker: Mosquitto, tmp_path: Path
) -> None:
    web1 = bare_lan.sleeper()
    speaker = Speaker(bare_lan, broker, web1, tmp_path)
    seen: list[str] = []

    def is_gone() -> bool:
        told = status(bare_lan, "web1")
        seen.append(f"{told['state']} {told['link'] and told['link']['transport']}")
        return str(told["state"]) == "unreachable" and told["link"] is None

    speaker.is_deaf_until(is_gone, lambda: _link(bare_lan) is not None and _link(bare_lan)["transport"] == "mqtt")
    assert seen[0] == "awake mqtt"
    assert _broker(bare_lan)["connections"] == 1 and not web1.magic_at
