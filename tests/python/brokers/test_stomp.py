# SPDX-License-Identifier: GPL-3.0-or-later
"""STOMP: frames as others write and read them, stomp.py as the other side, and a host that vanishes without a word."""

from __future__ import annotations

import threading
import time

import pytest
import stomp as stomp_py
from hypothesis import given
from hypothesis import strategies as st
from stomp.utils import Frame, convert_frame, parse_frame
from tests.python.brokers.real_brokers import PASSWORD, SERVER
from tests.python.brokers.spoken import NAME, SECONDS, client, connected, run, settings, station, until, wake_server

from powernap.net.broker.base import BrokerError, Wish, broker, connect
from powernap.net.broker.stomp import Frames, frame
from powernap.wake.transports import station as station_module

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20)


@given(TEXT, st.binary(max_size=100), st.integers(1, 200))
def test_frames_are_read_as_they_were_written_however_they_are_cut(value, body, size):
    text = frame("MESSAGE", {"destination": value, "content-length": str(len(body))}, body) + b"\n\r\n"
    frames, found = Frames(), []
    for at in range(0, len(text) * 2, size):
        found += frames.feed((text * 2)[at : at + size])
    assert found == [("MESSAGE", {"destination": value, "content-length": str(len(body))}, body)] * 2


@pytest.mark.parametrize("text", ["plain", "with: colon", "back\\slash", "line\nfeed", "\\n"])
def test_stomp_py_reads_what_is_written_and_the_other_way_round(text):
    written = parse_frame(frame("SEND", {"destination": text, "content-length": "2"}, b"hi").rstrip(b"\0"))
    assert (written.cmd, written.headers["destination"], written.body) == ("SEND", text, b"hi")
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace(":", "\\c")
    lines = b"".join(
        each if isinstance(each, bytes) else each.encode()
        for each in convert_frame(Frame("MESSAGE", {"destination": escaped}, "hi"))
    )
    ((command, headers, body),) = Frames().feed(lines)
    assert (command, headers["destination"], body) == ("MESSAGE", text, b"hi")


@pytest.mark.parametrize(
    "data", [b"MESSAGE\ncontent-length:999999999999\n\n", b"MESSAGE\ncontent-length:-1\n\n", b"x" * 300_000]
)
def test_what_is_no_frame_or_too_long_ends_it(data):
    with pytest.raises(BrokerError):
        Frames().feed(data)


class Witness(stomp_py.ConnectionListener):
    """Somebody else at the broker, by stomp.py."""

    def __init__(self, at, destination):
        self.heard, self.ready = [], threading.Event()
        self.connection = stomp_py.Connection12([("127.0.0.1", at.port)], vhost="/")
        self.connection.set_listener("", self)
        self.connection.connect(SERVER, PASSWORD, wait=True)
        self.connection.subscribe(destination, id="1", ack="auto", headers={"receipt": "subscribed"})
        assert self.ready.wait(SECONDS)

    def on_receipt(self, frame):
        self.ready.set()

    def on_message(self, frame):
        self.heard.append((frame.headers["destination"], frame.body))


@pytest.mark.parametrize("name", ["web1", "web1.example.org"])
def test_topics_are_routing_keys_whatever_dots_the_name_of_a_host_has(rabbitmq, name):
    """As for MQTT: what a host says reaches the wake server, what that says this host alone."""

    async def work():
        place = broker(rabbitmq.url, SERVER, str(rabbitmq.password_file))
        witness = Witness(rabbitmq, "/topic/powernap.v1.hosts.#.up")
        heard = {"server": [], "host": [], "other": []}
        wishes = {
            "server": Wish("s", ("powernap/v1/hosts/+/up", "powernap/v1/hosts/+/link")),
            "host": Wish("h", (f"powernap/v1/hosts/{name}/down",)),
            "other": Wish("o", ("powernap/v1/hosts/other/down",)),
        }
        made = {who: await connect(place, wish, 20) for who, wish in wishes.items()}
        for who, each in made.items():
            each.heard = heard[who].append
        made["host"].publish(f"powernap/v1/hosts/{name}/up", "from the host")
        made["server"].publish(f"powernap/v1/hosts/{name}/down", "to the host")
        await until(lambda: heard["server"] and heard["host"] and witness.heard)
        witness.connection.disconnect()
        for each in made.values():
            each.close()
        return heard, witness.heard

    heard, seen = run(work())
    assert [(each.topic, each.text) for each in heard["server"]] == [(f"powernap/v1/hosts/{name}/up", b"from the host")]
    assert [(each.topic, each.text) for each in heard["host"]] == [(f"powernap/v1/hosts/{name}/down", b"to the host")]
    assert heard["other"] == []
    assert seen == [(f"/topic/powernap.v1.hosts.{name}.up", "from the host")]


def test_a_host_that_vanishes_is_let_go_of_when_it_has_said_nothing_for_a_lease(tmp_path, rabbitmq, monkeypatch):
    monkeypatch.setattr(station_module, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(station_module, "_LOOK_SECONDS", 0.2)

    async def work():
        async with wake_server(tmp_path / "wake", rabbitmq) as server:
            await connected(server)
            with client(tmp_path, await server.enrol(NAME), settings(tmp_path, rabbitmq, None)) as host:
                host.channel.announce("boot", 0.0)
                await until(lambda: server.hub.linked(NAME) is not None)
                begun = time.monotonic()
                await until(lambda: server.hub.linked(NAME) is None)  # it has nothing to say
                assert host.channel._lease_timer is not None
                assert station(server)["hosts"] == 0
                return time.monotonic() - begun

    assert run(work()) > 0.5
