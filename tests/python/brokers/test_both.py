# SPDX-License-Identifier: GPL-3.0-or-later
"""What both brokers carry alike: hello, orders, the wake server's own end, the direct way where the broker fails."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.python.brokers.real_brokers import free_port
from tests.python.brokers.spoken import NAME, client, connected, run, settings, station, until, wake_server

from powernap.nap.link import brokerchannel
from powernap.nap.link.channel import LinkError


def linked(server, host, by):
    link = server.hub.linked(NAME)
    return link is not None and link.transport == by == host.channel.health.by


def test_a_host_says_hello_carries_out_an_order_and_says_farewell(tmp_path, broker):
    async def work():
        async with wake_server(tmp_path / "wake", broker) as server:
            await connected(server)
            with client(tmp_path, await server.enrol(NAME), settings(tmp_path, broker, None)) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: linked(server, host, broker.protocol))
                done = await server.hub.order(NAME, "recover", {}, "alice", 30)
                assert (done.ok, done.said) == (True, "so it was")
                await host.channel.end("stopped")
                await until(lambda: server.hub.linked(NAME) is None)
            assert station(server)["hosts"] == 0
            assert station(server)["refused"] == 0

    run(work())


def test_what_the_wake_server_refuses_is_told_in_its_own_words(tmp_path, broker):
    async def work():
        async with wake_server(tmp_path / "wake", broker) as server:
            await connected(server)
            with client(tmp_path, await server.enrol(NAME), settings(tmp_path, broker, None)) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: linked(server, host, broker.protocol))
                with pytest.raises(LinkError) as refused:
                    await host.channel.ask("asleep", {"action": "suspend", "interfaces": []})
                return str(refused.value)

    assert "interfaces" in run(work())


def test_a_wake_server_that_comes_to_the_broker_again_hears_every_hello_anew(tmp_path, broker):
    async def work():
        key = None
        async with wake_server(tmp_path / "wake", broker) as server:
            await connected(server)
            key = await server.enrol(NAME)
            with client(tmp_path, key, settings(tmp_path, broker, None)) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: linked(server, host, broker.protocol))
                since = host.channel.health.since
                server.service.transports._stations[0]._connection.close()
                await until(lambda: linked(server, host, broker.protocol) and host.channel.health.since != since)
                assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok
                return station(server)["connections"]

    assert run(work()) == 2


def test_no_registration_counts_while_the_wake_server_does_not_answer_by_the_broker(tmp_path, broker):
    async def work():
        async with wake_server(tmp_path / "wake", broker) as server:
            key = await server.enrol(NAME)
        with client(tmp_path, key, settings(tmp_path, broker, None, timeout_seconds=2)) as host:
            with pytest.raises(LinkError) as failed:
                await host.channel.ask("asleep", {"action": "suspend", "interfaces": []})
            return str(failed.value), host.channel.health.as_dict(0.0)

    why, health = run(work())
    assert broker.url in why
    assert health["acknowledged"] is False


def test_where_the_broker_is_dead_the_client_speaks_to_the_wake_server_itself(tmp_path, broker, monkeypatch):
    monkeypatch.setattr(brokerchannel, "RETURN_SECONDS", 0.0)

    async def work():
        async with wake_server(tmp_path / "wake", broker) as server:
            await connected(server)
            key = await server.enrol(NAME)
            dead = replace(settings(tmp_path, broker, server), broker=f"{broker.protocol}://127.0.0.1:{free_port()}")
            with client(tmp_path, key, dead) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: linked(server, host, "websocket"))
                assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok

    run(work())


@pytest.mark.parametrize("side", ["host", "wake server"])
def test_a_wrong_password_is_one_sentence_that_does_not_show_it(tmp_path, broker, caplog, side):
    wrong = "entirely wrong"

    async def work():
        given = {"password": wrong} if side == "wake server" else {}
        async with wake_server(tmp_path / "wake", broker, **given) as server:
            if side == "wake server":
                await until(lambda: station(server)["trouble"])
                return station(server)["trouble"]
            await connected(server)
            (tmp_path / "wrong").write_text(wrong)
            bad = settings(tmp_path, broker, None, broker_password_file=str(tmp_path / "wrong"))
            with client(tmp_path, await server.enrol(NAME), bad) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: host.channel.health.error)
                return host.channel.health.error

    said = run(work())
    assert "refuses the user" in said and "password" in said
    assert wrong not in said + caplog.text


def test_a_password_file_that_is_not_there_is_named(tmp_path, broker):
    async def work():
        bad = settings(tmp_path, broker, None, broker_password_file=str(tmp_path / "none"))
        with client(tmp_path, "5a" * 32, bad) as host:
            host.channel.announce("boot", 0.0)
            await until(lambda: host.channel.health.error)
            return host.channel.health.error

    assert f"{tmp_path}/none: the password cannot be read" in run(work())


def test_the_broker_may_be_killed_and_started_again_midway(tmp_path, broker):
    async def work():
        async with wake_server(tmp_path / "wake", broker) as server:
            await connected(server)
            with client(tmp_path, await server.enrol(NAME), settings(tmp_path, broker, None)) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: linked(server, host, broker.protocol))
                broker.kill()
                await until(lambda: not station(server)["connected"] and server.hub.linked(NAME) is None)
                assert station(server)["trouble"]
                begun = time.monotonic()
                assert server.service.status("1")["brokers"] == [station(server)]
                assert time.monotonic() - begun < 1
                broker.start()
                await until(lambda: linked(server, host, broker.protocol), 120)
                assert (await server.hub.order(NAME, "recover", {}, "alice", 30)).ok

    try:
        run(work())
    finally:
        if broker.process is None:
            broker.start()
