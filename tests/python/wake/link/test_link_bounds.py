# SPDX-License-Identifier: GPL-3.0-or-later
"""What anybody may send, and how much of it: the link's bounds, over real TLS sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from pathlib import Path

import pytest
from tests.python.wake.link.linked import (
    TEXT,
    Place,
    Refused,
    Wire,
    connect,
    eventually,
    place,
    post,
    run,
    talker,
)

from powernap.shared.envelope import MOST_BYTES, TO_CLIENT, read
from powernap.wake.link import entrance
from powernap.wake.link.websocket import MOST_WAITING


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


@pytest.mark.alone
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


async def _heard_by(tmp_path: Path, *servers: str) -> list[str]:
    """The sources that a wake server sees that listens on all addresses; "" where it does not answer there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen = []
    async with place(tmp_path, address="::", port=port) as there:
        for server in servers:
            try:
                _reader, writer = await asyncio.open_connection(server, port)
            except OSError:
                seen.append("")
                continue
            await eventually(lambda: there.service.entrance.status()["unproven"])
            seen += [guard.source for guard in there.service.entrance._unproven]
            writer.close()
            await eventually(lambda: not there.service.entrance.status()["unproven"])
    return seen


def test_on_all_addresses_clients_of_both_families_are_seen_by_their_own(tmp_path: Path) -> None:
    assert asyncio.run(_heard_by(tmp_path, "127.0.0.1", "::1")) == ["127.0.0.1", "::"]


def test_on_a_machine_without_ipv6_clients_are_heard_by_ipv4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = entrance._bound

    def fake_kernel_without_ipv6(family: int, address: object) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, address)

    monkeypatch.setattr(entrance, "_bound", fake_kernel_without_ipv6)
    assert asyncio.run(_heard_by(tmp_path, "127.0.0.1", "::1")) == ["127.0.0.1", ""]
