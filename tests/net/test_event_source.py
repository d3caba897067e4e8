# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source of ansible-rulebook against a real powerwaked, loaded as ansible-rulebook loads it."""

from __future__ import annotations

import asyncio
import contextlib
import runpy
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.net.asking import token
from tests.net.lan import Lan

from powernap.shared.wakeapi import host_path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = runpy.run_path(str(ROOT / "extensions/eda/plugins/event_source/powerwaked.py"))
_SECONDS = 20.0


@pytest.fixture(scope="module")
def lan(impatient_lan: Lan) -> Lan:
    return impatient_lan


def enrol(lan: Lan, *names: str) -> None:
    for name in names:
        number = sum(map(ord, name)) + int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
        lan.server.admin.put(
            host_path(name), {"macs": [f"02:5e:{ord(name[0]):02x}:00:{number >> 8:02x}:{number & 255:02x}"]}
        )


class Rules:
    """What the rules get: the events in their order."""

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self._queue = queue

    async def next(self) -> dict[str, Any]:
        event: dict[str, Any] = await asyncio.wait_for(self._queue.get(), _SECONDS)
        assert set(event) == {"powerwaked"}
        return dict(event["powerwaked"])

    async def hosts(self, count: int) -> list[str]:
        return [(await self.next())["host"] for _each in range(count)]

    async def is_quiet(self, seconds: float = 0.5) -> bool:
        await asyncio.sleep(seconds)
        return self._queue.empty()


