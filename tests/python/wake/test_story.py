# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a wake afterwards: the whole closed loop, with a host of play and packets that go nowhere."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.python.wake.play import SLEEP, WEB4, asked, knock
from tests.python.wake.test_methods import Wire

from powernap.cli.wakecommands.story_text import story_text
from powernap.cli.wakecommands.wakes import wakes_text
from powernap.config.wake import WakeConfig, load_wake
from powernap.wake import events as ev
from powernap.wake.host import Host
from powernap.wake.hosts import step
from powernap.wake.model import Policy, State
from powernap.wake.notes import Notes
from powernap.wake.waker import escalates_at
from powernap.wake.wakes import Wakes


class Loop:
    """An engine of the least kind: hosts, a clock that is moved by hand, and Wakes as the real one has it."""

    def __init__(self, directory: Path, config: str = "") -> None:
        (directory / "wake.toml").write_text(config)
        self.config: WakeConfig = load_wake(directory / "wake.toml")
        self.policy = Policy(escalate_at=escalates_at(self.config))
        self.notes = Notes(directory / "notes.sqlite")
        self.now = 1000.0
        self.hosts: dict[str, Host] = {}
        self.noted: list[tuple[str, str, str]] = []
        self.wires = {"eth0": Wire()}
        self.wakes = Wakes(self.wires, self.config, self.notes, lambda: self.now, self.hosts.get, self.tell, self._note)

    def _note(self, name: str, event: str, detail: str) -> None:
        self.noted.append((name, event, detail))
        self.wakes.alert(name, event, detail)

    def tell(self, name: str, event: ev.Event) -> None:
        new, effects = step(self.hosts[name], event, self.now, self.policy)
        self.hosts[name] = new
        for effect in effects:
            if isinstance(effect, ev.Volley):
                self.wakes.volley(new, effect, self.policy)
            elif isinstance(effect, ev.Hurry):
                self.wakes.hurry(new)
            elif isinstance(effect, ev.Log):
                self._note(name, effect.event, str(effect.detail))
        self.wakes.follow(new, event, effects)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := min(host.deadline(self.policy) for host in self.hosts.values())) <= end:
            self.now = max(self.now, due)
            for name, host in list(self.hosts.items()):
                if host.deadline(self.policy) <= self.now:
                    self.tell(name, ev.Tick())
        self.now = end

    def asleep(self, *names: str, **host: object) -> None:
        names = names or ("web1",)
        for name in names:
            self.hosts[name] = replace(Host(name, macs=(WEB4.mac,), addresses=(WEB4,)), **host)
            self.tell(name, ev.Asleep(SLEEP))
        self.advance(15)
        assert all(self.hosts[name].state is State.PROXIED for name in names)

    def wake(self, name: str = "web1") -> None:
        self.tell(name, knock())
        self.advance(0.7)
        self.tell(name, ev.Hello("resume"))
        self.advance(10)


def played(directory: Path, act: Callable[[Loop], Awaitable[None]], config: str = "") -> list[dict[str, Any]]:
    async def play() -> list[dict[str, Any]]:
        loop = Loop(directory, config)
        await act(loop)
        await loop.notes.close()
        wakes = loop.wakes.stories.of("web1")
        loop.wakes.close()
        await loop.notes.close()
        return wakes

    return asyncio.run(play())


def test_the_whole_story_of_a_wake(tmp_path: Path) -> None:
    async def act(loop: Loop) -> None:
        loop.asleep()
        loop.tell("web1", knock(50001))
        loop.advance(0.3)
        loop.tell("web1", knock(50001))
        loop.tell("web1", knock(50002))
        loop.advance(2.2)
        loop.tell("web1", ev.OwnerSeen(WEB4.ip, answers=True))
        loop.advance(0.2)
        loop.tell("web1", ev.Hello("resume"))
        loop.advance(10)
        loop.wakes.stories.verdict("web1", "used")
        loop.wakes.stories.verdict("web1", "for nothing")

    (wake,) = played(tmp_path, act)
    assert (wake["result"], wake["seconds"], wake["verdict"]) == ("woken", 2.5, "used")
    assert (wake["first_sign"], wake["verified"]) == ("answer", "hello"), "its own word came while it was restored"
    assert [(knock["by"]["port"], knock["count"], knock["at"]) for knock in wake["knocks"]] == [
        (50001, 2, 0.0),
        (50002, 1, 0.3),
    ]
    first = wake["volleys"][0]
    assert first["at"] == 0 and first["ways"]["ethernet"] == {"packets": 2, "text": ""}
    assert [volley["number"] for volley in wake["volleys"]] == [0, 1, 2, 3]
    assert "udp_directed" not in first["ways"] and "udp_directed" in wake["volleys"][2]["ways"]
    assert wake["magic_packets"] == sum(way["packets"] for volley in wake["volleys"] for way in volley["ways"].values())
    assert wake["probes"] >= 20 and wake["replays"] == 8
    assert wake["at"]["hello"] == 2.7 and wake["at"]["restored"] > 2.5
    text = story(wake)
    assert "demand: TCP SYN to port 80 from 198.18.0.9:50001 (02:4c:00:00:00:09), 2 times" in text
    assert "volley 1: ethernet 2 packets, udp_broadcast 1 packet" in text
    assert "woken after 2.5 s, proven by hello; it was used" in text
    assert "(demand) and 1 more" in wakes_text([wake])


