# SPDX-License-Identifier: GPL-3.0-or-later
"""What only MQTT has: the last will, what the broker keeps; and what somebody can do who has got into the broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
from paho.mqtt import client as paho
from tests.python.brokers.real_brokers import PASSWORD, SERVER, Mosquitto, missing
from tests.python.brokers.spoken import (
    NAME,
    SECONDS,
    client,
    connected,
    run,
    settings,
    station,
    until,
    wake_server,
)
from tests.python.nap.fake_link_server import authority

from powernap.net.broker.base import Wish, broker, connect
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, seal

UP, DOWN, LINK = (f"powernap/v1/hosts/{NAME}/{what}" for what in ("up", "down", "link"))


class Witness:
    """Somebody else at the broker, by paho's own thread: reads and writes everything."""

    def __init__(self, at):
        versions = getattr(paho, "CallbackAPIVersion", None)
        self.client = paho.Client(*((versions.VERSION2,) if versions else ()))
        self.client.username_pw_set(SERVER, PASSWORD)
        self.heard, self.ready = [], threading.Event()
        self.client.on_message = lambda _c, _d, message: self.heard.append(message)
        self.client.on_subscribe = lambda *_told: self.ready.set()
        self.client.on_connect = lambda *_told: self.client.subscribe("#", 1)
        self.client.connect("127.0.0.1", at.port)
        self.client.loop_start()
        assert self.ready.wait(SECONDS)

    def of(self, topic, kept=None):
        return [each.payload for each in self.heard if each.topic == topic and kept in (None, each.retain)]

    def say(self, topic, text, keep=False):
        self.client.publish(topic, text, 1, keep).wait_for_publish(SECONDS)

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def witness(mosquitto):
    made = Witness(mosquitto)
    yield made
    for topic in (LINK, DOWN, UP):
        made.say(topic, "", keep=True)
    made.end()


@contextlib.asynccontextmanager
async def spoken(folder, mosquitto):
    async with wake_server(folder / "wake", mosquitto) as server:
        await connected(server)
        key = await server.enrol(NAME)
        with client(folder, key, settings(folder, mosquitto, None)) as host:
            host.channel.announce("boot", 0.0)
            await until(lambda: server.hub.linked(NAME) is not None and host.channel.health.by)
            yield server, host, key


def test_the_last_will_of_a_host_that_is_killed_ends_its_link_at_once(tmp_path, mosquitto, witness):
    async def work():
        async with wake_server(tmp_path / "wake", mosquitto) as server:
            await connected(server)
            (tmp_path / "key").write_text(await server.enrol(NAME))
            said = json.dumps(asdict(settings(tmp_path, mosquitto, None)))
            command = [sys.executable, "-m", "tests.python.brokers.speaker", str(tmp_path), said]
            process = subprocess.Popen(command)  # noqa: ASYNC220  it is not waited for
            try:
                await until(lambda: server.hub.linked(NAME) is not None)
                await until(lambda: witness.of(LINK)[-1:] == [b"online"])
                process.send_signal(signal.SIGKILL)
                begun = time.monotonic()
                await until(lambda: server.hub.linked(NAME) is None)
                took = time.monotonic() - begun
            finally:
                process.kill()
                process.wait()
            await until(lambda: witness.of(LINK)[-1].startswith(b"offline "))
            return took

    assert run(work()) < 10


def test_a_farewell_leaves_the_broker_nothing_to_say_later(tmp_path, mosquitto, witness):
    """A last will that comes when the host has slept would be taken for its death."""

    async def work():
        async with spoken(tmp_path, mosquitto) as (server, host, _key):
            before = len((mosquitto.folder / "log").read_text())
            host.channel.sleeping()
            await until(lambda: server.hub.linked(NAME) is None)
            await until(lambda: witness.of(LINK)[-1].startswith(b"offline "))
            return (mosquitto.folder / "log").read_text()[before:]

    log = run(work())
    assert "Received DISCONNECT from powernapd-web1" in log
    assert "Client powernapd-web1 disconnected." in log


def test_what_a_host_is_is_kept_on_a_topic_that_no_will_overwrites(tmp_path, mosquitto, witness):
    state = f"powernap/v1/hosts/{NAME}/state"

    async def work():
        async with spoken(tmp_path, mosquitto) as (server, _host, _key):
            await until(lambda: witness.of(state))
            late = Witness(mosquitto)
            try:
                await until(lambda: late.of(state, kept=True))
                told = json.loads(late.of(state)[-1])
            finally:
                late.end()
            await server.service.enrolment.forget(NAME)
            await until(lambda: witness.of(state)[-1] == b"")
            return told

    told = run(work())
    assert (told["host"], told["state"]) == (NAME, "awake")
    assert told["since"] <= time.time()


