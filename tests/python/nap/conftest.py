# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated machine for the engine: a clock, activity at known times, and somebody who carries the effects out."""

from __future__ import annotations

import ctypes
import heapq
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not do it
from fake_logind import FakeLogind

from powernap.nap import control
from powernap.nap.engine import step
from powernap.nap.events import (
    Acknowledged,
    Act,
    ActionDone,
    ActionFailed,
    Announce,
    CancelWarning,
    Effect,
    Event,
    GoingToSleep,
    Look,
    NapNow,
    Recover,
    Refused,
    Register,
    Resumed,
    Warn,
)
from powernap.nap.evidence import Reading
from powernap.nap.policy import Policy
from powernap.nap.state import begin
from powernap.shared import signing

START = 1000.0
END = float("inf")


@dataclass
class Source:
    """A monitor with a known truth: ``times`` of activity; for kind "hold" they are (begin, end)."""

    kind: str
    times: list = field(default_factory=list)
    armed: bool = False
    looked: float = START

    def __post_init__(self) -> None:
        self.times = sorted(self.times)
        if self.kind == "hold":
            merged: list = []
            for begin, end in self.times:
                if merged and begin <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
                else:
                    merged.append((begin, end))
            self.times = merged

    def past(self, now: float) -> list:
        """The last one until now; none where there was none yet."""
        at = bisect_right(self.times, (now, END) if self.kind == "hold" else now)
        return self.times[max(0, at - 1) : at]

    def look(self, now: float) -> Reading:
        since, self.looked = self.looked, now
        seen = self.past(now)
        if self.kind == "hold":
            running = bool(seen) and now < self.finish(seen)
            last = self.finish(seen) if seen else None
            return Reading(self.kind, "hold", now if running else last, active_now=running, calls=running)
        if self.kind == "stamp":
            return Reading(self.kind, "stamp", seen[-1] if seen else None)
        if self.kind == "failing" and seen and now < seen[-1] + 5:
            return Reading(self.kind, "failing", error="cannot be read")
        counted = bool(seen) and seen[-1] > since
        return Reading(self.kind, "count", now if counted else None, counts=True, calls=self.armed)

    @staticmethod
    def finish(spans: list) -> float:
        """The end of the last span; spans are made not to overlap."""
        return spans[-1][1]

    def truth(self, now: float) -> float:
        """The newest activity that really was, until now."""
        seen = self.past(now)
        if not seen:
            return -END
        return min(self.finish(seen), now) if self.kind == "hold" else seen[-1]

    def following(self, now: float) -> list[float]:
        """The next moment at which it would call by itself, if any."""
        if self.kind == "hold":
            seen = self.past(now)
            return [self.finish(seen)] if seen and self.finish(seen) > now else []
        if not self.armed:
            return []
        at = bisect_right(self.times, now)
        return self.times[at : at + 1]


