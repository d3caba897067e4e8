# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from powernap.wake.link.sessions import LEAST_BURST, LONGEST_WAIT, Again, Flood, HelloFirst, Replayed, Sessions


def greeted(name: str = "web1", seq: int = 10) -> Sessions[object]:
    sessions: Sessions[object] = Sessions(10)
    assert sessions.judge(name, "hello", seq, "a", 0, 0.0) is None
    sessions.begin(name, "s1", None)
    return sessions


def test_a_message_that_comes_twice_is_answered_again_as_it_was() -> None:
    sessions = greeted()
    assert sessions.judge("web1", "state", 11, "b", 0, 0.0) is None
    assert sessions.judge("web1", "state", 11, "b", 0, 0.0) == Again(None)  # still under way
    sessions.answered("web1", 11, "the answer")
    assert sessions.judge("web1", "state", 11, "b", 0, 0.0) == Again("the answer")


def test_a_number_that_was_used_by_another_message_is_refused() -> None:
    sessions = greeted(seq=10)
    for seq in (10, 9, 1):
        with pytest.raises(Replayed, match="was used before"):
            sessions.judge("web1", "hello", seq, "other", 0, 0.0)


def test_a_number_on_disk_counts_after_a_restart() -> None:
    sessions: Sessions[object] = Sessions(10)
    with pytest.raises(Replayed):
        sessions.judge("web1", "hello", 10, "a", 10, 0.0)
    assert sessions.judge("web1", "hello", 11, "a", 10, 0.0) is None


@pytest.mark.parametrize("kind", ["state", "done", "bye"])
def test_what_was_recorded_before_a_restart_needs_a_hello_first(kind: str) -> None:
    """Only what changes a registration is on disk; the number of a state is not."""
    sessions: Sessions[object] = Sessions(10)
    with pytest.raises(HelloFirst):
        sessions.judge("web1", kind, 11, "a", 10, 0.0)


def test_a_newer_hello_replaces_the_older_link() -> None:
    sessions = greeted()
    old, new = object(), object()
    assert sessions.begin("web1", "s2", old) is None
    assert sessions.begin("web1", "s3", new) is old
    assert sessions.link("web1") is new
    assert sessions.lost(old) is None  # its end says nothing of the host
    assert sessions.link("web1") is new
    assert sessions.lost(new) == "web1"
    assert sessions.link("web1") is None


def test_a_hello_by_post_leaves_the_open_link() -> None:
    sessions = greeted()
    link = object()
    sessions.begin("web1", "s2", link)
    assert sessions.begin("web1", "s3", None) is None
    assert sessions.link("web1") is link


def test_who_says_too_much_is_slowed_and_then_refused_until_he_was_silent() -> None:
    sessions = greeted()
    waits = [sessions.wait("web1", 0.0) for _nth in range(int(max(LEAST_BURST, 50)))]
    assert waits == [0.0] * len(waits)
    slowed = [sessions.wait("web1", 0.0) for _nth in range(int(10 * LONGEST_WAIT))]
    assert 0 < slowed[0] < slowed[-1] <= LONGEST_WAIT
    with pytest.raises(Flood) as flood:
        sessions.wait("web1", 0.0)
    assert sessions.wait("web1", flood.value.again_seconds) <= LONGEST_WAIT


@given(st.lists(st.floats(0, 3), min_size=1, max_size=300), st.floats(0.5, 50))
def test_no_more_messages_pass_than_the_rate_and_its_burst(gaps: list[float], rate: float) -> None:
    sessions: Sessions[object] = Sessions(rate)
    sessions.judge("web1", "hello", 1, "a", 0, 0.0)
    now, passed, first = 0.0, 0, 0.0
    for gap in gaps:
        now += gap
        try:
            wait = sessions.wait("web1", now)
        except Flood:
            continue
        passed += 1
        most = max(LEAST_BURST, 5 * rate) + rate * (now + wait - first) + 1
        assert passed <= most


NAMES = st.sampled_from(["web1", "web2", "db"])


@dataclass
class _Host:
    """What is true of a host, kept as simply as can be."""

    heard: set[int] = field(default_factory=set)
    greeted: bool = False
    link: int | None = None


class Links(RuleBasedStateMachine):
    """Any order of messages, losses and restarts of any number of hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: Sessions[str] = Sessions(1000)
        self.hosts = {name: _Host() for name in ("web1", "web2", "db")}
        self.peers: dict[int, str] = {}
        self.acted: list[tuple[str, int]] = []
        self.count = 0

    @rule(
        name=st.sampled_from(["web1", "web2", "db"]), seq=st.integers(1, 30), kind=st.sampled_from(["hello", "state"])
    )
    def message(self, name: str, seq: int, kind: str) -> None:
        host = self.hosts[name]
        try:
            again = self.sessions.judge(name, kind, seq, f"{kind}{seq}", 0, 0.0)
        except Replayed:
            assert seq <= max(host.heard)
            return
        except HelloFirst:
            assert kind != "hello" and not host.greeted
            return
        if again is not None:
            assert seq == max(host.heard)
            return
        self.acted.append((name, seq))
        host.heard.add(seq)
        if kind == "hello":
            self.count += 1
            peer = f"peer {self.count}"
            former = self.sessions.begin(name, str(self.count), peer)
            assert former == (None if host.link is None else self.peers[host.link])
            self.peers[self.count], host.link, host.greeted = peer, self.count, True

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def loss(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.peers)))
        name = self.sessions.lost(self.peers[number])
        whose = [each for each, host in self.hosts.items() if host.link == number]
        assert [name] == (whose or [None])
        for each in whose:
            self.hosts[each].link = None

    @rule(name=NAMES)
    def forget(self, name: str) -> None:
        host = self.hosts[name]
        former = self.sessions.forget(name)
        assert former == (None if host.link is None else self.peers[host.link])
        self.hosts[name] = _Host()
        self.acted = [each for each in self.acted if each[0] != name]

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert len(set(self.acted)) == len(self.acted)

    @invariant()
    def each_host_has_its_last_link(self) -> None:
        for name, host in self.hosts.items():
            assert self.sessions.link(name) == (None if host.link is None else self.peers[host.link])
        assert len(self.sessions) == sum(host.link is not None for host in self.hosts.values())


TestLinks = Links.TestCase
