# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of operators (API) and of clients that want to be known (enrolment). The secret's SHA-256 is kept, never it.

A secret is 256 random bits, so a fast hash will do: there is nothing to guess by dictionary.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Literal

from powernap.shared.errors import PowernapError
from powernap.wake.access import gone
from powernap.wake.access.gone import EXPIRED, REVOKED, Gone
from powernap.wake.access.store import AccessError, Store

Kind = Literal["api", "enrol"]
_PREFIX: dict[str, str] = {"api": "pna1", "enrol": "pne1"}
_API = re.compile(r"pna1\.([0-9a-f]{8})\.([0-9a-f]{64})")
_ENROL = re.compile(r"pne1\.[0-9a-f]{32}\.([0-9a-f]{8})\.([0-9a-f]{64})")
_SHAPES: dict[str, re.Pattern[str]] = {"api": _API, "enrol": _ENROL}
_NO_HASH = "0" * 64
_MOST = 10_000
_USE_WRITTEN_EVERY_SECONDS = 60.0
_log = logging.getLogger(__name__)


class TokenError(PowernapError):
    """A token that cannot be made."""


@dataclass(frozen=True)
class Token:
    """Times are Unix time. `role` is of an API token; `group`, `uses_left` (None: any number) of an enrolment token."""

    id: str
    kind: str
    role: str
    name: str
    group: str
    uses_left: int | None
    created: float
    expires: float | None
    last_used: float | None
    secret_hash: str

    def lasts(self, now: float) -> bool:
        return not _is_over(self, now) and self.uses_left != 0

    def told(self) -> dict[str, Any]:
        """As people may see it."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "secret_hash"}


_COLUMNS = ", ".join(f'"{field.name}"' for field in fields(Token))
_TABLE = (
    'CREATE TABLE IF NOT EXISTS tokens (id PRIMARY KEY, kind NOT NULL, role NOT NULL, name NOT NULL, "group" NOT NULL, '
    "uses_left, created NOT NULL, expires, last_used, secret_hash NOT NULL)"
)


class Tokens:
    """All are in memory, so that checking one reads no disk. `fingerprint()`: of the CA's certificate, hex, or ""."""

    def __init__(
        self,
        store: Store,
        fingerprint: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.fingerprint = fingerprint
        self._store = store
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._gone: dict[str, Gone] = {}
        self._noting: set[asyncio.Task[None]] = set()
        store.tables += (_TABLE, gone.TABLE)

    def load(self) -> None:
        """Raises AccessError."""
        rows = self._store.do(lambda database: database.execute(f"SELECT {_COLUMNS} FROM tokens").fetchall())
        self._tokens = {row[0]: Token(*row) for row in rows}
        self._gone = self._store.do(gone.load)

    async def create(
        self,
        kind: Kind,
        role: str,
        name: str,
        expires: float | None,
        uses: int | None = None,
        group: str = "",
    ) -> str:
        """The token's text, which nobody can read again. `expires`: Unix time. Raises AccessError, TokenError."""
        now = self._clock()
        text, token = self._new(kind, role, name, expires, uses, group, now)
        over = [_gone(each, EXPIRED, each.expires) for each in self._tokens.values() if _is_over(each, now)]

        def write(database: sqlite3.Connection) -> None:
            gone.write(database, over)
            database.execute("DELETE FROM tokens WHERE expires <= ?", (now,))
            marks = ", ".join("?" * len(fields(Token)))
            database.execute(f"INSERT INTO tokens ({_COLUMNS}) VALUES ({marks})", astuple(token))

        await self._store.transact(write)
        self._tokens = {each.id: each for each in self._tokens.values() if not _is_over(each, now)}
        gone.remember(self._gone, over)
        self._tokens[token.id] = token
        return text

    def check(self, text: str, kind: Kind) -> Token | None:
        """The token, where it is good now. Who calls limits how often somebody may try."""
        found = _SHAPES[kind].fullmatch(text)
        number, secret = found.groups() if found else ("", "")
        token = self._tokens.get(number)
        # One that is not known costs the same work as a wrong secret.
        right = hmac.compare_digest(_hash(secret), token.secret_hash if token else _NO_HASH)
        if token is None or not right or token.kind != kind or not token.lasts(self._clock()):
            return None
        return token

    def why_not(self, text: str, kind: Kind) -> str:
        """What became of it, for who holds it: who guesses hears that it is not known. "": it is good now."""
        if self.check(text, kind) is not None:
            return ""
        found = _SHAPES[kind].fullmatch(text)
        number, secret = found.groups() if found else ("", "")
        token, former = self._tokens.get(number), self._gone.get(number)
        was = token or former
        if was is None or was.kind != kind or not hmac.compare_digest(_hash(secret), was.secret_hash):
            return "is not known here"
        if token is None:
            return former.sentence() if former else ""
        if _is_over(token, self._clock()):
            return _gone(token, EXPIRED, token.expires).sentence()
        return "was used as often as it may be"

    def used(self, token: Token) -> None:
        """Note that it was used; on disk once a minute."""
        now, known = self._clock(), self._tokens.get(token.id)
        if known is None or (known.last_used is not None and now - known.last_used < _USE_WRITTEN_EVERY_SECONDS):
            return
        self._tokens[token.id] = replace(known, last_used=now)
        task = asyncio.ensure_future(self._note_use(token.id, now))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _note_use(self, number: str, now: float) -> None:
        try:
            await self._store.transact(
                lambda database: database.execute("UPDATE tokens SET last_used = ? WHERE id = ?", (now, number))
            )
        except AccessError as error:
            _log.warning("when a token was used is not noted: %s", error)

    async def consume(self, number: str, also: Callable[[sqlite3.Connection], None] | None = None) -> bool:
        """Take one use of an enrolment token; False where none is left. On disk when it returns. Raises AccessError.

        `also`: what is to be written with it, or not at all.
        """
        now = self._clock()

        def take(database: sqlite3.Connection) -> tuple[Any, ...] | None:
            database.execute(
                "UPDATE tokens SET uses_left = uses_left - 1, last_used = ?1 WHERE id = ?2 AND kind = 'enrol'"
                " AND (uses_left IS NULL OR uses_left > 0) AND (expires IS NULL OR expires > ?1)",
                (now, number),
            )
            if not database.execute("SELECT changes()").fetchone()[0]:
                return None
            row: tuple[Any, ...] = database.execute(f"SELECT {_COLUMNS} FROM tokens WHERE id = ?", (number,)).fetchone()
            if also is not None:
                also(database)
            return row

        row = await self._store.transact(take)
        if row is None:
            return False
        if number in self._tokens:  # else it was revoked just now
            self._tokens[number] = Token(*row)
        return True

    async def revoke(self, number: str) -> bool:
        """False where there is none of that id. On disk when it returns. Raises AccessError."""
        known = self._tokens.pop(number, None)
        revoked = [] if known is None else [_gone(known, REVOKED, self._clock())]

        def write(database: sqlite3.Connection) -> None:
            gone.write(database, revoked)
            database.execute("DELETE FROM tokens WHERE id = ?", (number,))

        try:
            await self._store.transact(write)
        except AccessError:
            if known is not None:
                self._tokens[number] = known
            raise
        gone.remember(self._gone, revoked)
        return known is not None

    def list(self) -> list[Token]:
        """The newest first."""
        return sorted(self._tokens.values(), key=lambda token: -token.created)

    def _new(
        self, kind: Kind, role: str, name: str, expires: float | None, uses: int | None, group: str, now: float
    ) -> tuple[str, Token]:
        if len(self._tokens) >= _MOST:
            raise TokenError(f"there are {_MOST} tokens: revoke those that nobody needs ('powerwake token list')")
        number, secret = secrets.token_hex(4), secrets.token_hex(32)
        while number in self._tokens:
            number = secrets.token_hex(4)
        parts = [_PREFIX[kind], number, secret]
        if kind == "enrol":
            fingerprint = self.fingerprint()
            if not fingerprint:
                raise TokenError(
                    "a token for enrolment names the CA that clients shall trust, and there is none: set listen.tls"
                )
            parts.insert(1, fingerprint[:32])
        left = uses if kind == "enrol" else None
        return ".".join(parts), Token(number, kind, role, name, group, left, now, expires, None, _hash(secret))


def _is_over(token: Token, now: float) -> bool:
    return token.expires is not None and token.expires <= now


def _gone(token: Token, why: str, at: float | None) -> Gone:
    return Gone(token.id, token.kind, token.secret_hash, why, at or 0.0)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
