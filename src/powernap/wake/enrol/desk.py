# SPDX-License-Identifier: GPL-3.0-or-later
"""Where machines ask to be known, and operators say yes or no. What was granted is on disk before it is done."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from powernap.config.wake.enrolment import EnrolmentSettings
from powernap.shared.errors import PowernapError
from powernap.wake.access.access import Access
from powernap.wake.access.store import AccessError
from powernap.wake.engine import Engine
from powernap.wake.enrol.asked import Asked, Shown, asked, host_name
from powernap.wake.enrol.changes import Admit
from powernap.wake.enrol.evidence import Kind, Verdict
from powernap.wake.enrol.identities import Identities, Identity
from powernap.wake.enrol.likening import Likening, key_hash
from powernap.wake.enrol.limits import Limits
from powernap.wake.enrol.rules import let_in, suffices
from powernap.wake.enrol.waiting import Status, Waiting, WaitingRoom, same, waiting_of
from powernap.wake.refusals import Conflict, Unknown
from powernap.wake.registration import BadBody
from powernap.wake.registry import Journal, Record, Registry

_log = logging.getLogger(__name__)
#: A machine asks again after a tenth of the time for which it has waited, within these bounds.
_AGAIN = (10.0, 300.0)
_LONGEST_GROUP = 64


class NotAdmitted(PowernapError):
    """A machine that is not let in, and need not ask again as it is; `make_key`: not with this key."""

    def __init__(self, message: str, make_key: bool = False) -> None:
        super().__init__(message)
        self.make_key = make_key


class TooMany(PowernapError):
    """Asked too often; `again_seconds`: when it may be asked again."""

    def __init__(self, again_seconds: float) -> None:
        super().__init__(f"asked too often: ask again in {again_seconds:.0f} s")
        self.again_seconds = again_seconds


class Desk:
    """`fingerprint()`: of the CA's certificate, hex, or ""; `linked(name)`: whether that host has an open link."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        journal: Journal,
        access: Access,
        settings: EnrolmentSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.fingerprint: Callable[[], str] = lambda: ""
        self.identities = Identities(access.store)
        self.room = WaitingRoom(access.store, settings.pending, settings.pending_hours * 3600)
        self.likening = Likening(registry, self.identities, time.monotonic())
        self.replaced: Callable[[str], None] = lambda name: None
        self._engine, self._registry, self._journal, self._access = engine, registry, journal, access
        self._settings = settings
        self._limits = Limits(settings.per_minute, settings.per_source)
        self._clock = clock
        self._busy: set[str] = set()
        self._finishing: asyncio.Task[None] | None = None

    def adopt(self, settings: EnrolmentSettings) -> None:
        self._settings = settings
        self._limits.per_minute, self._limits.per_source = settings.per_minute, settings.per_source
        self.room.most, self.room.seconds = settings.pending, settings.pending_hours * 3600

    def open(self) -> None:
        """After the store was opened: what was granted when the daemon ended is done now."""
        try:
            self.room.load()
        except AccessError as error:
            _log.error("nobody can be enrolled until this is mended: %s", error)
            return
        self._finishing = asyncio.ensure_future(self._finish_all())

    async def _finish_all(self) -> None:
        for waiting in self.room.granted():
            try:
                await self._finish(waiting)
            except PowernapError as error:
                _log.warning("%s was let in, but is not registered yet: %s", waiting.grant, error)

    async def close(self) -> None:
        if self._finishing is not None:
            await self._finishing
        await self.identities.close()

    # Machines

    async def ask(self, body: Mapping[str, Any], source: str) -> dict[str, Any]:
        """What the machine hears: {status: "managed", name} or {status: "pending", request, again_seconds, why}.

        Raises BadBody, TooMany, NotAdmitted, Full, AccessError, RegistryError.
        """
        # Whoever has a good token waits for nobody who guesses, or asks too often, from the same address or another.
        late = 0.0 if self._has_token(body) else self._limits.wait(source, time.monotonic())
        if late:
            raise TooMany(max(1.0, late))
        question = asked(body)
        own = self.fingerprint()
        if question.ca and own and question.ca != own:
            self._engine.note(
                question.name, "alert", f"{source} sees another CA ({question.ca[:16]}) than this server's"
            )
            raise NotAdmitted(
                "the certificate that you see is not this wake server's: somebody is between you and it, or it was set "
                "up anew; compare the fingerprints ('powerwake status')"
            )
        if question.key in self._busy:
            return _pending("", 1.0, "it is being looked at")
        self._busy.add(question.key)
        try:
            return await self._ask(question, source)
        finally:
            self._busy.discard(question.key)

    def _has_token(self, body: Mapping[str, Any]) -> bool:
        text = body.get("token")
        return isinstance(text, str) and self._access.tokens.check(text, "enrol") is not None

    async def _ask(self, question: Asked, source: str) -> dict[str, Any]:
        before = self.room.of(question.key)
        if before is not None and before.status is Status.GRANTED:
            return _managed(await self._finish(before))
        verdict = self.likening.judge(question.name, question.key, question.shown)
        if verdict.is_host:
            return _managed(await self._known(verdict, question))
        if verdict.kind in (Kind.CLONE, Kind.TWICE) and self._has_key(verdict.host, question.key):
            raise NotAdmitted(f"this machine is a {verdict.said()}: it needs a key of its own", make_key=True)
        if before is not None and before.status is Status.REJECTED:
            raise NotAdmitted("an operator has rejected this machine: ask him")
        now = self._clock()
        waiting = waiting_of(
            question, source, now, before, verdict=verdict.kind.value, host=verdict.host, why=verdict.why
        )
        if question.token:
            let_by = await self._by_token(question.token, verdict, waiting, source)
        else:
            let_by = await self._by_rule(question, verdict, waiting, source)
        if let_by is not None:
            try:
                return _managed(await self._finish(let_by))
            except Conflict as error:
                waiting = replace(waiting, why=str(error))
        if before is None or not same(before, waiting):
            await self.room.put(waiting, now)
        else:
            self.room.seen(waiting)
        if before is None:
            self._engine.note(question.name, "pending", f"request {waiting.id} from {source}, {verdict.said()}")
        again = min(_AGAIN[1], max(_AGAIN[0], (now - waiting.first) / 10))
        no_token = self._access.tokens.why_not(question.token, "enrol") if question.token else ""
        said = f"its token {no_token}; {verdict.said()}" if no_token else verdict.said()
        return _pending(waiting.id, again, said)

    async def _by_token(self, text: str, verdict: Verdict, waiting: Waiting, source: str) -> Waiting | None:
        """On disk with the token's use; None where it takes an operator."""
        token = self._access.tokens.check(text, "enrol")
        if token is None:
            self._limits.wrong(source, time.monotonic())
            self._engine.note(waiting.name, "token refused", f"from {source}")
            return None
        if not verdict.may_be_admitted:
            return None
        granted = self._granted(waiting, verdict, token.group, f"token {token.id}")
        if not await self._access.tokens.consume(token.id, self.room.writing(granted)):
            return None
        self.room.seen(granted)
        return granted

    async def _by_rule(self, question: Asked, verdict: Verdict, waiting: Waiting, source: str) -> Waiting | None:
        reason = let_in(self._settings, question, source)
        if not reason or not suffices(self._settings, verdict):
            return None
        granted = self._granted(waiting, verdict, self._settings.group, f"the rule for {reason}")
        await self.room.put(granted, self._clock())
        return granted

    def _granted(self, waiting: Waiting, verdict: Verdict, group: str, by: str) -> Waiting:
        replaces = verdict.kind is Kind.REPLACES
        name = verdict.host if replaces else waiting.name
        return replace(waiting, status=Status.GRANTED, grant=name, group=group, replaces=replaces, by=by)

    async def _finish(self, waiting: Waiting) -> Record:
        """Into the registry, and then away from those who wait. Raises Conflict: then it waits again."""
        name = waiting.grant
        before = self._engine.roster.peek(name)
        change = Admit(
            name,
            waiting.key,
            tuple(waiting.macs.split()),
            tuple(waiting.addresses.split()),
            waiting.group,
            waiting.replaces,
            self._engine.segments.interfaces(),
            self._clock(),
        )
        try:
            record: Record = await self._journal.commit(change)
        except Conflict as error:
            await self.room.put(replace(waiting, status=Status.PENDING, why=str(error)), self._clock())
            raise
        self._engine.renew(before, name)
        self.identities.put(
            Identity(
                name,
                key_hash(waiting.key),
                waiting.machine,
                waiting.board,
                waiting.hostname or waiting.name,
                waiting.macs,
            )
        )
        await self.room.remove(waiting.key)
        what = "replaced" if waiting.replaces else "enrolled"
        self._engine.note(name, what, f"by {waiting.by}; {waiting.macs}, from {waiting.source}")
        if waiting.replaces:
            self.replaced(name)
        return record

    async def _known(self, verdict: Verdict, question: Asked) -> Record:
        """It has asked again by the key by which it is known already."""
        record = self._registry.record(verdict.host)
        if record is None:
            raise Unknown.host(verdict.host)
        if self.room.of(question.key) is not None:
            await self.room.remove(question.key)
        return record

    def _has_key(self, name: str, key: str) -> bool:
        record = self._registry.record(name)
        return record is not None and record.key == key

    def forget(self, name: str) -> None:
        """The host is registered no more."""
        self.identities.forget(name)
        self.likening.forget(name)

    def record(self, name: str) -> Record | None:
        return self._registry.record(name)

    def copy_seen(self, record: Record, shown: Shown, verdict: Verdict, source: str) -> None:
        """A copy of a host has said hello with that one's key: people see it among those who wait."""
        name = shown.hostname or record.name
        key = key_hash(" ".join((shown.machine, shown.board, *shown.macs)))
        question = Asked(name, key, shown)
        before = self.room.of(key)
        waiting = waiting_of(
            question,
            source,
            self._clock(),
            before,
            verdict=verdict.kind.value,
            host=record.name,
            why=verdict.why,
        )
        waiting = replace(waiting, status=Status.COPY)
        if before is None and len(self.room.all(self._clock())) >= self.room.most:
            return
        self.room.seen(waiting)

    # Operators

    def pending(self) -> list[dict[str, Any]]:
        return [each.told() for each in self.room.all(self._clock())]

    async def approve(self, said: str, name: str = "", group: str | None = None, by: str = "an operator") -> Record:
        """Returns when the registry has it. `said`: its name or request. Raises Unknown, Conflict, BadBody."""
        waiting = self._one(said)
        if waiting.status is Status.COPY:
            raise Conflict(
                f"{waiting.name} still uses the key of {waiting.host}: run 'powernap enrol --new-key' on it first"
            )
        if group and (len(group) > _LONGEST_GROUP or not group.isprintable() or " " in group):
            raise BadBody(f"group: {group!r} is no group's name: give one without spaces, such as rack1")
        replaces = not name and waiting.verdict == Kind.REPLACES.value
        wanted = waiting.host if replaces else host_name(name or waiting.name)
        if not replaces and self._registry.record(wanted) is not None:
            remedy = f"'powerwake approve {waiting.id} --as NAME', or 'powerwake forget {wanted}' first"
            raise Conflict(f"{wanted} is registered, and this machine is a {waiting.verdict} of it: {remedy}")
        granted = replace(waiting, status=Status.GRANTED, grant=wanted, group=group or "", replaces=replaces, by=by)
        await self.room.put(granted, self._clock())
        return await self._finish(granted)

    async def reject(self, said: str, by: str = "an operator") -> dict[str, Any]:
        """It hears of it when it asks again. Raises Unknown, Conflict."""
        waiting = replace(self._one(said), status=Status.REJECTED)
        await self.room.put(waiting, self._clock())
        self._engine.note(waiting.name, "rejected", f"request {waiting.id} by {by}")
        return waiting.told()

    def _one(self, said: str) -> Waiting:
        found = self.room.find(said, self._clock())
        if not found:
            raise Unknown(f"{said}: no machine of that name or request waits: see 'powerwake pending'")
        if len(found) > 1:
            ids = ", ".join(each.id for each in found)
            raise Conflict(f"{said}: {len(found)} machines of that name wait: give one of the requests {ids}")
        return found[0]


def _managed(record: Record) -> dict[str, Any]:
    return {"status": "managed", "name": record.name}


def _pending(request: str, again_seconds: float, why: str) -> dict[str, Any]:
    return {"status": "pending", "request": request, "again_seconds": round(again_seconds, 1), "why": why}
