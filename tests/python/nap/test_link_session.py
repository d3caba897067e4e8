# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client says and believes, over every interleaving of loss, restart, repetition and clocks that jump."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from powernap.nap.link.numbers import Numbers
from powernap.nap.link.orderbook import OrderBook
from powernap.nap.link.session import (
    LONGEST_AWAY_SECONDS,
    PRESENCE,
    STATE,
    Leaving,
    Order,
    Phase,
    Refused,
    Session,
    Settled,
    Unbelieved,
    Welcomed,
)
from powernap.shared import envelope
from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message

KEY, OTHER = "5a" * 32, "a5" * 32


def welcome(client, text, /, key=KEY, seq=1, **changes):
    hello = envelope.read(text).opened(KEY, TO_SERVER)
    body = {"nonce": hello.body["nonce"], "session": "s1", "time": 5000.0, "lease_seconds": 3600, **changes}
    return client.received(envelope.seal(key, TO_CLIENT, Message("web1", "welcome", seq, body, hello.seq)), 100.2)


@pytest.fixture
def session():
    made = Session("web1", KEY, itertools.count(1).__next__)
    assert isinstance(welcome(made, made.hello({"state": "awake"}, 100.0)), Welcomed)
    return made


def order(seq=2, key=KEY, host="web1", kind="order", direction=TO_CLIENT, **changes):
    body = {"id": "o1", "session": "s1", "verb": "nap", "arguments": {}, "time": 5000.0, "valid_seconds": 30}
    return envelope.seal(key, direction, Message(host, kind, seq, {**body, "by": "alice", **changes}))


def test_an_order_of_this_session_is_believed_and_says_who_gave_it(session):
    assert session.received(order(), 101.0) == Order("o1", "nap", {}, "alice")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (order(key=OTHER), Unbelieved),
        (order(direction=TO_SERVER), Unbelieved),
        (order(host="web2"), Unbelieved),
        (order(kind="hello"), Unbelieved),
        (order()[:-3], Unbelieved),
        (order() + " ", Unbelieved),
        ("x" * 70_000, Unbelieved),
        ("0" * 64 + " " + "[" * 60_000, Unbelieved),
        (order(id=""), Unbelieved),
        (order(id=7), Unbelieved),
        (order(session="s0"), Refused),
        (order(session=""), Refused),
        (order(seq=1), Refused),
        (order(time=4900.0), Refused),
        (order(time=9000.0), Refused),
        (order(time=None), Refused),
        (order(time=True), Refused),
        (order(valid_seconds=-1), Refused),
        (order(verb=None), Refused),
        (order(arguments=[]), Refused),
    ],
)
def test_anything_else_is_refused_or_not_believed(session, text, kind):
    assert isinstance(session.received(text, 101.0), kind)


def bye(again=7.0, **changes):
    return envelope.seal(
        KEY, TO_CLIENT, Message("web1", "bye", 5, {"session": "s1", "again_seconds": again, **changes})
    )


def test_a_server_that_stops_says_when_to_come_back(session):
    assert session.received(bye(), 101.0) == Leaving(7.0)
    assert session.received(bye(1e9), 101.0) == Leaving(LONGEST_AWAY_SECONDS)
    assert session.received(bye(cause="silent"), 101.0) == Leaving(7.0, unheard=True)


@pytest.mark.parametrize("text", [bye(session="s0"), bye(session=""), bye(None), bye(-1), bye("soon"), bye(True)])
def test_a_bye_of_another_session_or_without_a_time_keeps_nobody_away(session, text):
    assert isinstance(session.received(text, 101.0), Unbelieved)


def test_the_same_order_once_more_is_refused(session):
    assert isinstance(session.received(order(), 101.0), Order)
    assert isinstance(session.received(order(), 101.0), Refused)


def test_an_order_grows_old_by_the_clock_that_nobody_sets_from_when_the_hello_left(session):
    # the hello left at 100.0, when the server's clock said 5000.0 at the latest
    assert isinstance(session.received(order(), 129.9), Order)
    assert isinstance(session.received(order(seq=3), 130.1), Refused)


def test_before_a_welcome_and_after_a_loss_no_order_is_carried_out(session):
    session.lost()
    assert isinstance(session.received(order(), 101.0), Refused)
    session.hello({}, 102.0)
    assert isinstance(session.received(order(), 103.0), Refused)


@pytest.mark.parametrize(
    "changes",
    [{"key": OTHER}, {"nonce": "00"}, {"session": ""}, {"time": None}, {"lease_seconds": "x"}, {"time": 1e13}],
)
def test_a_welcome_that_proves_nothing_opens_nothing(changes):
    made = Session("web1", KEY, itertools.count(1).__next__)
    text = made.hello({}, 100.0)
    assert isinstance(welcome(made, text, **changes), Unbelieved)
    assert made.phase is Phase.GREETING