def test_a_wake_that_is_given_up_tells_what_was_tried(tmp_path: Path) -> None:
    script = tmp_path / "power-on"
    script.write_text("#!/bin/sh\necho no such outlet\nexit 3\n")
    script.chmod(0o755)
    told = tmp_path / "told"
    alert = tmp_path / "alert"
    alert.write_text(f"#!/bin/sh\ncat >{told}.new && mv {told}.new {told}\n")
    alert.chmod(0o755)

    async def act(loop: Loop) -> None:
        loop.asleep()
        loop.tell("web1", knock())
        loop.advance(20)
        await eventually(lambda: any(event == "way of waking" for _name, event, _detail in loop.noted))
        loop.advance(101)
        assert loop.hosts["web1"].state is State.UNREACHABLE
        await eventually(told.exists)

    (wake,) = played(tmp_path, act, f'[wake]\nexec = ["{script}"]\nalert = ["{alert}"]\n')
    assert (wake["result"], wake["verified"], wake["released"]) == ("given up", None, 1)
    assert [volley["at"] for volley in wake["volleys"] if "exec" in volley["ways"]] == [10.0]
    assert wake["outcomes"] == [{"at": 20.0, "way": "exec", "text": "ended with status 3: no such outlet"}]
    assert "exec: ended with status 3: no such outlet" in story(wake) and "1 given up" in story(wake)
    assert '"event": "alert"' in told.read_text() and "did not wake in 120 s" in told.read_text()


def test_a_volley_for_which_no_way_is_due_is_not_told(tmp_path: Path) -> None:
    script = tmp_path / "power-on"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    async def act(loop: Loop) -> None:
        loop.asleep()
        loop.tell("web1", knock())
        loop.advance(5)
        loop.tell("web1", ev.Hello("resume"))
        loop.advance(10)
        assert [detail for _name, event, detail in loop.noted if event == "magic packet"] == [
            "volley 1, 0 packets; exec: began"
        ]

    (wake,) = played(tmp_path, act, f'[wake]\nmethods = ["exec"]\nexec = ["{script}"]\n')
    assert [volley["ways"].keys() for volley in wake["volleys"]] == [{"exec"}]


def story(wake: dict[str, Any]) -> str:
    return "\n".join(story_text([wake]))


async def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it does not happen")


def test_an_order_that_finds_the_host_awake_is_no_wake(tmp_path: Path) -> None:
    async def act(loop: Loop) -> None:
        loop.hosts["web1"] = Host("web1", macs=(WEB4.mac,), addresses=(WEB4,))
        loop.tell("web1", ev.Order("root", 60))
        loop.tell("web1", ev.OwnerSeen(WEB4.ip, answers=True))
        assert not loop.wakes.stories._running

    assert played(tmp_path, act) == []


@pytest.mark.parametrize(
    ("event", "wake_on", "reason", "who"),
    [
        (ev.Order("root", 60), "demand", "order", "root"),
        (ev.Claimed(WEB4, b"\x02\x4c\0\0\0\x77"), "demand", "conflict", "claim from 198.18.0.3 (02:4c:00:00:00:77)"),
        (asked(), "arp", "arp", "ARP from 198.18.0.9"),
    ],
)
def test_whatever_asked_for_it_is_told(tmp_path: Path, event: ev.Event, wake_on: str, reason: str, who: str) -> None:
    async def act(loop: Loop) -> None:
        loop.asleep(wake_on=wake_on)
        loop.tell("web1", event)
        loop.tell("web1", event)
        loop.advance(1)
        loop.tell("web1", ev.Hello("resume"))
        loop.advance(10)

    (wake,) = played(tmp_path, act)
    assert wake["reason"] == reason and who in story(wake) and who in wakes_text([wake])
    assert len(wake["knocks"]) == 1


def test_who_waits_for_the_budget_has_its_turn_and_says_so(tmp_path: Path) -> None:
    async def act(loop: Loop) -> None:
        for number in range(3):
            loop.asleep(f"web{number}")
        for number in (0, 2, 1):
            loop.tell(f"web{number}", knock())
        await asyncio.sleep(0.05)
        assert [loop.hosts[f"web{number}"].wake.waits for number in range(3)] == [False, True, True]
        assert loop.wakes.counts()["waiting_for_turn"] == 2
        loop.tell("web1", ev.Order("root", 60))
        loop.now += 7
        loop.wakes.configure(load_wake(tmp_path / "wake.toml"))
        await eventually(lambda: not loop.hosts["web1"].wake.waits)
        assert loop.hosts["web2"].wake.waits, "an order goes first"
        loop.tell("web1", ev.Hello("resume"))
        loop.tell("web2", ev.Hello("resume"))
        assert loop.wakes.counts()["waiting_for_turn"] == 0, "who woke by itself waits no more"
        loop.advance(10)

    (wake,) = played(tmp_path, act, "[wake]\nwakes_per_minute = 10\n")
    assert wake["at"]["waited_from"] == 0 and wake["at"]["turn"] == 7.0
    assert wake["volleys"][0]["at"] == 7.0
    assert "waits for its turn" in story(wake)


