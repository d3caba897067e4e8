# SPDX-License-Identifier: GPL-3.0-or-later
"""The session monitor against a fake logind that is asked over a real bus."""

from __future__ import annotations

import asyncio
import time

import pytest
from fake_service import FakeService, nobody

from powernap.machine import clocks
from powernap.nap.monitors.session import SessionMonitor
from powernap.nap.sources import Sources
from powernap.shared.errors import PowernapError


class FakeSessions:
    """``sessions``: name to what differs from a desktop that is in use."""

    def __init__(self, **sessions) -> None:
        self.sessions = sessions
        self.ended: set[str] = set()

    def __call__(self, path, member, body):
        listed = [name for name in self.sessions if member != "ListSessions" or name not in self.ended]
        if member == "ListSessions":
            return "a(susso)", ([(name, 1000, "alice", "seat0", f"/session/{name}") for name in listed],)
        name = path.rsplit("/", 1)[1]
        if name.startswith("gone"):
            self.ended.add(name)
            raise LookupError("Unknown object")
        values = {
            "Name": ("s", "alice"),
            "Class": ("s", "user"),
            "State": ("s", "active"),
            "Type": ("s", "wayland"),
            "Remote": ("b", False),
            "LockedHint": ("b", False),
            "IdleHint": ("b", False),
            "IdleSinceHintMonotonic": ("t", 0),
        }
        for key, value in self.sessions[name].items():
            values[key] = (values[key][0], value)
        return "a{sv}", (values,)


def ago(seconds):
    """A time of CLOCK_MONOTONIC in microseconds, as logind gives it."""
    return int((time.monotonic() - seconds) * 1e6)


@pytest.fixture
def look(tmp_path, monkeypatch):
    def ask_and_look(*looks, **values):
        """Look once at each set of sessions; return the last reading."""
        (fake,) = [FakeSessions(**looks[0])]
        service = FakeService(tmp_path, "org.freedesktop.login1", fake)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", service.address)
        monitor = SessionMonitor("people", values)

        async def run():
            sources = Sources()
            monitor.attach(asyncio.get_running_loop(), lambda: None, sources)
            try:
                for later, sessions in enumerate(looks):
                    fake.sessions = sessions
                    await monitor.ask()
                    reading = monitor.look(clocks.now() + 100 * later)
                return reading
            finally:
                sources.close()

        try:
            return asyncio.run(run())
        finally:
            service.close()

    return ask_and_look


TTY = {"Type": "tty", "Remote": True}


def test_a_desktop_that_is_not_idle_is_active(look):
    reading = look({"c1": {}})
    assert reading.active_now and reading.detail == "1 session, alice (session c1, local) in use"


def test_an_idle_desktop_was_last_active_when_it_said_so(look):
    reading = look({"c1": {"IdleHint": True, "IdleSinceHintMonotonic": ago(300)}})
    assert not reading.active_now and reading.last_active == pytest.approx(clocks.now() - 300, abs=2)


def test_a_terminals_session_was_last_active_when_somebody_typed_though_not_yet_called_idle(look):
    reading = look({"3": {**TTY, "IdleHint": False, "IdleSinceHintMonotonic": ago(100)}})
    assert not reading.active_now
    assert reading.last_active == pytest.approx(clocks.now() - 92, abs=2)  # the kernel moves the time in steps of 8 s


def test_the_newest_of_several_sessions_decides(look):
    sessions = {"3": {**TTY, "IdleSinceHintMonotonic": ago(500)}, "4": {**TTY, "IdleSinceHintMonotonic": ago(50)}}
    reading = look(sessions)
    assert reading.last_active == pytest.approx(clocks.now() - 42, abs=2)
    assert reading.detail.startswith("2 sessions, alice (session 4, remote) used 4")


def test_a_session_without_a_terminal_counts_unless_told_otherwise(look):
    assert look({"5": TTY}).active_now
    assert look({"5": TTY}, without_terminal=False).last_active is None


@pytest.mark.parametrize("category", ["greeter", "background", "manager", "lock-screen"])
def test_the_login_screen_and_cron_are_nobody(look, category):
    assert look({"c1": {"Class": category}}).last_active is None


def test_a_session_that_closes_is_over(look):
    assert look({"c1": {"State": "closing"}}).last_active is None


def test_remote_and_local_sessions_can_be_left_out(look):
    assert look({"c1": {}}, local=False).last_active is None
    assert look({"c1": {"Remote": True}}, local=False).active_now
    assert look({"c1": {"Remote": True}}, remote=False).last_active is None


def test_users_can_be_chosen_and_ignored(look):
    assert look({"c1": {}}, users=("al*",)).active_now
    assert look({"c1": {}}, users=("bob",)).last_active is None
    assert look({"c1": {}}, ignore=("alice",)).last_active is None


def test_a_locked_desktop_is_idle_since_it_was_first_seen_locked(look):
    locked = {"c1": {"LockedHint": True}}
    reading = look(locked, locked)
    assert not reading.active_now and reading.last_active == pytest.approx(clocks.now(), abs=2)  # the look 100 s before
    assert look(locked, locked_counts=True).active_now


def test_the_last_activity_of_a_session_that_ended_is_remembered(look):
    reading = look({"c1": {}}, {})
    assert not reading.active_now and reading.detail == "0 sessions"
    assert reading.last_active == pytest.approx(clocks.now(), abs=2)


def test_a_session_that_ends_while_it_is_asked_is_no_failure(look):
    assert look({"gone1": {}, "c1": {}}).detail == "1 session, alice (session c1, local) in use"


def test_without_logind_it_fails_and_says_what_to_use(tmp_path, monkeypatch):
    nobody(monkeypatch, tmp_path)

    async def run():
        with pytest.raises(PowernapError, match="use the monitor console instead"):
            await SessionMonitor("people", {}).ask()

    asyncio.run(run())
