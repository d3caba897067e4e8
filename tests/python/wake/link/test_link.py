# SPDX-License-Identifier: GPL-3.0-or-later
"""The link over real TLS sockets: what is answered, what is refused, what ends a connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.python.wake.link.linked import (
    CLOSE,
    SECONDS,
    TEXT,
    Place,
    Refused,
    Talker,
    Wire,
    connect,
    error_of,
    eventually,
    place,
    post,
)

from powernap.shared.envelope import MOST_BYTES, TO_CLIENT, TO_SERVER, Message, read, seal
from powernap.wake.link.hub import Hello, HubListener, NotLinked, OrderLost, Peer, Said
from powernap.wake.link.websocket import MOST_WAITING


def run(directory: Path, act: Callable[[Place], Awaitable[None]], **listen: object) -> None:
    async def body() -> None:
        async with place(directory, **listen) as there:
            await act(there)

    asyncio.run(asyncio.wait_for(body(), 90))


class Ears(HubListener):
    def __init__(self, place: Place) -> None:
        self.heard: list[tuple[object, ...]] = []
        place.hub.listeners.append(self)

    def hello(self, name: str, hello: Hello, peer: Peer) -> None:
        self.heard.append(("hello", name, hello.state, peer.transport))

    def said(self, name: str, said: Said) -> None:
        self.heard.append(("said", name, said.state))

    def left(self, name: str, how: str, peer: Peer) -> None:
        self.heard.append(("left", name, how))

    def bye(self, name: str, cause: str) -> None:
        self.heard.append(("bye", name, cause))


async def talker(there: Place, name: str = "web1", number: int = 1) -> Talker:
    return Talker(there, name, await there.enrol(name, number))


def test_a_hello_is_welcomed_and_what_is_said_is_heard(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        nonce = "ab" * 16
        host.wire = await Wire.open(there)
        text = host.seal("hello", {"nonce": nonce, "state": "awake", "cause": "boot", "slept_seconds": 0})
        welcome = await host.ask(text)
        assert welcome.kind == "welcome" and welcome.body["nonce"] == nonce and welcome.body["name"] == "web1"
        assert welcome.body["woken_for"] is None and abs(welcome.body["time"] - time.time()) < 60
        assert there.service.record("web1").sequence == read(text).message.seq  # on disk by now
        said = await host.say("state", {"state": "powersave", "since_seconds": 3, "why": "idle"})
        assert said.kind == "ack" and said.body["ok"] is True
        assert (await host.say("bye", {"cause": "reboot"})).body["ok"] is True
        host.wire.close()
        await eventually(lambda: len(ears.heard) == 4)
        assert [each[0] for each in ears.heard] == ["hello", "said", "bye", "left"]

    run(tmp_path, act)


def test_a_message_by_post_is_answered(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        status, answer = await post(there, host.hello().encode())
        welcome = read(answer.strip()).opened(host.key, TO_CLIENT)
        assert (status, welcome.kind) == (200, "welcome")
        status, answer = await post(there, host.seal("state", {"state": "awake"}).encode())
        assert read(answer.strip()).opened(host.key, TO_CLIENT).body == {"ok": True}
        assert ears.heard == [("hello", "web1", "awake", "post"), ("said", "web1", "awake")]
        with pytest.raises(NotLinked):
            await there.hub.order("web1", "nap", {}, "a test")

    run(tmp_path, act)


def test_the_same_message_by_another_way_is_answered_again_but_not_done_again(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        await host.link()
        text = host.seal("state", {"state": "warned"})
        first = await host.ask(text)
        status, answer = await post(there, text.encode())
        assert status == 200
        assert read(answer.strip()).opened(host.key, TO_CLIENT) == first
        assert ears.heard.count(("said", "web1", "warned")) == 1

    run(tmp_path, act)


def test_an_older_message_is_refused(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        await host.link()
        old = host.seal("state", {"state": "napping"})
        await host.ask(old)
        await host.say("state", {"state": "awake"})
        assert "used before" in error_of(await host.ask(old))
        assert [each for each in ears.heard if each[0] == "said"] == [
            ("said", "web1", "napping"),
            ("said", "web1", "awake"),
        ]

    run(tmp_path, act)


@pytest.mark.parametrize("trick", ["unknown", "wrong key", "own direction", "one bit"])
def test_who_signs_with_no_key_known_here_is_shown_the_door(tmp_path: Path, trick: str) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        message = Message(
            "web9" if trick == "unknown" else "web1", "hello", host.seq, {"nonce": "ab" * 16, "state": "awake"}
        )
        key = "11" * 32 if trick == "wrong key" else host.key
        text = seal(key, TO_CLIENT if trick == "own direction" else TO_SERVER, message)
        if trick == "one bit":
            text = text.replace('"awake"', '"awakf"')
        wire = await Wire.open(there)
        wire.frame(text.encode())
        with pytest.raises(Refused) as refused:
            await wire.hear()
        assert refused.value.code == 4401 and "is not known here by that key" in refused.value.why
        status, answer = await post(there, text.encode())
        assert status == 401 and "is not known here by that key" in json.loads(answer)["error"]
        assert not ears.heard and there.hub.linked("web1") is None

    run(tmp_path, act)


def _garbage(host: Talker) -> dict[str, bytes]:
    text = host.hello().encode()
    deep = b'{"a":' * 20_000
    signed = b"0" * 64 + b" "
    return {
        "empty": b"",
        "cut": text[: len(text) // 2],
        "no signature": text[65:],
        "deep": signed + b'{"host":"web1","kind":"hello","seq":1,"body":' + deep[:60_000],
        "deep list": signed + b"[" * 60_000,
        "no object": signed + b"[]",
        "not a number": signed + b'{"host":"web1","kind":"hello","seq":NaN,"body":{}}',
        "huge number": signed + b'{"host":"web1","kind":"hello","seq":' + b"9" * 6000 + b',"body":{}}',
    }


def test_what_is_no_message_ends_the_connection_with_a_sentence(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        for what, data in _garbage(host).items():
            wire = await Wire.open(there)
            wire.frame(data)
            with pytest.raises(Refused) as refused:
                await wire.hear()
            assert refused.value.code == 1007 and refused.value.why, what
            status, answer = await post(there, data)
            assert status == 400 and json.loads(answer)["error"], what
        await host.link()  # and all goes on

    run(tmp_path, act)


async def pour(wire: Wire, times: int) -> None:
    """64 KiB so often, and hear what comes of it."""
    for _nth in range(times):
        wire.writer.write(b"x" * 65536)
        await wire.writer.drain()
    await wire.hear()


def test_a_frame_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        for proven in (False, True):
            if proven:
                await host.link()
            wire = host.wire if proven else await Wire.open(there)
            wire.frame(b"x" * 1000, length=100 << 20)
            with pytest.raises((Refused, ConnectionError)):
                await pour(wire, 1600)
        await eventually(lambda: there.hub.linked("web1") is None)

    run(tmp_path, act)


def test_parts_without_an_end_are_refused(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        wire = await Wire.open(there)
        for number in range(100):
            wire.frame(b"x" * 60_000, kind=TEXT if number == 0 else 0, last=False)
        with pytest.raises((Refused, ConnectionError)):
            await wire.hear()

    run(tmp_path, act)


def test_the_longest_message_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        room = MOST_BYTES - len(host.seal("state", {"state": "awake", "x": ""}))
        assert (await host.say("state", {"state": "awake", "x": "y" * room})).body["ok"] is True
        host.wire.frame(host.seal("state", {"state": "awake", "x": "y" * (room + 1)}).encode())
        with pytest.raises(Refused):
            await host.hear()

    run(tmp_path, act)


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        ("hello", {"nonce": "xy", "state": "awake"}, "nonce: give"),
        ("hello", {"nonce": "ab" * 16, "state": "asleep"}, "state: say one of"),
        ("hello", {"nonce": "ab" * 16, "state": "awake", "cards": [{"mac": "zz"}]}, r"cards[0].mac:"),
        ("state", {"state": "awake", "since_seconds": -1}, "since_seconds: give"),
        ("done", {"order": "1", "ok": "yes"}, "ok: say true"),
        ("bye", {"cause": "boredom"}, "cause: say one of"),
        ("asleep", {}, "interfaces: give"),
        ("sing", {}, "kind: 'sing' is not known"),
    ],
)
def test_a_body_that_cannot_be_understood_is_refused_and_the_link_stays(
    tmp_path: Path, kind: str, body: dict[str, object], sentence: str
) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        assert sentence in error_of(await host.say(kind, body))
        assert (await host.say("state", {"state": "awake"})).body["ok"] is True

    run(tmp_path, act)


def test_a_newer_connection_replaces_the_older_which_hears_why(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        await host.link()
        old = host.wire
        await host.link()
        with pytest.raises(Refused, match="replaced by a newer connection"):
            await old.hear()
        assert (await host.say("state", {"state": "awake"})).body["ok"] is True
        assert there.hub.status()["links"] == 1
        assert not [each for each in ears.heard if each[0] == "left"]
        assert "link replaced" in str(there.service.engine.log.since(0))

    run(tmp_path, act)


def test_a_connection_that_ends_without_a_word_is_told_of(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        await host.link()
        host.wire.close()
        await eventually(lambda: ears.heard[-1][0] == "left")
        assert there.hub.linked("web1") is None and there.service.entrance.status()["connections"] == 0

    run(tmp_path, act)


# Orders


def test_an_order_is_signed_for_this_session_and_its_result_comes_back(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        session = (await host.link())["session"]
        given = asyncio.ensure_future(there.hub.order("web1", "inhibit", {"seconds": 60}, "ann", 30))
        order = await host.hear()
        assert order.kind == "order" and order.body["session"] == session
        assert (order.body["verb"], order.body["arguments"], order.body["by"]) == ("inhibit", {"seconds": 60}, "ann")
        await host.say("done", {"order": order.body["id"], "ok": True, "said": "held", "result": {"until": 5}})
        done = await given
        assert (done.ok, done.said, done.result) == (True, "held", {"until": 5})

    run(tmp_path, act)


def test_an_order_whose_link_was_lost_is_sent_again_under_the_same_id(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        given = asyncio.ensure_future(there.hub.order("web1", "recover", {}, "ann", 60))
        first = await host.hear()
        host.wire.close()
        await eventually(lambda: there.hub.linked("web1") is None)
        session = (await host.link())["session"]
        again = await host.hear()
        assert again.body["id"] == first.body["id"] and again.body["time"] == first.body["time"]
        assert again.body["session"] == session != first.body["session"] and again.seq > first.seq
        await host.say("done", {"order": again.body["id"], "ok": True, "said": "", "result": {}})
        assert (await given).ok

    run(tmp_path, act)


def test_an_order_whose_host_does_not_come_back_is_lost_when_it_is_no_longer_valid(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        given = asyncio.ensure_future(there.hub.order("web1", "nap", {}, "ann", 1))
        await host.hear()
        host.wire.close()
        with pytest.raises(OrderLost, match="did not come back"):
            await given
        await host.link()
        assert (await host.say("state", {"state": "awake"})).kind == "ack"  # it was not sent again

    run(tmp_path, act)


def test_a_host_cannot_answer_an_order_of_another(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host, other = await talker(there), await talker(there, "web2", 2)
        await host.link()
        await other.link()
        given = asyncio.ensure_future(there.hub.order("web1", "nap", {}, "ann", 30))
        order = await host.hear()
        await other.say("done", {"order": order.body["id"], "ok": True, "said": "forged", "result": {}})
        await host.say("done", {"order": order.body["id"], "ok": False, "said": "busy", "result": {}})
        assert (await given).said == "busy"

    run(tmp_path, act)


def test_who_waits_for_an_order_hears_that_the_server_stops_and_hosts_when_to_come_back(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        given = asyncio.ensure_future(there.hub.order("web1", "nap", {}, "ann", 30))
        await host.hear()
        closing = asyncio.ensure_future(there.hub.close(SECONDS))
        with pytest.raises(OrderLost, match="powerwaked is stopping"):
            await given
        bye = await host.hear()
        assert bye.kind == "bye" and bye.body["cause"] == "stopping" and 0 < bye.body["again_seconds"] <= 2
        with pytest.raises(Refused, match="stopping") as refused:
            await host.hear()
        assert refused.value.code == 1001
        await closing

    run(tmp_path, act)


def test_a_forgotten_host_is_no_longer_heard(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        ears, host = Ears(there), await talker(there)
        await host.link()
        await there.service.enrolment.forget("web1")
        with pytest.raises(Refused, match="no longer known"):
            await host.hear()
        assert ears.heard[-1] == ("left", "web1", "forgotten")

    run(tmp_path, act)


# Bounds


def test_a_host_that_does_not_read_is_let_go_of(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        peer = there.hub.linked("web1")
        assert peer is not None
        text = "x" * 60_000
        for _nth in range(MOST_WAITING * 100 // len(text)):
            peer.send(text)
            await asyncio.sleep(0)
            if there.hub.linked("web1") is None:
                break
        await eventually(lambda: there.hub.linked("web1") is None)

    run(tmp_path, act)


def test_a_host_that_floods_is_refused_and_counted_and_others_are_heard(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host, other = await talker(there), await talker(there, "web2", 2)
        await host.link()
        await other.link()
        texts = [host.seal("state", {"state": "awake"}) for _nth in range(60)]
        answers = await asyncio.gather(*(post(there, text.encode()) for text in texts))
        bodies = [read(answer.strip()).opened(host.key, TO_CLIENT).body for status, answer in answers if status == 200]
        refused = [body for body in bodies if not body["ok"] and "too many messages" in str(body["error"])]
        assert refused and all(body["again_seconds"] > 0 for body in refused)
        assert there.hub.status()["floods"] == len(refused)
        assert (await other.say("state", {"state": "awake"})).body["ok"] is True
        assert "flood" in str(there.service.engine.log.since(0))

    run(tmp_path, act, messages_per_second=0.2)


def test_who_says_nothing_is_shown_the_door_in_time_at_each_step(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        bare_reader, bare = await asyncio.open_connection("127.0.0.1", there.port)
        half_reader, half = await asyncio.open_connection("127.0.0.1", there.port)
        half.write(b"\x16\x03\x01")
        tls_reader, _tls = await connect(there)
        wire = await Wire.open(there)
        host = await talker(there)
        await host.link()
        for reader in (bare_reader, half_reader, tls_reader, wire.reader):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert await asyncio.wait_for(reader.read(), 30) == b""
        assert there.service.entrance.status()["late"] == 4
        assert (await host.say("state", {"state": "awake"})).body["ok"] is True  # who said who he is stays
        bare.close()

    run(tmp_path, act, unproven_seconds=1.0)


def test_connections_of_one_source_that_prove_nothing_are_bounded_and_others_come_in(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", there.port, local_addr=("127.0.0.2", 0)) for _ in range(12)]
        await eventually(lambda: there.service.entrance.status()["refused"] == 4)
        host = await talker(there)
        await host.link()  # from another address
        assert there.service.entrance.status()["unproven"] == 8
        for _reader, writer in idle:
            writer.close()
        await eventually(lambda: there.service.entrance.status()["unproven"] == 0)

    run(tmp_path, act, unproven_per_source=8)


def test_a_thousand_connections_that_prove_nothing_keep_nobody_out_for_longer_than_their_time(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        idle = []
        for number in range(1000):
            address = f"127.0.{1 + number // 100}.{1 + number % 100}"
            idle.append(await asyncio.open_connection("127.0.0.1", there.port, local_addr=(address, 0)))
        assert there.service.entrance.status()["unproven"] <= 50
        host = await talker(there)
        task = asyncio.ensure_future(host.link())
        for _reader, writer in idle[100:]:
            writer.transport.abort()  # those never let in have gone
        await task
        assert there.service.entrance.status()["unproven"] <= 50
        for _reader, writer in idle:
            writer.close()

    run(tmp_path, act, unproven=50, unproven_seconds=2.0)


def test_who_speaks_http_hears_that_it_is_https(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        writer.write(b"GET /api/v1/ca HTTP/1.1\r\nHost: wake1\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        assert answer.startswith(b"HTTP/1.1 400") and b"https://" in answer

    run(tmp_path, act)


def test_who_does_not_have_this_authority_does_not_connect(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", there.port, ssl=context, server_hostname="localhost")
        await eventually(lambda: there.service.entrance.status()["handshake_failed"] == 1)
        await eventually(lambda: there.service.entrance.status()["connections"] == 0)

    run(tmp_path, act)


def test_the_kernel_looks_whether_the_other_side_is_there(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        (transport,) = there.service.entrance.guards
        link = transport.get_extra_info("socket")
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000

    run(tmp_path, act)


def test_a_close_frame_is_answered(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        host = await talker(there)
        await host.link()
        host.wire.frame(b"\x03\xe8", CLOSE)
        with pytest.raises(Refused) as refused:
            await host.hear()
        assert refused.value.code == 1000

    run(tmp_path, act)
