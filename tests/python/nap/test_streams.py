# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams on the control socket, and who follows the decisions: a slow or dead reader delays nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest

from powernap.nap import control
from powernap.nap import decisions as module
from powernap.nap.decisions import MESSAGE_IDS, Decisions, journal_fields
from powernap.nap.events import Resumed
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy, Step
from powernap.nap.state import Phase, begin
from powernap.shared.errors import PowernapError

POLICY = Policy(steps=(Step(300, "suspend", 60),))
LOAD = Reading("cpu", "load", 1040.0, detail="load 0.31", value=0.31, threshold=0.5, unit="load")


def add(decisions, cause="x", **more):
    return decisions.add(5000.0, begin(1000.0), POLICY, cause, (LOAD,), **more)


async def _answer(request):
    return {"ok": True, "did": request["command"]}


def served(tmp_path, decisions, script):
    """Serve a stream of decisions, and run the script with the socket's path."""

    async def stream(request):
        if request.get("since") == "bad":
            raise PowernapError("since is bad")
        yield {"ok": True}
        async for record in decisions.watch():
            yield record

    async def run():
        path = str(tmp_path / "control.sock")
        server = await control.serve(path, _answer, stream)
        try:
            return await asyncio.wait_for(script(path), 20)
        finally:
            server.close()

    return asyncio.run(run())


async def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_watcher_gets_each_decision_as_it_is_made(tmp_path):
    decisions = Decisions()

    def follow(path):
        return list(control.follow(path, {"command": "watch"}, 5, 5))

    async def script(path):
        following = asyncio.get_running_loop().run_in_executor(None, follow, path)
        await until(lambda: decisions._watchers)
        for number in range(3):
            add(decisions, f"cause {number}")
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        decisions.end()
        return await following

    first, *records = served(tmp_path, decisions, script)
    assert first == {"ok": True}
    assert [record["cause"] for record in records] == ["cause 0", "cause 1", "cause 2"]
    assert not decisions._watchers


def test_a_reader_that_reads_nothing_is_dropped_and_delays_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "CLIENT_SECONDS", 0.3)
    decisions = Decisions()

    async def script(path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            lazy.connect(path)
            lazy.sendall(b'{"command": "watch"}\n')
            await until(lambda: decisions._watchers)
            begun = time.monotonic()
            for _ in range(2000):
                add(decisions, "x" * 1000)
                if not decisions._watchers:
                    break
                await asyncio.sleep(0)
            assert time.monotonic() - begun < 10
            await until(lambda: not decisions._watchers)

    served(tmp_path, decisions, script)


def test_a_reader_that_went_away_is_forgotten_without_a_decision(tmp_path):
    decisions = Decisions()

    async def script(path):
        _reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"command": "watch"}\n')
        await until(lambda: decisions._watchers)
        writer.close()
        await until(lambda: not decisions._watchers)

    served(tmp_path, decisions, script)


def test_a_watcher_that_falls_behind_is_let_go(monkeypatch):
    monkeypatch.setattr(module, "BEHIND", 3)

    async def run():
        decisions = Decisions()
        seen = []

        async def read():
            async for record in decisions.watch():
                seen.append(record)

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        add(decisions, "0")
        await asyncio.sleep(0.01)
        for number in range(1, 10):
            add(decisions, str(number))
        await asyncio.wait_for(reading, 5)
        assert [record["cause"] for record in seen] == ["0"]

    asyncio.run(run())


def test_only_so_many_may_watch():
    async def run():
        decisions = Decisions()
        streams = [decisions.watch() for _ in range(module.WATCHERS)]
        waiting = [asyncio.ensure_future(stream.__anext__()) for stream in streams]
        await asyncio.sleep(0)
        with pytest.raises(PowernapError, match="16 watch already"):
            await decisions.watch().__anext__()
        decisions.end()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(run())


def test_a_stream_that_is_refused_says_why(tmp_path):
    async def script(path):
        return await asyncio.get_running_loop().run_in_executor(
            None, lambda: list(control.follow(path, {"command": "history", "since": "bad"}, 5, 5))
        )

    assert served(tmp_path, Decisions(), script) == [{"ok": False, "error": "since is bad"}]


def test_questions_are_answered_beside_streams(tmp_path):
    async def script(path):
        return await asyncio.get_running_loop().run_in_executor(None, control.ask, path, {"command": "status"}, 5)

    assert served(tmp_path, Decisions(), script) == {"ok": True, "did": "status"}


# --- records


def test_a_record_has_numbers_against_thresholds():
    record = add(Decisions())
    (monitor,) = record["monitors"]
    assert (monitor["value"], monitor["threshold"], monitor["unit"]) == (0.31, 0.5, "load")
    json.dumps(record)


def test_the_event_is_the_new_state_or_a_moved_deadline():
    decisions = Decisions()
    assert add(decisions)["event"] == "awake"
    assert add(decisions)["event"] == "deadline"
    woken = add(decisions, event=Resumed(30.0, "eth0"))
    assert woken["event"] == "awake" and woken["slept_seconds"] == 30.0 and woken["woken_by"] == "eth0"


def test_the_journal_gets_fields_with_an_id_for_each_event():
    fields = journal_fields(add(Decisions(), "a key"))
    assert fields["MESSAGE_ID"] == MESSAGE_IDS["awake"]
    assert fields["POWERNAP_STATE"] == "awake" and fields["POWERNAP_CAUSE"] == "a key"
    assert fields["POWERNAP_NEXT"] == "suspend" and fields["POWERNAP_DEADLINE"] == "5300.000"


def test_every_state_has_an_id_of_its_own():
    assert {phase.value for phase in Phase} | {"deadline"} == set(MESSAGE_IDS)
    assert len(set(MESSAGE_IDS.values())) == len(MESSAGE_IDS)
    assert all(len(each) == 32 and int(each, 16) for each in MESSAGE_IDS.values())


def test_the_documentation_lists_every_id():
    text = (Path(__file__).parents[3] / "docs/explaining.md").read_text()
    assert all(f"| {event} | {number} |" in text for event, number in MESSAGE_IDS.items())