def test_a_welcome_to_an_earlier_hello_is_none():
    made = Session("web1", KEY, itertools.count(1).__next__)
    first = made.hello({}, 100.0)
    made.hello({}, 101.0)
    assert isinstance(welcome(made, first), Unbelieved)


def test_a_hello_that_is_refused_says_when_to_come_again():
    made = Session("web1", KEY, itertools.count(1).__next__)
    seq = envelope.read(made.hello({}, 100.0)).opened(KEY, TO_SERVER).seq
    body = {"ok": False, "error": "too many", "again_seconds": 20}
    event = made.received(envelope.seal(KEY, TO_CLIENT, Message("web1", "ack", 1, body, seq)), 101.0)
    assert event == Settled(None, "too many", 20.0)


def test_who_knocked_is_told_with_the_seconds_of_the_servers_clock():
    made = Session("web1", KEY, itertools.count(1).__next__)
    event = welcome(made, made.hello({}, 100.0), woken_for={"address": "10.0.0.7", "port": 22, "at": 4990.0, "x": {}})
    assert event.woken_for == {"address": "10.0.0.7", "port": 22, "at": 4990.0, "seconds": 10.0}


def test_of_a_slot_only_the_newest_word_is_said_even_if_the_older_was_under_way(session):
    session.put("asleep", {"word": 1}, PRESENCE)
    session.outgoing()
    session.lost()
    session.put("awake", {"word": 2}, PRESENCE)
    welcome(session, session.hello({}, 100.0))
    (text,) = session.outgoing()
    assert envelope.read(text).message.kind == "awake"


# --- every interleaving


