# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a real powerwaked as server-sent events."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import time
from typing import Any

import pytest
from tests.net.asking import Asked
from tests.net.lan import Lan, wait_for

from powernap.shared.wakeapi import host_path


@pytest.fixture(scope="module")
def lan(impatient_lan: Lan) -> Lan:
    return impatient_lan


class Stream:
    """A reader of server-sent events."""

    def __init__(self, lan: Lan, query: str = "", last: str = "") -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(15)
        self.socket.connect(lan.server.admin.path)
        header = f"Last-Event-ID: {last}\r\n" if last else ""
        self.socket.sendall(f"GET /api/v1/stream{query} HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
        self._answer = http.client.HTTPResponse(self.socket, method="GET")
        self._answer.begin()
        assert self._answer.headers["Content-Type"] == "text/event-stream"

    def next(self) -> dict[str, Any]:
        """The next event, with its fields."""
        fields: dict[str, Any] = {}
        while True:
            line = self._answer.readline().decode()
            assert line, "the stream has ended"
            name, _colon, text = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = text
            elif "data" in fields:
                fields["data"] = json.loads(fields["data"])
                return fields
            else:
                fields = {}

    def place(self) -> str:
        """The first id, of an event or of none."""
        while not (line := self._answer.readline().decode()).startswith("id: "):
            assert line, "the stream has ended"
        return line[4:].strip()

    def close(self) -> None:
        self._answer.close()
        self.socket.close()


def enrol(lan: Lan, name: str, number: int) -> None:
    lan.server.admin.put(host_path(name), {"macs": [f"02:4e:00:00:{number >> 8:02x}:{number & 255:02x}"]})


def test_events_come_as_they_happen_and_go_on_after_a_break(lan: Lan) -> None:
    stream = Stream(lan)
    enrol(lan, "s1", 1)
    first = stream.next()
    assert first["event"] == "enrolled" and first["data"]["host"] == "s1"
    stream.close()
    enrol(lan, "s2", 2)
    enrol(lan, "s3", 3)
    again = Stream(lan, last=first["id"])
    assert [again.next()["data"]["host"] for _each in range(2)] == ["s2", "s3"]
    again.close()


def test_who_has_heard_of_nothing_yet_is_told_where_it_is(lan: Lan) -> None:
    stream = Stream(lan, "?host=s9")
    place = stream.place()
    stream.close()
    enrol(lan, "s8", 8)
    enrol(lan, "s9", 9)
    again = Stream(lan, "?host=s9", last=place)
    assert again.next()["data"]["host"] == "s9"
    again.close()


def test_a_stream_is_of_some_hosts_or_kinds(lan: Lan) -> None:
    one, kind = Stream(lan, "?host=s5"), Stream(lan, "?kind=forgotten,alert")
    enrol(lan, "s4", 4)
    enrol(lan, "s5", 5)
    lan.server.admin.delete(host_path("s4"))
    assert one.next()["data"]["host"] == "s5"
    forgotten = kind.next()
    assert (forgotten["event"], forgotten["data"]["host"]) == ("forgotten", "s4")
    one.close()
    kind.close()


def test_a_slow_reader_is_told_how_many_events_it_has_lost(lan: Lan) -> None:
    stream = Stream(lan, last="")
    enrol(lan, "s6", 6)
    first = stream.next()
    stream.close()
    hosts = [{"name": f"l{n}", "macs": [f"02:4f:00:00:{n >> 8:02x}:{n & 255:02x}"]} for n in range(1200)]
    lan.server.admin.put("/api/v1/hosts", {"hosts": hosts}, timeout=60)
    late = Stream(lan, last=first["id"])
    lost = late.next()
    assert lost["event"] == "lost" and lost["data"]["events"] >= 200
    assert late.next()["event"] == "enrolled"
    late.close()
    strange = Stream(lan, last="1234abcd-5")
    told = strange.next()
    assert (told["event"], told["data"]) == ("lost", {"events": None})
    strange.close()


def test_who_leaves_is_no_fault_of_the_wake_server(lan: Lan) -> None:
    numbers = itertools.count(100)

    def is_missed() -> bool:
        enrol(lan, f"s{(number := next(numbers))}", number)  # something that it would be told
        return b"\npowerwaked_api_streams 0.0" in Asked(lan, "GET", "/metrics").text

    Stream(lan).close()
    wait_for(is_missed, 60, 0.2)
    told = Asked(lan, "GET", "/metrics").text.decode()
    assert 'route="/api/v1/stream",status="200"' in told and 'route="/api/v1/stream",status="500"' not in told
    assert "Traceback" not in lan.server.log.read_text()


def test_an_open_stream_does_not_keep_powerwaked_from_ending(bare_lan: Lan) -> None:
    bare_lan.server.start()
    stream = Stream(bare_lan)
    began = time.monotonic()
    bare_lan.server.stop()
    assert time.monotonic() - began < 8
    stream.close()
