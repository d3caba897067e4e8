# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client says to its wake server, what it says again, and what it believes. Pure: the clock is an argument.

A message waits until it is acknowledged, and goes again, with a new number, over the next connection. Of each slot only
the newest does: a host sleeps or is awake, and is in one state. Times are seconds of CLOCK_BOOTTIME.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeGuard

from powernap.shared import envelope
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, BadMessage, Message
from powernap.shared.errors import PowernapError

PRESENCE, STATE = "presence", "state"
#: An order of so much later than now is no order of now: one of the clocks was set.
AHEAD_SECONDS = 60.0
#: A wake server that stops cannot keep its clients away for longer.
LONGEST_AWAY_SECONDS = 300.0
LONGEST_VALID_SECONDS = 3600.0
#: Above it there is no room for a number to grow (2**63).
GREATEST_SEEN = 1 << 62
NOT_SAID = "the wake server does not acknowledge, and does not say why"


class Phase(Enum):
    """GREETING: hello was sent, and not answered yet."""

    CLOSED = "closed"
    GREETING = "greeting"
    OPEN = "open"


@dataclass(eq=False)
class Said:
    """A message of ours. ``seq``: while it is under way, else 0."""

    kind: str
    body: Mapping[str, Any]
    slot: str = ""
    seq: int = 0


@dataclass(frozen=True)
class Welcomed:
    """``woken_for``: who knocked, with ``seconds`` ago; None: nobody woke it. ``greeted``: what the hello said too."""

    lease_seconds: float
    woken_for: Mapping[str, Any] | None
    greeted: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Settled:
    """``said`` was answered; None: that was the hello, and it was refused. ``error``: "" for an acknowledgement.

    ``name``: by which the host is known now, where it was the hello that is refused for that.
    """

    said: Said | None
    error: str
    again_seconds: float
    name: str = ""