class World:
    """Runs the engine against sources, with scripted answers; checks on the way what must always hold."""

    def __init__(self, policy: Policy, sources: list[Source], answers=(), actions=(), inhibited=(), sleep=500.0):
        self.policy, self.sources = policy, sources
        self.state = begin(START)
        self.now = START
        self.answers = iter(answers)
        self.actions = iter(actions)
        self.inhibited = list(inhibited)
        self.sleep = sleep
        self.log: list[tuple[float, Effect]] = []
        self.events: list[tuple[float, Event]] = []
        self._pending: list = []
        self._number = itertools.count()
        self.acknowledged: set[int] = set()
        self.ordered_attempts: set[int] = set()
        self.fresh = START
        self.warned = False
        self.applied: list[str] = []
        self.owes_announcement = False
        self.looks = 0
        self.by_order = False

    def at(self, when: float, event: Event) -> None:
        heapq.heappush(self._pending, (when, next(self._number), event))

    def holds(self) -> tuple[str, ...]:
        return ("inhibited",) if any(a <= self.now < b for a, b in self.inhibited) else ()

    def run(self, until: float) -> World:
        for _ in range(200_000):
            when, event = self._next()
            if when > until:
                self.now = until
                return self
            self.now = max(self.now, when)
            self.tell(event)
        raise AssertionError("the engine spins")

    def _next(self) -> tuple[float, Event | None]:
        times = [] if self.state.look_at is None else [max(self.state.look_at, self.now)]
        for source in self.sources:
            if source.kind == "hold" or self.state.attentive:
                times += source.following(self.now)
        times += [end for _begin, end in self.inhibited if end > self.now]
        look = min(times, default=float("inf"))
        if self._pending and self._pending[0][0] <= look:
            when, _number, event = heapq.heappop(self._pending)
            return when, event
        return look, None

    def tell(self, event: Event | None, now: float | None = None) -> None:
        now = self.now if now is None else now
        if event is None:
            self.looks += 1
            event = Look(tuple(source.look(now) for source in self.sources), self.holds())
        elif isinstance(event, NapNow):
            event = NapNow(self.holds())
        self.events.append((now, event))
        before = self.state
        self.state, effects = step(before, event, now, self.policy)
        if isinstance(event, Acknowledged):
            self.acknowledged.add(event.attempt)
        if isinstance(event, (Recover, Resumed)):
            self.fresh = now
        for effect in effects:
            self.log.append((now, effect))
            self._carry_out(effect, event, now)

    def _carry_out(self, effect: Effect, event: Event, now: float) -> None:
        if isinstance(effect, Warn):
            assert not self.warned, "warned twice"
            self.warned = True
        elif isinstance(effect, CancelWarning):
            assert self.warned, "cancelled a warning that was not given"
            self.warned = False
        elif isinstance(effect, Register):
            self.owes_announcement = True
            if isinstance(event, NapNow):
                self.ordered_attempts.add(effect.attempt)
            ok, delay = next(self.answers, (True, 0.01))
            answer = Acknowledged(effect.attempt) if ok else Refused(effect.attempt, "the wake server is down")
            self.at(now + delay, answer)
        elif isinstance(effect, Announce):
            self.owes_announcement = False
        elif isinstance(effect, Act):
            self._act(effect, event, now)
        elif type(effect).__name__ == "Undo":
            assert self.applied, "took back what was not there"
            assert self.applied.pop() == effect.action

    def _act(self, effect: Act, event: Event, now: float) -> None:
        self.warned = False
        ok = next(self.actions, True)
        sleeps = effect.action in ("suspend", "poweroff")
        ordered = isinstance(event, NapNow) or effect.attempt in self.ordered_attempts
        assert not self.policy.observe, "acted while observing"
        assert not self.policy.never
        if sleeps:
            assert effect.attempt in self.acknowledged, "slept without acknowledgement"
            assert not self.holds(), "slept although inhibited"
        if not ordered:
            silent = now - max(self.fresh, *(source.truth(now) for source in self.sources))
            stage = self.policy.steps[len(self.applied) if self.by_order else 0]
            assert silent >= stage.after_seconds - 1e-6, f"napped after {silent} s of silence"
        if not self.applied:
            self.by_order = ordered
        if not sleeps:
            self.applied.append(effect.action)
            self.at(now + 0.01, ActionDone(effect.attempt) if ok else ActionFailed(effect.attempt, "a knob is stuck"))
        elif ok:
            self.at(now + 0.02, GoingToSleep())
            self.at(now + self.sleep, Resumed(self.sleep))
        else:
            self.at(now + 0.02, ActionFailed(effect.attempt, "a device refused"))

    def times(self, kind: type, **fields) -> list[float]:
        """When effects of that type came out."""
        return [
            time
            for time, effect in self.log
            if isinstance(effect, kind) and all(getattr(effect, key) == value for key, value in fields.items())
        ]

    def first(self, kind: type):
        return next(effect for _time, effect in self.log if isinstance(effect, kind))


@pytest.fixture(scope="session")
def world():
    return World


@pytest.fixture(scope="session")
def source():
    return Source


CLONE_NEWNET = 0x40000000


class Segment:
    """Two network namespaces, "here" and "there", joined by a cable; code can run on either side."""

    def __init__(self, name: str) -> None:
        self.names = {"here": f"{name}h", "there": f"{name}t"}
        here, there = self.names["here"], self.names["there"]
        self._libc = ctypes.CDLL(None, use_errno=True)
        for line in (
            f"netns add {here}",
            f"netns add {there}",
            f"link add eth0 netns {here} type veth peer name eth0 netns {there}",
            f"-n {here} addr add 198.18.0.1/16 dev eth0",
            f"-n {there} addr add 198.18.0.2/16 dev eth0",
            f"-n {here} addr add fd4c::1/64 dev eth0 nodad",
            f"-n {there} addr add fd4c::2/64 dev eth0 nodad",
            f"-n {here} link set lo up",
            f"-n {here} link set eth0 up",
            f"-n {there} link set eth0 up",
        ):
            subprocess.run(["ip", *line.split()], check=True, timeout=10)

    @contextmanager
    def on(self, side: str):
        """Run the block with this thread in the namespace of that side; sockets made in it stay there."""
        side = Path("/run/netns", self.names[side])
        with Path("/proc/thread-self/ns/net").open() as home, side.open() as there:
            self._enter(there.fileno())
            try:
                yield
            finally:
                self._enter(home.fileno())

    def _enter(self, fd: int) -> None:
        if self._libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, timeout=10)