class Interleavings(RuleBasedStateMachine):
    """A client, a server that judges as docs/protocol.md says, and a network that loses, repeats and reorders.

    The client's wall clock jumps. What belongs to an older connection may still arrive.
    """

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.boot, self.wall, self.offset = 100.0, 10**18, 1.0e9
        # the server
        self.last_seq, self.presence, self.state, self.done = 0, None, None, {}
        self.session_id, self.server_seq, self.sessions = "", 0, itertools.count(1)
        # the network: texts under way, each with its direction
        self.to_server: list[str] = []
        self.to_client: list[str] = []
        self.all_to_server: list[str] = []
        self.all_to_client: list[str] = []
        self.numbers: list[int] = []
        # what happened
        self.given: dict[str, float] = {}
        self.carried_out: list[str] = []
        self.words = itertools.count(1)
        self.newest_state = 0
        self.acknowledged = None  #: the last registration or announcement that the client takes for acknowledged
        self.last_word = None
        self.waiting = {}
        self.start()

    def teardown(self):
        self.folder.cleanup()

    def start(self):
        folder = Path(self.folder.name)
        self.session = Session("web1", KEY, Numbers(folder, lambda: self.wall))
        self.book = OrderBook(folder)
        self.last_word, self.acknowledged = None, None
        for entry in self.book.untold():
            self.session.put("done", entry.done(), f"done {entry.id}")

    def sent(self, texts):
        for text in texts:
            self.numbers.append(envelope.read(text).message.seq)
            self.to_server.append(text)
            self.all_to_server.append(text)

    def flush(self):
        self.sent(self.session.outgoing())

    # the client

    @rule()
    def connect(self):
        if self.acknowledged is not None and self.acknowledged.kind == "asleep":
            self.say_presence("awake")  # no hello goes out between a registration and the sleep
        self.to_server, self.to_client = [], []
        awake = self.session.pending(PRESENCE)
        awake = awake if awake is not None and awake.kind == "awake" else None
        number = awake.body["word"] if awake is not None else 0
        self.sent([self.session.hello({"word": number}, self.boot, awake)])

    @rule(kind=st.sampled_from(["awake", "asleep"]))
    def say_presence(self, kind):
        word = next(self.words)
        self.last_word, self.acknowledged = self.session.put(kind, {"word": word}, PRESENCE), None
        self.flush()

    @rule()
    def say_state(self):
        self.newest_state = next(self.words)
        self.session.put("state", {"word": self.newest_state}, STATE)
        self.flush()

    @rule()
    def restart_client(self):
        self.to_server, self.to_client = [], []
        self.start()

    @rule()
    def lose_connection(self):
        self.to_server, self.to_client = [], []
        self.session.lost()

    @rule(seconds=st.sampled_from([0.1, 10.0, 100.0]))
    def time_passes(self, seconds):
        self.boot += seconds
        self.wall += int(seconds * 1e9)

    @rule(seconds=st.sampled_from([-86400, 86400]))
    def a_clock_jumps(self, seconds):
        self.wall += int(seconds * 1e9)  # the client's; that of its orders is the boot's

    # the network

    @precondition(lambda self: self.to_server)
    @rule(data=st.data())
    def arrive_at_server(self, data):
        self.at_server(self.to_server.pop(data.draw(st.integers(0, len(self.to_server) - 1))))

    @precondition(lambda self: self.to_client)
    @rule()
    def arrive_at_client(self):
        self.at_client(self.to_client.pop(0))

    @precondition(lambda self: self.all_to_server)
    @rule(data=st.data())
    def replay_to_server(self, data):
        self.at_server(data.draw(st.sampled_from(self.all_to_server)))

    @precondition(lambda self: self.all_to_client)
    @rule(data=st.data())
    def replay_to_client(self, data):
        self.at_client(data.draw(st.sampled_from(self.all_to_client)))

    # the server

    def answer(self, kind, body, re=None):
        self.server_seq += 1
        text = envelope.seal(KEY, TO_CLIENT, Message("web1", kind, self.server_seq, body, re))
        self.to_client.append(text)
        self.all_to_client.append(text)

    def at_server(self, text):
        message = envelope.read(text).opened(KEY, TO_SERVER)
        if message.seq <= self.last_seq:
            return
        self.last_seq = message.seq
        if message.kind == "hello":
            self.session_id, self.server_seq = f"s{next(self.sessions)}", 0
            self.presence = ("awake", message.body["word"])
            body = {"nonce": message.body["nonce"], "session": self.session_id, "lease_seconds": 3600}
            self.answer("welcome", {**body, "time": self.boot + self.offset, "woken_for": None}, message.seq)
            return
        if message.kind == "state":
            self.state = message.body["word"]
        elif message.kind == "done":
            known = self.done.setdefault(message.body["order"], message.body)
            assert known["ok"] == message.body["ok"], "an order has two results"
        else:
            self.presence = (message.kind, message.body["word"])
        self.answer("ack", {"ok": True}, message.seq)

    @precondition(lambda self: self.session_id)
    @rule()
    def give_order(self):
        identifier = f"o{next(self.words)}"
        self.given[identifier] = self.boot
        body = {"id": identifier, "session": self.session_id, "verb": "nap", "arguments": {}, "by": "alice"}
        self.answer("order", {**body, "time": self.boot + self.offset, "valid_seconds": 30})

    def at_client(self, text):
        event = self.session.received(text, self.boot)
        if isinstance(event, Welcomed):
            for said in event.greeted:
                self.settled(said)
            self.flush()
        elif isinstance(event, Settled) and event.said is not None and not event.error:
            self.settled(event.said)
        elif isinstance(event, Order) and self.book.find(event.id) is None:
            assert self.boot - self.given[event.id] <= 31.0, "a late order is carried out"
            entry = self.book.begin(event.id, event.verb, event.by)
            self.carried_out.append(event.id)
            self.book.finish(entry, True, "", {})
            self.session.put("done", entry.done(), f"done {entry.id}")
            self.flush()

    def settled(self, said):
        if said.kind == "done":
            self.book.told(said.body["order"])
        if said is self.last_word:
            self.acknowledged = said

    # what must hold

    @invariant()
    def numbers_only_grow(self):
        assert self.numbers == sorted(set(self.numbers))

    @invariant()
    def no_order_is_carried_out_twice(self):
        assert len(self.carried_out) == len(set(self.carried_out))

    @invariant()
    def an_acknowledged_word_is_what_the_server_believes(self):
        if self.acknowledged is not None and self.acknowledged.kind == "asleep":
            assert self.presence == ("asleep", self.acknowledged.body["word"])

    @rule()
    def all_arrives_in_the_end(self):
        """Over a connection that holds nothing is lost, and the newest word stands."""
        self.connect()
        for _ in range(200):
            if self.to_server:
                self.at_server(self.to_server.pop(0))
            elif self.to_client:
                self.at_client(self.to_client.pop(0))
            else:
                break
        assert self.session.phase is Phase.OPEN
        assert not self.session.unanswered
        assert not self.session.unsaid
        if self.last_word is not None and self.acknowledged is None:
            raise AssertionError("a word was lost")
        for identifier in self.carried_out:
            if self.book.find(identifier) is not None:
                assert identifier in self.done, "the result of an order was lost"


Interleavings.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestInterleavings = Interleavings.TestCase


def test_a_message_is_json_that_anybody_can_read():
    made = Session("web1", KEY, itertools.count(7).__next__)
    _signature, _space, text = made.hello({"state": "awake"}, 1.0).partition(" ")
    assert json.loads(text)["seq"] == 7