@contextlib.asynccontextmanager
async def following(args: dict[str, Any], most: int = 0) -> AsyncIterator[Rules]:
    """The source runs meanwhile, from when it is connected, and ends when it is cancelled.

    `most`: how long its queue may be.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue(most)
    task = asyncio.create_task(SOURCE["main"](queue, args))
    try:
        for _attempt in range(400):  # it keeps its place as soon as it hears it
            if "place_file" not in args or Path(args["place_file"]).exists():
                break
            await asyncio.sleep(0.05)
        yield Rules(queue)
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, _SECONDS)
        names = {each.get_coro().__qualname__ for each in asyncio.all_tasks()}
        assert not names & {"follow", "tell", "stream"}, "the source leaves nothing behind"


class Wire:
    """Between source and powerwaked: can be cut, at once or after so many bytes of events."""

    def __init__(self, path: str, to: str) -> None:
        self.path, self._to = path, to
        self.bytes_left = 1 << 30
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.sleep(0.1)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there_reader, there_writer = await asyncio.open_unix_connection(self._to)
        mine = {writer, there_writer}
        self._writers |= mine
        ask = asyncio.create_task(self._pass(reader, there_writer, False))
        try:
            await self._pass(there_reader, writer, True)
        finally:
            ask.cancel()
            for each in mine:
                each.close()
            self._writers -= mine

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limited: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(4096):
                if limited:
                    piece = piece[: self.bytes_left]
                    self.bytes_left -= len(piece)
                writer.write(piece)
                await writer.drain()
                if limited and not self.bytes_left:
                    return

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 100))  # type: ignore[arg-type]  # a coroutine function, told as a lambda may be


@pytest.fixture
def args(lan: Lan, tmp_path: Path) -> dict[str, Any]:
    return {"socket": lan.server.admin.path, "retry_seconds": 0.1, "place_file": str(tmp_path / "place")}


def test_events_come_as_they_happen(lan: Lan, args: dict[str, Any]) -> None:
    async def test() -> None:
        async with following(args) as rules:
            enrol(lan, "a1")
            event = await rules.next()
            assert (event["event"], event["host"], event["hosts"], event["count"]) == ("enrolled", "a1", ["a1"], 1)
            assert event["detail"].startswith("02:5e:") and event["time"] > 1e9
            assert event["server"] == lan.server.admin.path

    run(test)


def test_only_what_is_asked_for_comes(lan: Lan, args: dict[str, Any]) -> None:
    async def test() -> None:
        async with following(args | {"host": ["b2", "b3"], "kind": "forgotten"}) as rules:
            enrol(lan, "b1", "b2", "b3")
            for name in ("b1", "b3"):
                lan.server.admin.delete(host_path(name))
            assert (await rules.next())["host"] == "b3"
            assert await rules.is_quiet()

    run(test)


def test_what_happens_while_the_connection_is_broken_is_told_once_and_in_order(
    lan: Lan, args: dict[str, Any], tmp_path: Path
) -> None:
    """Before the first event, too: until then nothing but the place has been heard."""

    async def test() -> None:
        async with (
            Wire(str(tmp_path / "wire"), lan.server.admin.path) as wire,
            following(args | {"socket": wire.path}) as rules,
        ):
            wire.cut()
            enrol(lan, "c1", "c2")
            assert await rules.hosts(2) == ["c1", "c2"]
            wire.cut()
            enrol(lan, "c3")
            assert await rules.hosts(1) == ["c3"]
            enrol(lan, "c4")
            assert await rules.hosts(1) == ["c4"]
            assert await rules.is_quiet()
            assert wire.connections >= 3

    run(test)


def test_a_connection_that_breaks_anywhere_loses_nothing_and_repeats_nothing(
    lan: Lan, args: dict[str, Any], tmp_path: Path
) -> None:
    async def test() -> None:
        async with (
            Wire(str(tmp_path / "wire"), lan.server.admin.path) as wire,
            following(args | {"socket": wire.path, "retry_seconds": 0}) as rules,
        ):
            for number in range(1, 41):
                wire.bytes_left = 700 + 37 * number  # the head of an answer and some part of what follows
                enrol(lan, f"d{2 * number}", f"d{2 * number + 1}")
                wire.cut()
                await asyncio.sleep(0.05)
            wire.bytes_left = 1 << 30
            wire.cut()
            assert await rules.hosts(80) == [f"d{number}" for number in range(2, 82)]
            assert await rules.is_quiet()

    run(test)


def test_a_burst_is_one_event_with_each_host_once(lan: Lan, args: dict[str, Any]) -> None:
    async def test() -> None:
        async with following(args | {"gather_seconds": 1.5, "kind": ["enrolled", "forgotten"]}) as rules:
            names = [f"e{number}" for number in range(30)]
            enrol(lan, *names)
            lan.server.admin.delete(host_path("e0"))
            enrol(lan, "e0")
            enrolled, forgotten = await rules.next(), await rules.next()
            assert (enrolled["event"], enrolled["hosts"], enrolled["count"]) == ("enrolled", names, 31)
            assert (forgotten["event"], forgotten["hosts"]) == ("forgotten", ["e0"])
            assert await rules.is_quiet(2)

    run(test)


def test_rules_that_are_busy_lose_nothing(lan: Lan, args: dict[str, Any]) -> None:
    async def test() -> None:
        async with following(args, most=1) as rules:
            names = [f"f{number}" for number in range(60)]
            enrol(lan, *names)
            assert await rules.is_quiet(0.3) is False
            assert await rules.hosts(60) == names

    run(test)


def test_a_new_start_goes_on_where_the_last_one_was(lan: Lan, args: dict[str, Any]) -> None:
    async def test() -> None:
        async with following(args) as rules:
            enrol(lan, "g1")
            assert await rules.hosts(1) == ["g1"]
            await asyncio.sleep(0.2)  # the place is kept after an event was handed over
        enrol(lan, "g2")
        async with following(args) as rules:
            assert await rules.hosts(1) == ["g2"]
            assert await rules.is_quiet()

    run(test)


def test_it_waits_for_a_wake_server_that_is_not_there_and_is_told_of_its_new_start(
    bare_lan: Lan, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with following({"socket": bare_lan.server.admin.path, "retry_seconds": 0.1}) as rules:
            await asyncio.sleep(0.5)
            await asyncio.to_thread(bare_lan.server.start)
            await asyncio.sleep(2)  # by then it has come back
            enrol(bare_lan, "h1")
            assert (await rules.next())["host"] == "h1"
            await asyncio.to_thread(bare_lan.server.stop)
            await asyncio.to_thread(bare_lan.server.start)
            enrol(bare_lan, "h2")
            assert [(each["event"], each["count"]) for each in [await rules.next()]] == [("lost", 0)]
            assert (await rules.next())["host"] == "h2"

    run(test)
    waiting = [record.getMessage() for record in caplog.records if "trying again" in record.getMessage()]
    assert waiting and len(waiting) <= 6, "one line for each trouble, and not for each try"


def test_it_comes_by_tls_with_a_token_and_ends_where_the_token_is_refused(lan: Lan, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(token(lan, "viewer") + "\n")
    secret.chmod(0o600)
    far = {
        "place_file": str(tmp_path / "place"),
        "server": f"https://{lan.server.ipv4}:20709",
        "token_file": str(secret),
        "ca_file": str(lan.server.ca),
    }

    async def test() -> None:
        async with following(far) as rules:
            enrol(lan, "i1")
            assert (await rules.next())["host"] == "i1"

    async def refused(**changes: str) -> None:
        await asyncio.wait_for(SOURCE["main"](asyncio.Queue(), far | changes), _SECONDS)

    lan.server.inside(lambda: run(test) or True)
    secret.write_text("pnw1.nothing.of-the-kind\n")
    with pytest.raises(ValueError, match=f"{lan.server.ipv4}.*is not known here"):
        lan.server.inside(lambda: asyncio.run(refused()))
    secret.chmod(0o644)
    with pytest.raises(ValueError, match="may be read by everybody"):
        lan.server.inside(lambda: asyncio.run(refused()))
