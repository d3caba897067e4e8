# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's end of the channel against a FakeLinkServer: how it is linked, and whom it believes; with real TLS."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import time

import pytest
from channels import REGISTRATION, linked, run, server_and_channels, until
from fake_link_server import authority

from powernap.nap.link import backoff, channel, posting, websocket, wire
from powernap.nap.link.host import LinkError
from powernap.nap.link.posting import post
from powernap.nap.link.websocket import open_websocket
from powernap.nap.link.wire import SPEAKS_TLS


@pytest.fixture
def place(tmp_path, monkeypatch):
    with server_and_channels(tmp_path, monkeypatch) as made:
        yield made


def test_a_hello_is_answered_over_tls_and_nothing_is_left_to_be_done_while_it_is_quiet(place, tmp_path):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        await until(lambda: not made._session.unanswered)
        timers = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
        result = made.health.by, made.health.fingerprint, made.health.acknowledged, len(timers)
        made.close()
        return result

    by, fingerprint, acknowledged, timers = run(work())
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "ca.pem").read_text())
    assert (by, acknowledged) == ("websocket", True)
    assert fingerprint == hashlib.sha256(der).hexdigest()
    assert timers <= 1  # the test's own time limit
    (hello,) = server.of("hello")
    assert (hello["cause"], hello["state"]) == ("boot", "awake")
    assert not server.of("awake")  # the hello said so already


def test_a_link_that_is_lost_comes_back_and_what_was_not_answered_is_said_again(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=1)
        await linked(made, server)
        server.mute = {"done"}
        made.tell("done", {"order": "x", "ok": True, "said": "", "result": {}}, "done x")
        await until(lambda: not made.health.by)
        server.mute = set()
        await until(lambda: server.of("done"))
        made.close()

    run(work())
    assert len(server.of("done")) == 1
    assert server.numbers == sorted(set(server.numbers))


def test_after_a_loss_it_waits_as_the_dice_say_so_that_not_all_come_at_once(place, monkeypatch):
    server, make = place
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 3.0)

    async def work():
        made, _host = make()
        made._backoff = backoff.Backoff(lambda: 1.0)
        await linked(made, server)
        server.drop()
        await until(lambda: not made.health.by)
        began = time.monotonic()
        await until(lambda: made.health.by)
        made.close()
        return time.monotonic() - began

    assert run(work()) > 2.5


def test_who_is_refused_with_a_result_to_tell_does_not_knock_without_a_pause(place):
    server, make = place
    server.refuse = {"hello": {"error": "not now"}}

    async def work():
        made, host = make()

        async def greeting():
            made.tell("done", {"order": "x"}, "done x")
            return {"state": "awake"}

        host.greeting = greeting
        made._backoff = backoff.Backoff(lambda: 1.0)
        made.announce("boot", 0.0)
        await asyncio.sleep(2)
        made.close()

    run(work())
    assert 1 <= len(server.numbers) <= 6


def test_a_server_that_starts_anew_is_found_again(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        server.stop()
        await until(lambda: not made.health.by and made.health.error)
        error = made.health.error
        server.start()
        await until(lambda: made.health.by)
        made.close()
        return error

    assert run(work())
    assert len(server.of("hello")) == 2


def test_without_a_websocket_it_posts_and_returns_to_it_later(place, monkeypatch):
    server, make = place
    server.websocket = False

    async def work():
        made, _host = make()
        await linked(made, server)
        assert made.health.by == "post"
        await made.ask("asleep", REGISTRATION)
        made.announce("cancelled", 0.0)
        await until(lambda: made.health.by)
        server.websocket = True
        monkeypatch.setattr(channel, "RETURN_SECONDS", 0.0)
        made.changed()
        await until(lambda: made.health.by == "websocket")
        made.close()

    run(work())
    assert server.of("asleep") == [REGISTRATION]


def test_a_websocket_that_swallows_everything_is_passed_by(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=1)
        server.mute = {"hello"}
        made.announce("boot", 0.0)
        await until(lambda: "post" in server.ways)
        server.mute = set()
        await until(lambda: made.health.by == "post")
        made.close()

    run(work())


def test_another_ca_is_not_believed_and_the_remedy_is_named(place, tmp_path):
    _server, make = place
    other, _certificate = authority(tmp_path, "other")

    async def work():
        made, _host = make(ca_file=str(other))
        with pytest.raises(LinkError, match=r"is not of the CA in server\.ca_file"):
            await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "cannot be read"), ("no certificate", "holds no certificate"), ("", "holds no")]
)
def test_a_ca_that_cannot_be_used_is_named_by_its_file(place, tmp_path, text, sentence):
    _server, make = place
    if text is not None:
        (tmp_path / "bad.pem").write_text(text)

    async def work():
        made, _host = make(ca_file=str(tmp_path / "bad.pem"))
        with pytest.raises(LinkError, match=f"bad.pem {sentence}"):
            await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())


def test_with_the_systems_cas_one_of_our_own_is_not_believed(place):
    _server, make = place

    async def work():
        made, _host = make(ca_file="system")
        with pytest.raises(LinkError, match="certificate"):
            await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())


def test_a_server_that_asks_for_time_is_given_it(place):
    server, make = place
    server.refuse = {"hello": {"error": "too many at once", "again_seconds": 2}}

    async def work():
        made, _host = make()
        made.announce("boot", 0.0)
        await until(lambda: server.numbers)
        server.refuse = {}
        began = time.monotonic()
        made.announce("reload", 0.0)
        await until(lambda: made.health.by)
        made.close()
        return time.monotonic() - began

    assert run(work()) > 1


def test_who_cannot_reach_the_server_ends_all_the_same_and_soon(place):
    server, make = place
    server.stop()

    async def work():
        made, _host = make(timeout_seconds=1)
        made.announce("boot", 0.0)
        began = time.monotonic()
        await made.end("stopped")
        return time.monotonic() - began

    assert run(work()) < 15
    server.start()


@pytest.mark.parametrize("link", ["websocket", "auto"])
def test_http_is_told_from_https(place, link):
    server, make = place

    async def work():
        made, _host = make(url=server.url.replace("https", "http"), link=link)
        with pytest.raises(LinkError, match=re.escape(SPEAKS_TLS)):
            await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())


def _resets(writer):
    writer.transport.abort()


def _closes(writer):
    writer.close()


def _alerts(writer):
    writer.write(bytes.fromhex("15030300020246"))  # fatal, protocol_version
    writer.close()


@pytest.mark.parametrize("does", [_resets, _closes, _alerts])
@pytest.mark.parametrize("way", [open_websocket, lambda *where: post(*where, "a word")])
@pytest.mark.parametrize("listens", ["at once", "after it is lost"])
def test_however_a_server_turns_http_away_the_sentence_says_what_to_look_at(does, way, listens, monkeypatch):
    async def work():
        async def met(reader, writer):
            if listens == "at once":
                await reader.read(10)
            does(writer)

        if listens != "at once":
            real = websocket.connect

            async def late(*where):
                wire = await real(*where)
                await until(lambda: wire._transport is None)
                return wire

            monkeypatch.setattr(websocket, "connect", late)
            monkeypatch.setattr(posting, "connect", late)
        server = await asyncio.start_server(met, "127.0.0.1", 0)
        where = wire.address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(wire.Unreachable, match=re.escape(SPEAKS_TLS)):
            await way(where, None, 10)
        server.close()
        return time.monotonic() - began

    assert run(work()) < 5, "it does not wait for an answer that cannot come"