def test_more_knocks_than_are_told_one_by_one_are_counted(tmp_path: Path) -> None:
    async def act(loop: Loop) -> None:
        loop.asleep()
        for port in range(50000, 50100):
            loop.tell("web1", knock(port))
        loop.tell("web1", ev.Hello("resume"))
        loop.advance(10)

    (wake,) = played(tmp_path, act)
    assert len(wake["knocks"]) == 16 and wake["more_knocks"] == 84
    assert "and 84 more" in story(wake) and "and 99 more" in wakes_text([wake])


def test_a_storm_of_a_thousand_hosts_takes_its_time_and_all_of_them_are_woken(tmp_path: Path) -> None:
    names = [f"web{number}" for number in range(1000)]

    async def act(loop: Loop) -> None:
        loop.asleep(*names)
        begun = asyncio.get_running_loop().time()
        real = loop.now
        loop.wakes.gate._clock = lambda: real + asyncio.get_running_loop().time() - begun
        for name in names:
            loop.tell(name, knock())
        await asyncio.sleep(0.01)
        waits = [name for name in names if loop.hosts[name].wake.waits]
        since = 100 * (asyncio.get_running_loop().time() - begun)  # have gone by a budget of 6000 a minute
        assert 390 - since < len(waits) <= 400, "a tenth of 6000 go at once"
        assert len(waits) == loop.wakes.gate.waiting
        loop.tell("web999", ev.Order("root", 60))
        order: list[str] = []
        await eventually(lambda: _have_gone(loop, waits, order))
        assert "web999" in order[:40] and asyncio.get_running_loop().time() - begun >= 3
        volleys = [name for name, event, _detail in loop.noted if event == "magic packet"]
        assert sorted(volleys) == sorted(names), "each exactly once"

    played(tmp_path, act, "[wake]\nwakes_per_minute = 6000\n")


def _have_gone(loop: Loop, waits: list[str], order: list[str]) -> bool:
    order += [name for name in waits if name not in order and not loop.hosts[name].wake.waits]
    return len(order) == len(waits)


_ACTIONS = st.sampled_from(("knock", "order", "hello", "asleep", "seen", "again", "time", "little time", "loop"))


@settings(max_examples=60)
@given(st.lists(st.tuples(_ACTIONS, st.integers(0, 5)), max_size=60))
def test_whatever_happens_meanwhile_nobody_waits_for_a_turn_that_never_comes(steps: list[tuple[str, int]]) -> None:
    async def act(loop: Loop) -> None:
        gate = loop.wakes.gate
        gate._arm = lambda: None  # type: ignore[method-assign]
        for number in range(6):
            loop.asleep(f"web{number}")
        for action, number in steps:
            name = f"web{number}"
            if action in ("time", "little time"):
                loop.advance(7 if action == "time" else 0.5)
                gate._next()
            elif action == "loop":
                await asyncio.sleep(0)
            elif action == "again":
                loop.tell(name, ev.Recalled(SLEEP))
            else:
                event = {
                    "knock": knock(number + 1),
                    "order": ev.Order("root", 60),
                    "hello": ev.Hello("resume"),
                    "asleep": ev.Asleep(SLEEP),
                    "seen": ev.OwnerSeen(WEB4.ip),
                }[action]
                loop.tell(name, event)
        await asyncio.sleep(0)
        for name, host in loop.hosts.items():
            if host.wake is not None and host.wake.waits:
                assert gate.waits(name), "it waits, and nobody knows"
        for _ in range(30):
            loop.advance(7)
            gate._next()
            await asyncio.sleep(0)
        assert gate.waiting == 0
        assert not any(host.wake is not None and host.wake.waits for host in loop.hosts.values())
        assert not loop.wakes.stories._running

    with tempfile.TemporaryDirectory() as directory:
        played(Path(directory), act, "[wake]\nwakes_per_minute = 10\n")


def test_a_wake_goes_on_by_what_its_segment_is_now(tmp_path: Path) -> None:
    async def story() -> tuple[int, int]:
        loop = Loop(tmp_path)
        loop.asleep()
        loop.tell("web1", knock())
        old, new = loop.wires["eth0"], Wire()
        loop.wires["eth0"] = new
        before = len(old.sent)
        loop.advance(3)
        return len(old.sent) - before, len(new.sent)

    to_the_old, to_the_new = asyncio.run(story())
    assert to_the_old == 0 and to_the_new > 3