@pytest.fixture
def segment():
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    made = Segment(f"pnn{os.getpid()}")
    try:
        yield made
    finally:
        made.close()


class FakeWakeServer:
    """Speaks docs/protocol.md on one port; ``answer`` says yes, no or nothing."""

    def __init__(self, segment: Segment, key: str) -> None:
        self.messages: list[tuple[str, dict]] = []
        self.status = 200
        self.delay = 0.0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sequence = int(self.headers[signing.SEQUENCE_HEADER])
                path, host = self.path, self.path.split("/")[3]
                expected = signing.sign(key, "POST", path, host, sequence, body)
                assert signing.same(self.headers[signing.SIGNATURE_HEADER], expected)
                time.sleep(owner.delay)
                owner.messages.append((path.split("/")[-1], json.loads(body)))
                good = {"acknowledged": True} if owner.status == 200 else {"error": "the registry is full"}
                answer = json.dumps(good).encode()
                self.send_response(owner.status)
                self.send_header(signing.SIGNATURE_HEADER, signing.sign_answer(key, sequence, owner.status, answer))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_arguments: object) -> None:
                pass

        with segment.on("there"):
            self._server = ThreadingHTTPServer(("198.18.0.2", 20709), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def said(self, verb: str) -> list[dict]:
        return [content for each, content in self.messages if each == verb]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Machine:
    """powernapd as a process in the namespace "here", with a FakeLogind, a fake ethtool and a FakeWakeServer."""

    KEY = "5a" * 32

    def __init__(self, folder: Path, segment: Segment) -> None:
        self.folder, self.segment = folder, segment
        self.logind = FakeLogind(folder)
        self.server = FakeWakeServer(segment, self.KEY)
        self.config = folder / "powernapd.toml"
        self.socket = folder / "control.sock"
        self.state = folder / "state"
        (folder / "client.key").write_text(self.KEY + "\n")
        (folder / "bin").mkdir()
        (folder / "bin/ethtool").symlink_to(Path(__file__).with_name("fake_ethtool"))
        (folder / "bin/wall").write_text(f"#!/bin/sh\ncat >> {folder}/wall.log\n")
        (folder / "bin/wall").chmod(0o755)
        (folder / "eth0.supported").write_text("pumbg\n")
        (folder / "eth0.armed").write_text("d\n")
        self.process: subprocess.Popen | None = None
        self.log = folder / "log"

    def write(self, nap: str = "", server: str = "", more: str = "", absent: float = 1.0) -> None:
        if "[monitors" not in more:
            more += '\n[monitors.ssh]\nkind = "tcp"\nports = [22]\n[warnings.wall]\nkind = "wall"\n'
        virtual = "" if "virtualization" in nap else 'virtualization = "none"\n'
        self.config.write_text(
            f"[nap]\nabsent_seconds = {absent}\ngrace_seconds = 0.4\nmin_awake_seconds = 0\nbackoff_seconds = 1\n"
            f'{virtual}{nap}\n[server]\nurl = "http://198.18.0.2:20709"\nname = "web1"\n'
            f'key_file = "{self.folder}/client.key"\n{server}\n{more}\n'
        )

    def start(self) -> Machine:
        environment = dict(
            os.environ,
            DBUS_SYSTEM_BUS_ADDRESS=self.logind.address,
            FAKE_ETHTOOL=str(self.folder),
            PATH=f"{self.folder}/bin:{os.environ['PATH']}",
        )
        namespace = ["ip", "netns", "exec", self.segment.names["here"]]
        self.process = subprocess.Popen([*namespace, *self.command()], env=environment, stderr=self.log.open("w"))
        self.until(lambda: "powernapd" in self.text() and "watches" in self.text(), "powernapd does not start")
        return self

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "powernap", "powernapd", "--config", str(self.config), "--debug"]
        return [*command, "--state-dir", str(self.state), "--control-socket", str(self.socket)]

    def text(self) -> str:
        return self.log.read_text()

    def ask(self, command: str) -> dict:
        return control.ask(str(self.socket), {"command": command}, 20)

    def until(self, condition, complaint: str, seconds: float = 15.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.02)
        raise AssertionError(f"{complaint}\n{self.text()}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(10) == 0, self.text()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.server.close()
        self.logind.close()


@pytest.fixture
def machine(tmp_path, segment):
    made = Machine(tmp_path, segment)
    made.write()
    yield made
    made.close()
