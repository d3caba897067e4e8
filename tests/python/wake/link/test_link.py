# SPDX-License-Identifier: GPL-3.0-or-later
"""The link over real TLS sockets: what is answered, what is refused, what ends a connection."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path

import pytest
from tests.python.wake.link.linked import (
    CLOSE,
    SECONDS,
    Ears,
    Place,
    Refused,
    Talker,
    Wire,
    error_of,
    eventually,
    post,
    run,
    talker,
)

from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, read, seal
from powernap.wake.link.hub import NotLinked, OrderLost


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
        assert bye.kind == "bye" and bye.body["cause"] == "stopping" and 1 <= bye.body["again_seconds"] <= 3
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


def test_who_speaks_http_hears_that_it_is_https(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        writer.write(b"GET /api/v1/ca HTTP/1.1\r\nHost: wake1\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        head, _blank, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json")
        assert json.loads(body)["status"] == 400 and "https://" in json.loads(body)["detail"]

    run(tmp_path, act)


def test_who_does_not_have_this_authority_does_not_connect(tmp_path: Path) -> None:
    async def act(there: Place) -> None:
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", there.port, ssl=context, server_hostname="localhost")
        await eventually(lambda: there.service.entrance.status()["handshake_failed"] == 1)
        await eventually(lambda: there.service.entrance.status()["connections"] == 0)

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
