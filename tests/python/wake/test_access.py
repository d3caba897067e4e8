# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and audit log: what is good, for how long, how often; what survives."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from powernap.wake.access import gone
from powernap.wake.access.access import Access
from powernap.wake.access.audit import Entry
from powernap.wake.access.guessing import Guessing, source_of
from powernap.wake.access.store import AccessError, Store
from powernap.wake.access.tokens import Token, TokenError, Tokens

FINGERPRINT = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def tokens(path: Path, clock: Clock | None = None) -> tuple[Store, Tokens]:
    store = Store(path)
    made = Tokens(store, lambda: FINGERPRINT, clock or Clock())
    made.load()
    return store, made


def test_a_token_is_good_until_it_expires(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        store, known = tokens(tmp_path / "access.sqlite", clock)
        text = await known.create("api", "viewer", "x", clock.now + 60)
        assert known.check(text, "api") is not None
        clock.now += 60
        assert known.check(text, "api") is None
        await store.close()

    asyncio.run(play())


def test_no_other_text_is_good(tmp_path: Path) -> None:
    async def play() -> None:
        store, known = tokens(tmp_path / "access.sqlite")
        text = await known.create("api", "viewer", "x", None)
        last = "0" if text[-1] != "0" else "1"
        others = [text[:-1] + last, text + "0", text.upper(), " " + text, "", "pna1", text.replace("pna1", "pne1")]
        others.append(".".join([text.split(".")[0], "00000000", text.split(".")[2]]))
        assert [known.check(other, "api") for other in others] == [None] * len(others)
        assert known.check(text, "enrol") is None
        await store.close()

    asyncio.run(play())


def test_an_enrolment_token_is_good_for_so_many_at_once(tmp_path: Path) -> None:
    async def play() -> list[bool]:
        store, known = tokens(tmp_path / "access.sqlite")
        text = await known.create("enrol", "", "rack", None, 3, "rack1")
        assert text.startswith(f"pne1.{FINGERPRINT[:32]}.")
        token = known.check(text, "enrol")
        assert token is not None and (token.group, token.uses_left) == ("rack1", 3)
        taken = await asyncio.gather(*(known.consume(token.id) for _each in range(10)))
        assert known.check(text, "enrol") is None
        await store.close()
        return taken

    assert sum(asyncio.run(play())) == 3


def test_who_is_revoked_while_a_use_is_taken_stays_revoked(tmp_path: Path) -> None:
    async def play() -> None:
        store, known = tokens(tmp_path / "access.sqlite")
        text = await known.create("enrol", "", "rack", None, None)
        token = known.check(text, "enrol")
        assert token is not None
        await asyncio.gather(known.consume(token.id), known.revoke(token.id))
        assert known.check(text, "enrol") is None
        await store.close()

    asyncio.run(play())


def test_tokens_and_their_uses_outlive_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "access.sqlite"

    async def make() -> tuple[str, Token]:
        store, known = tokens(path)
        text = await known.create("enrol", "", "rack", None, 2)
        token = known.check(text, "enrol")
        assert token is not None and await known.consume(token.id)
        await store.close()
        return text, token

    text, token = asyncio.run(make())
    assert path.stat().st_mode & 0o777 == 0o600
    _store, again = tokens(path)
    found = again.check(text, "enrol")
    assert found is not None and (found.id, found.uses_left) == (token.id, 1)


def test_who_holds_a_token_is_told_why_it_is_good_no_more_and_who_guesses_is_not(tmp_path: Path) -> None:
    clock = Clock()

    async def play() -> None:
        store, known = tokens(tmp_path / "access.sqlite", clock)
        short = await known.create("api", "viewer", "x", clock.now + 60)
        taken = await known.create("api", "viewer", "x", None)
        once = await known.create("enrol", "", "rack", None, 1)
        assert [known.why_not(short, "api"), known.why_not(once, "enrol")] == ["", ""]
        token = known.check(once, "enrol")
        assert token is not None and await known.consume(token.id)
        assert await known.revoke(taken.split(".")[1])
        clock.now += 60
        said = [known.why_not(short, "api"), known.why_not(taken, "api"), known.why_not(once, "enrol")]
        assert said == [
            "has expired on 1970-01-12 at 13:47 UTC",
            "was revoked on 1970-01-12 at 13:46 UTC",
            "was used as often as it may be",
        ]
        wrong = "0" * 64
        for text in (short, taken):
            assert known.why_not(".".join((*text.split(".")[:2], wrong)), "api") == "is not known here"
            assert known.why_not(text, "enrol") == "is not known here"
        await known.create("api", "viewer", "x", None)
        assert [each.id for each in known.list() if each.id == short.split(".")[1]] == []
        assert [known.why_not(short, "api"), known.why_not(taken, "api")] == said[:2]
        await store.close()
        again = tokens(tmp_path / "access.sqlite", clock)[1]
        assert [again.why_not(short, "api"), again.why_not(taken, "api")] == said[:2]

    asyncio.run(play())


def test_of_tokens_that_are_gone_only_the_newest_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gone, "MOST", 2)

    async def play() -> None:
        store, known = tokens(tmp_path / "access.sqlite")
        made = [await known.create("api", "viewer", "x", None) for _each in range(4)]
        for text in made:
            await known.revoke(text.split(".")[1])
        for these in (known, tokens(tmp_path / "access.sqlite")[1]):
            assert [these.why_not(text, "api").split()[0] for text in made] == ["is", "is", "was", "was"]
        await store.close()

    asyncio.run(play())


