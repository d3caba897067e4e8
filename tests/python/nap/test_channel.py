# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's end of the channel against a FakeLinkServer: real TLS, real WebSockets, real POSTs."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time

import pytest
from fake_link_server import KEY, FakeLinkServer, authority

from powernap.config.sections import ServerSettings
from powernap.nap.link import backoff, channel
from powernap.nap.link.channel import Channel
from powernap.nap.link.host import LinkError
from powernap.nap.link.session import Order

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


@pytest.fixture
def place(tmp_path, monkeypatch):
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


def test_a_registration_goes_over_the_link_and_no_hello_follows_it(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        await made.ask("asleep", REGISTRATION)
        server.drop()
        await asyncio.sleep(1)
        made.close()

    run(work())
    assert server.of("asleep") == [REGISTRATION]
    assert [kind for kind, _body in server.said_all][-1] == "asleep"


def test_after_a_sleep_it_says_hello_at_once_with_how_long_it_slept(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        await made.ask("asleep", REGISTRATION)
        made.sleeping()
        assert made.health.by == ""
        server.said_all.clear()
        made.announce("resume", 12.0)
        await until(lambda: server.of("hello"))
        made.close()

    run(work())
    assert server.of("hello")[0]["slept_seconds"] == 12.0
    assert server.of("hello")[0]["cause"] == "resume"


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


@pytest.mark.parametrize("link", ["auto", "post", "websocket"])
def test_a_registration_without_a_link_needs_none(place, link):
    server, make = place

    async def work():
        made, _host = make(link=link)
        await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())
    assert server.of("asleep") == [REGISTRATION]
    assert server.said_all[-1][0] == "asleep" or link == "websocket"
    # Said to be awake, it would be stood in for no more by what a powernapd registered that was killed since.
    assert all(body["state"] == "napping" for body in server.of("hello"))


def test_a_link_that_is_dead_does_not_keep_a_registration_back(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=3)
        await linked(made, server)
        made._socket.send = lambda _text: None  # half open: what is sent goes nowhere
        await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())
    assert server.ways[-1] == "post"
    assert server.said_all[-1] == ("asleep", REGISTRATION)


def test_a_registration_that_is_refused_or_not_answered_is_an_error_in_time(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=1)
        await linked(made, server)
        server.refuse = {"asleep": {"error": "the registry is full"}}
        with pytest.raises(LinkError, match="the registry is full"):
            await made.ask("asleep", REGISTRATION)
        server.refuse, server.mute = {}, {"asleep"}
        began = time.monotonic()
        with pytest.raises(LinkError, match="no answer"):
            await made.ask("asleep", REGISTRATION)
        made.close()
        return time.monotonic() - began

    assert run(work()) < 10


def test_a_registration_that_is_called_off_ends_at_once_and_the_hello_stands(place):
    server, make = place

    async def work():
        made, _host = make(timeout_seconds=20)
        await linked(made, server)
        server.mute = {"asleep"}
        asked = asyncio.ensure_future(made.ask("asleep", REGISTRATION))
        await until(lambda: made._answers and made._session.unanswered)
        made.announce("cancelled", 0.0)
        with pytest.raises(LinkError, match="called off"):
            await asked
        await until(lambda: server.of("awake"))
        made.close()

    run(work())
    assert server.of("awake")[-1]["cause"] == "cancelled"


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


def test_orders_and_who_knocked_are_handed_on(place):
    server, make = place
    server.woken_for = {"reason": "connection", "address": "10.0.0.7", "port": 22, "at": time.time() - 3, "packets": 2}

    async def work():
        made, host = make()
        await linked(made, server)
        text = server.order("recover", identifier="o1")
        await until(lambda: host.orders)
        server.send(text)  # once more
        server.order("recover", identifier="o2", session="another")
        server.order("recover", identifier="o3", time=time.time() - 100)
        await until(lambda: len(host.orders) == 4)
        made.close()
        return host

    host = run(work())
    assert [isinstance(order, Order) for order in host.orders] == [True, False, False, False]
    assert [order.id for order in host.orders] == ["o1", "o1", "o2", "o3"]
    assert host.knocks[0]["port"] == 22
    assert 2 < host.knocks[0]["seconds"] < 60


def test_farewell_is_said_and_what_was_still_to_be_said_before(place):
    server, make = place

    async def work():
        made, _host = make()
        await linked(made, server)
        made.announce("cancelled", 0.0)
        await made.end("stopped")

    run(work())
    assert server.said_all[-2:] == [
        ("awake", {"cause": "cancelled", "slept_seconds": 0.0}),
        ("bye", {"cause": "stopped"}),
    ]


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


def test_http_is_told_from_https(place):
    server, make = place

    async def work():
        made, _host = make(url=server.url.replace("https", "http"))
        with pytest.raises(LinkError, match=r"status|closed"):
            await made.ask("asleep", REGISTRATION)
        made.close()

    run(work())