@dataclass(frozen=True)
class Order:
    """An order to believe."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    by: str


@dataclass(frozen=True)
class Refused:
    """An order that is signed, but not to be carried out. ``clocks``: a new welcome may help."""

    id: str
    why: str
    clocks: bool = False


@dataclass(frozen=True)
class Leaving:
    """The wake server stops, and will take connections again then; ``unheard``: it only believes this machine gone."""

    again_seconds: float
    unheard: bool = False


@dataclass(frozen=True)
class Unbelieved:
    """Something that proves nothing."""

    why: str


Event = Welcomed | Settled | Order | Refused | Leaving | Unbelieved


class Session:
    """One client. ``numbers`` gives the next number of a message; ``above``: go on above that one."""

    def __init__(
        self,
        name: str,
        key: str,
        numbers: Callable[[], int],
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
        above: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self.phase = Phase.CLOSED
        self.key = key
        self._name, self._numbers, self._nonce, self._above = name, numbers, nonce, above
        self._queue: list[Said] = []
        self._waiting: dict[int, Said] = {}
        self._hello: tuple[int, str, float, tuple[Said, ...]] = (0, "", 0.0, ())
        self._session = ""
        self._ordered = self._floor = 0
        self._offset = 0.0

    # --- what is said

    def put(self, kind: str, body: Mapping[str, Any], slot: str = "") -> Said:
        """Have something said; what was to be said in the same slot before is not any more."""
        if slot:
            self.drop(*(said for said in self._all() if said.slot == slot))
        said = Said(kind, body, slot)
        self._queue.append(said)
        return said

    def drop(self, *words: Said) -> None:
        """Say these no more."""
        self._queue = [said for said in self._queue if said not in words]
        for said in words:
            self._waiting.pop(said.seq, None)

    def pending(self, slot: str) -> Said | None:
        """Return what waits in that slot."""
        return next((said for said in self._all() if said.slot == slot), None)

    @property
    def unanswered(self) -> bool:
        """Tell whether anything is under way."""
        return bool(self._waiting) or self.phase is Phase.GREETING

    @property
    def unsaid(self) -> bool:
        """Tell whether anything waits for its turn."""
        return bool(self._queue)

    def hello(self, body: Mapping[str, Any], now: float, greeted: Said | None = None) -> str:
        """Return the first text of a new connection: nothing of an older one counts any more.

        ``greeted``: a word that this hello says as well. Raises PowernapError where there is no number.
        """
        self.lost()
        nonce = self._nonce()
        number = self._numbers()
        self._hello = number, nonce, now, (greeted,) if greeted is not None else ()
        self.phase = Phase.GREETING
        return self._seal("hello", number, {**body, "nonce": nonce})

    def outgoing(self) -> list[str]:
        """Return the texts that are to be sent now. Raises PowernapError where there is no number."""
        texts = []
        while self.phase is Phase.OPEN and self._queue:
            texts.append(self.send(self._queue[0]))
        return texts

    def one(self) -> str | None:
        """Return the text of the oldest that waits, or None. Raises PowernapError where there is no number."""
        return self.send(self._queue[0]) if self._queue and self.phase is Phase.OPEN else None

    def send(self, said: Said) -> str:
        """Return one message's text, which is under way from now on, connection or not."""
        number = self._numbers()
        self._queue = [each for each in self._queue if each is not said]
        self._waiting.pop(said.seq, None)
        said.seq = number
        self._waiting[number] = said
        return self._seal(said.kind, number, said.body)

    def lost(self) -> None:
        """The connection is gone: what was not answered is to be said again, in its order."""
        again = [self._waiting[number] for number in sorted(self._waiting)]
        for said in again:
            said.seq = 0
        self._queue = again + self._queue
        self._waiting = {}
        self.phase, self._session, self._ordered = Phase.CLOSED, "", 0

    # --- what is heard

    def received(self, text: str | bytes, now: float) -> Event:
        """Return what a text of the other side amounts to."""
        try:
            sealed = envelope.read(text)
            message = sealed.opened(self.key, TO_CLIENT)
        except BadMessage as error:
            return Unbelieved(str(error))
        if message.host != self._name:
            return Unbelieved(f"a message for {message.host}")
        if message.kind == "welcome":
            return self._welcome(message)
        if message.kind == "ack":
            return self._ack(message)
        if message.kind == "order":
            return self._order(message, now)
        if message.kind == "bye":
            return self._bye(message)
        return Unbelieved(f"{message.kind} is nothing that a wake server says")

    def _welcome(self, message: Message) -> Event:
        number, nonce, sent, greeted = self._hello
        body = message.body
        if self.phase is not Phase.GREETING or message.re != number or body.get("nonce") != nonce:
            return Unbelieved("a welcome to another hello")
        time, session, lease = body.get("time"), body.get("session"), body.get("lease_seconds")
        if not _is_time(time) or not _is_time(lease) or not isinstance(session, str) or not session:
            return Unbelieved("a welcome without session, time or lease_seconds")
        self.phase = Phase.OPEN
        self._session, self._ordered, self._floor = session, message.seq, message.seq
        # Reckoned from when the hello left: who holds a welcome back makes orders older by that, never younger.
        self._offset = float(time) - sent
        greeted = tuple(said for said in greeted if said in self._queue)
        self.drop(*greeted)
        return Welcomed(float(lease), _woken_for(body.get("woken_for"), float(time)), greeted)

    def _ack(self, message: Message) -> Event:
        body = message.body
        ok = body.get("ok") is True
        error = "" if ok else str(body.get("error") or NOT_SAID)
        again = body.get("again_seconds")
        seconds = float(again) if _is_time(again) else 0.0
        if message.re == self._hello[0] and self.phase is Phase.GREETING:
            self.phase = Phase.CLOSED
            self._go_on_above(body.get("seen"))
            error = error or "the wake server answers a hello with no welcome"
            return Settled(None, error, seconds, _name(body.get("name")))
        if message.seq <= self._floor:
            return Unbelieved("an answer from before the last welcome")  # to a number that a lost state used already
        said = self._waiting.pop(message.re or 0, None)
        if said is None:
            return Unbelieved("an answer to nothing that is under way")
        self._go_on_above(body.get("seen"))
        said.seq = 0
        return Settled(said, error, seconds)

    def _go_on_above(self, seen: object) -> None:
        """The server has seen that number of ours, which our own disk does not know any more."""
        if isinstance(seen, int) and not isinstance(seen, bool) and 0 < seen < GREATEST_SEEN:
            with contextlib.suppress(PowernapError):  # then it is refused again
                self._above(seen)

    def _order(self, message: Message, now: float) -> Event:
        body = message.body
        identifier, verb, arguments = body.get("id"), body.get("verb"), body.get("arguments")
        if not isinstance(identifier, str) or not 0 < len(identifier) <= 64:
            return Unbelieved("an order without an id")
        if self.phase is not Phase.OPEN or body.get("session") != self._session or not self._session:
            return Refused(identifier, "the order is of another session: give it again")
        if message.seq <= self._ordered:
            return Refused(identifier, "the order was overtaken, or comes for the second time: give it again")
        self._ordered = message.seq
        time, valid = body.get("time"), body.get("valid_seconds")
        if not _is_time(time) or not _is_time(valid):
            return Refused(identifier, "the order does not say when it was given, or how long it holds")
        age = now + self._offset - float(time)
        if age > min(float(valid), LONGEST_VALID_SECONDS):
            return Refused(
                identifier, f"the order is {age:.0f} s old, and was to hold for {valid:g} s: give it again", True
            )
        if age < -AHEAD_SECONDS:
            return Refused(
                identifier,
                f"the order is of {-age:.0f} s hence: the wake server's clock was set meanwhile, give it again",
                True,
            )
        if not isinstance(verb, str) or not isinstance(arguments, dict):
            return Refused(identifier, "the order has no verb, or no arguments")
        return Order(identifier, verb, arguments, str(body.get("by") or "the wake server"))

    def _bye(self, message: Message) -> Event:
        again = message.body.get("again_seconds")
        if message.body.get("session") != self._session or not self._session or not _is_time(again):
            return Unbelieved("a bye of another session, or without again_seconds")
        return Leaving(min(float(again), LONGEST_AWAY_SECONDS), message.body.get("cause") == "silent")

    def _all(self) -> list[Said]:
        return [*self._waiting.values(), *self._queue]

    def _seal(self, kind: str, number: int, body: Mapping[str, Any]) -> str:
        return envelope.seal(self.key, TO_SERVER, Message(self._name, kind, number, body))


def _name(said: object) -> str:
    return said if isinstance(said, str) and 0 < len(said) <= 253 and said.isprintable() else ""


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e12


def _woken_for(said: object, time: float) -> dict[str, Any] | None:
    """Return who knocked, with how many seconds before the welcome; both by the server's clock."""
    if not isinstance(said, dict):
        return None
    at = said.get("at")
    known: dict[str, Any] = {
        key: value
        for key in ("reason", "asked_by", "address", "port", "packets")
        if isinstance(value := said.get(key), (str, int)) and len(str(value)) <= 300
    }
    when = {"at": at, "seconds": round(time - at, 3)} if _is_time(at) else {"at": None, "seconds": None}
    return known | when