def test_no_token_for_enrolment_without_a_ca(tmp_path: Path) -> None:
    async def play() -> None:
        store = Store(tmp_path / "access.sqlite")
        known = Tokens(store)
        known.load()
        with pytest.raises(TokenError, match=r"listen\.tls"):
            await known.create("enrol", "", "rack", None, 1)
        await store.close()

    asyncio.run(play())


def test_what_cannot_be_written_is_not_given_out(tmp_path: Path) -> None:
    async def play() -> None:
        (tmp_path / "access.sqlite").mkdir()
        store = Store(tmp_path / "access.sqlite")
        with pytest.raises(AccessError, match=r"access\.sqlite"):
            await Tokens(store).create("api", "viewer", "x", None)
        await store.close()

    asyncio.run(play())


# Guessing


def test_guesses_are_slowed_and_told_of_at_the_beginning_and_at_the_limit() -> None:
    guessing = Guessing()
    told = [guessing.failed("192.0.2.1", 100.0) for _each in range(100)]
    assert [bool(wait) for wait, _news in told] == [False] * 10 + [True] * 90
    assert sum(news for _wait, news in told) == 2
    assert guessing.failed("192.0.2.2", 100.0) == (0.0, True)
    assert guessing.failed("192.0.2.1", 107.0)[0] == 0.0


def test_all_of_an_ipv6_network_is_one_source_and_the_table_is_bounded() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("::ffff:192.0.2.1") == "192.0.2.1"
    guessing = Guessing()
    for number in range(20_000):
        guessing.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(guessing._left) <= 4096


# The audit log


def entry(at: float, path: str = "/api/v1/wake") -> Entry:
    return Entry(at, "root", "admin", "unix", "POST", path, "{}")


def test_an_entry_without_an_end_is_of_a_request_that_still_runs_or_a_daemon_that_was_killed(tmp_path: Path) -> None:
    async def play() -> None:
        access = Access(tmp_path / "access.sqlite")
        access.open()
        first, second = entry(time.time()), entry(time.time(), "/api/v1/pardon")
        access.audit.begin(first)
        access.audit.begin(second)
        access.audit.end(first, 200, "done")
        found = await access.audit.last(10)
        assert [(each["path"], each["status"]) for each in found] == [("/api/v1/pardon", None), ("/api/v1/wake", 200)]
        await access.close()

    asyncio.run(play())


def test_old_entries_go_and_numbers_go_on(tmp_path: Path) -> None:
    async def play() -> list[int]:
        access = Access(tmp_path / "access.sqlite", audit_days=1)
        access.open()
        for age in (3 * 86400, 2 * 86400, 60):
            each = entry(time.time() - age)
            access.audit.begin(each)
            access.audit.end(each, 200, "done")
        found = await access.audit.last(10)
        await access.close()
        return [each["number"] for each in found]

    first = asyncio.run(play())
    assert len(first) == 1
    assert asyncio.run(play())[0] == first[0] + 3


def test_what_cannot_be_written_goes_to_the_log_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        path = tmp_path / "access.sqlite"
        access = Access(path)
        access.open()
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE audit")
        each = entry(time.time())
        access.audit.begin(each)
        access.audit.end(each, 200, "done")
        await access.close()

    asyncio.run(play())
    assert '"path": "/api/v1/wake"' in caplog.text and '"status": 200' in caplog.text