def test_what_is_forged_or_replayed_on_the_broker_is_refused(tmp_path, mosquitto, witness):
    async def work():
        async with spoken(tmp_path, mosquitto) as (server, host, key):
            await until(lambda: any(b'"hello"' in text for text in witness.of(UP)))
            (hello,) = [text for text in witness.of(UP) if b'"hello"' in text]
            refused = server.hub.counts["refused"], server.hub.counts["strangers"]
            number = time.time_ns() * 2
            for forged in (
                seal("00" * 32, TO_SERVER, Message(NAME, "asleep", number, {})),
                seal(key, TO_CLIENT, Message(NAME, "bye", number, {"cause": "stopped"})),
                seal("00" * 32, TO_SERVER, Message("nobody", "bye", number, {"cause": "stopped"})),
                "0" * 70_000,
                '{"a": 1}',
            ):
                witness.say(UP, forged)
            witness.say("powernap/v1/hosts/nobody/up", hello)
            await until(lambda: station(server)["refused"] >= 6)
            witness.say(UP, hello)
            await until(lambda: server.hub.counts["refused"] > refused[0])
            assert server.hub.counts["strangers"] > refused[1]
            assert server.hub.linked(NAME) is not None
            assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok
            assert station(server)["hosts"] == 1
            return len(host.orders)

    assert run(work()) == 1


def test_a_will_that_the_host_did_not_sign_for_this_connection_ends_nothing(tmp_path, mosquitto, witness):
    async def work():
        async with spoken(tmp_path, mosquitto) as (server, host, _key):
            host.channel.sleeping()
            await until(lambda: server.hub.linked(NAME) is None)
            await until(lambda: witness.of(LINK)[-1].startswith(b"offline "))
            old = witness.of(LINK)[-1]
            host.channel.announce("resume", 5.0)
            await until(lambda: server.hub.linked(NAME) is not None)
            refused = station(server)["refused"]
            for text in (b"offline", b"offline " + b"0" * 64 + b" {}", old):
                witness.say(LINK, text)
            await until(lambda: station(server)["refused"] >= refused + 2)
            assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok

    run(work())


def test_orders_that_are_kept_replayed_or_forged_do_nothing(tmp_path, mosquitto, witness):
    async def work():
        async with spoken(tmp_path, mosquitto) as (server, host, _key):
            assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok
            await until(lambda: any(b'"order"' in text for text in witness.of(DOWN)))
            (order,) = [text for text in witness.of(DOWN) if b'"order"' in text]
            witness.say(DOWN, order)
            witness.say(DOWN, seal("00" * 32, TO_CLIENT, Message(NAME, "order", time.time_ns() * 2, {"id": "forged"})))
            await until(lambda: len(host.orders) == 2)
            witness.say(DOWN, order, keep=True)
            await until(lambda: len(host.orders) == 3)
            host.channel.sleeping()
            await until(lambda: server.hub.linked(NAME) is None)
            host.channel.announce("resume", 5.0)  # the broker gives it what it has kept
            await until(lambda: server.hub.linked(NAME) is not None and host.channel.health.by)
            assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok
            return [type(each).__name__ for each in host.orders]

    assert run(work()) == ["Order", "Refused", "Refused", "Order"]


def test_a_broker_that_stands_still_keeps_nobody_waiting(tmp_path, mosquitto):
    async def work():
        async with spoken(tmp_path, mosquitto) as (server, _host, _key):
            mosquitto.signal(signal.SIGSTOP)
            try:
                link = server.hub.linked(NAME)
                assert link is not None
                begun = time.monotonic()
                for _nth in range(3000):  # more than the sockets hold, and than may wait
                    link.send("x" * 4000)
                took = time.monotonic() - begun
                await until(lambda: not station(server)["connected"])
                assert "does not read" in station(server)["trouble"]
            finally:
                mosquitto.signal(signal.SIGCONT)
            return took

    assert run(work()) < 5


@pytest.mark.parametrize("ca", ["own", "other", "none"])
def test_by_tls_the_broker_is_believed_for_its_ca_and_its_name_alone(tmp_path, ca):
    if missing(Mosquitto):
        pytest.skip(missing(Mosquitto))
    ca_file, certificate = authority(tmp_path)
    other, _certificate = authority(tmp_path, "other")
    secured = Mosquitto(tmp_path, certificate)
    secured.start()

    async def work():
        given = {"own": str(ca_file), "other": str(other), "none": ""}[ca]
        place = broker(secured.url, SERVER, str(secured.password_file), given)
        made = await connect(place, Wish("web1", (DOWN,)), 20)
        heard = []
        made.heard = heard.append
        for nth in range(200):  # more than one record of TLS at a time
            made.publish(DOWN, f"{nth} " + "x" * 500)
        await until(lambda: len(heard) == 200)
        made.close()
        with pytest.raises(Exception, match="is not believed"):
            await connect(replace(place, host="localhost"), Wish("web1", ()), 20)  # it names 127.0.0.1
        return [each.text.split()[0] for each in heard]

    try:
        if ca == "own":
            assert run(work()) == [b"%d" % nth for nth in range(200)]
        else:
            with pytest.raises(Exception, match="is not believed"):
                run(work())
    finally:
        secured.kill()


def test_a_quiet_link_has_one_timer_which_is_far_away(tmp_path, mosquitto):
    async def work():
        async with spoken(tmp_path, mosquitto) as (_server, host, _key):
            connection = host.channel._socket._connection
            return connection._timer.when() - asyncio.get_running_loop().time()

    assert run(work()) > 1100


def test_the_broker_is_asked_whether_it_is_there_before_it_takes_a_quiet_client_for_dead(mosquitto):
    async def work():
        place = broker(mosquitto.url, SERVER, str(mosquitto.password_file))
        made = await connect(place, Wish("quiet", (DOWN,), None, 2), 20)
        lost = []
        made.lost = lost.append
        await asyncio.sleep(8)  # the broker's patience is 3 s
        assert not lost
        made.close()

    run(work())
