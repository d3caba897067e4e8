# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and the daemon's events to lines in the order of their time, each frame with what came of it. Pure.

A line waits PATIENCE seconds: a question for its answer, a demand for what powerwaked says of it.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from powernap.shared.ports import contains, parse_ports
from powernap.trace.names import Names
from powernap.trace.seen import Kind, Seen
from powernap.trace.words import concerned, text

PATIENCE = 0.6
_MOST_WAITING = 10_000
_NO_ANSWER = "no answer"
_ASKS = (Kind.QUESTION, Kind.PROBE)
_WAKES = ("demand", "ordered")
_KNOCKS = (Kind.SYN, Kind.SEGMENT, Kind.DATAGRAM)


@dataclass
class Line:
    """A frame has `seen`, an event of the daemon `event`. `hosts`: whom it concerns.

    `came_of_it` is known in the end; `expected` is what it will be where nothing more is heard.
    `is_idle_probe`: the wake server asked whether a machine is there, and nobody answered.
    """

    time: float
    words: str
    hosts: tuple[str, ...]
    seen: Seen | None = None
    event: Mapping[str, Any] | None = None
    came_of_it: str = ""
    expected: str = field(default="", repr=False)
    is_idle_probe: bool = field(default=False, repr=False)

    @property
    def text(self) -> str:
        return f"{self.words} -> {self.came_of_it}" if self.came_of_it else self.words

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"time": self.time, "hosts": list(self.hosts), "text": self.text}
        if self.event is not None:
            return {**told, "event": dict(self.event)}
        assert self.seen is not None
        return {**told, "frame": asdict(self.seen), "came_of_it": self.came_of_it}


class Lines:
    """`live`: the hosts' states are those of now, and the daemon's events come too.

    `refusals`: sources whose demand is ignored, and why; to be kept up to date while `unexplained`.
    """

    def __init__(self, names: Names, live: bool) -> None:
        self.names = names
        self.left_out = 0
        self.refusals: dict[str, str] = {}
        self._live = live
        self._waiting: list[Line] = []
        self._demands: dict[str, tuple[float, str]] = {}  # the last of each host: time, who asked

    def frame(self, seen: Seen) -> None:
        """Answers join the question that waits for them."""
        if seen.kind is Kind.ANSWER and self._answers(seen):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.left_out += 1
            return
        line = Line(seen.time, "", concerned(seen, self.names), seen)
        if seen.kind in _KNOCKS and self._live:
            line.came_of_it, line.expected = self._fate(seen)
        elif seen.kind is Kind.QUESTION and self._may_wake(seen):
            line.expected = _NO_ANSWER
        self._add(line)

    def concerns(self, seen: Seen, host: str) -> bool:
        return host in concerned(seen, self.names)

    def event(self, event: Mapping[str, Any]) -> None:
        """One of the daemon's, as GET /api/v1/events has it."""
        host, detail = str(event["host"]), str(event["detail"])
        what = f"powerwaked, {host}: {event['event']}" if host else f"powerwaked: {event['event']}"
        self._add(Line(event["time"], f"{what}: {detail}" if detail else what, (host,) if host else (), event=event))
        if event["event"] in _WAKES:
            if len(self._demands) >= _MOST_WAITING:
                self._demands.clear()
            self._demands[host] = (event["time"], detail)
            self._woken(host, detail)

    @property
    def unexplained(self) -> bool:
        """True while there is a demand of which powerwaked has not said what it makes of it."""
        return any(line.expected for line in self._waiting)

    def take(self, until: float) -> list[Line]:
        """The lines that have waited long enough at that time, in order."""
        at = bisect.bisect_right(self._waiting, until - PATIENCE, key=lambda line: line.time)
        done, self._waiting = self._waiting[:at], self._waiting[at:]
        for line in done:
            if line.seen is None:
                continue
            # Only now: the daemon may have told by now whose the addresses are.
            line.words, line.hosts = text(line.seen, self.names), concerned(line.seen, self.names)
            if line.came_of_it:
                continue
            if line.expected:
                why = self.refusals.get(line.seen.source)
                line.came_of_it, line.expected = f"ignored: {why}" if why else line.expected, ""
            elif line.seen.kind is Kind.QUESTION and self._hears_answers(line.seen):
                line.is_idle_probe = line.seen.eth_source in self.names.own_macs
                line.came_of_it = _NO_ANSWER + ("" if line.is_idle_probe else self._why_not(line.seen))
        return done

    def _woken(self, host: str, asked_by: str) -> None:
        for line in self._waiting:
            if line.seen is None or line.seen.kind not in (*_KNOCKS, Kind.QUESTION) or host not in line.hosts:
                continue
            if _sender(line.seen) in asked_by and line.seen.target in self._addresses(host):
                line.came_of_it, line.expected = f"demand: powerwaked wakes {host}", ""
                asked_by = ""
            elif line.expected and line.seen.kind is not Kind.QUESTION:
                line.came_of_it, line.expected = f"held: {host} is being woken", ""

    def _addresses(self, host: str) -> list[str]:
        record = self.names.hosts.get(host)
        return list(record["addresses"]) if record is not None else []

    def _add(self, line: Line) -> None:
        bisect.insort(self._waiting, line, key=lambda other: other.time)

    def _answers(self, seen: Seen) -> bool:
        for line in reversed(self._waiting):
            asked = line.seen
            if asked is None or asked.kind not in _ASKS or asked.target != seen.target or asked.vlan != seen.vlan:
                continue
            to_asker = seen.eth_destination == asked.eth_source or seen.to_all
            if to_asker and asked.interface == seen.interface and seen.time >= asked.time:
                if line.came_of_it:
                    # A second card answers for the same address: that is worth a line of its own.
                    return line.came_of_it == self._who_answers(seen)
                line.came_of_it = self._who_answers(seen)
                return True
        return False

    def _hears_answers(self, asked: Seen) -> bool:
        """A switch brings others' answers only to who asked."""
        if asked.eth_source in self.names.own_macs:
            return True
        name = self.names.of_ip(asked.target)
        return self._live and name is not None and self.names.sleeps(name)

    def _may_wake(self, asked: Seen) -> bool:
        """A question from elsewhere for a sleeper that any question wakes."""
        name = self.names.of_ip(asked.target)
        if not self._live or name is None or asked.eth_source in self.names.own_macs or not self.names.sleeps(name):
            return False
        return str(self.names.hosts[name]["wake_on"]) == "arp"

    def _why_not(self, asked: Seen) -> str:
        name = self.names.of_ip(asked.target)
        never = name is not None and self.names.hosts[name]["wake_on"] == "never"
        return f": wake_on of {name} is never" if never else ""

    def _who_answers(self, seen: Seen) -> str:
        at, owner = seen.mac or seen.eth_source, self.names.of_ip(seen.target)
        if at in self.names.own_macs:
            return "wake server answers"
        if owner is not None and self.names.of_mac(at) == owner:
            return f"{owner} answers"
        return f"{self.names.card(at)} answers"

    def _fate(self, seen: Seen) -> tuple[str, str]:
        """(came_of_it, expected) of what is sent to a sleeper, by its state and its ports."""
        name = self.names.of_ip(seen.target)
        if name is None or seen.eth_source in self.names.own_macs or not self.names.sleeps(name):
            return "", ""
        host = self.names.hosts[name]
        if host["wake_on"] == "never":
            return f"no demand: wake_on of {name} is never", ""
        text_of_ports = str(host["udp_ports" if seen.kind is Kind.DATAGRAM else "tcp_ports"])
        if seen.kind is Kind.SEGMENT:
            return "", ""
        if not text_of_ports or not contains(parse_ports(text_of_ports), seen.port):
            return f"no demand: {name} did not register this port", ""
        at, asked_by = self._demands.get(name, (0.0, ""))
        if abs(seen.time - at) < PATIENCE and _sender(seen) in asked_by:
            return f"demand: powerwaked wakes {name}", ""  # the event was read before the frame
        if host["wake_state"] == "waking":
            return f"held: {name} is being woken", ""
        return "", f"powerwaked does not wake {name} for it: see 'powerwake status {name}' and 'powerwake criers'"


def _sender(seen: Seen) -> str:
    """As the daemon's event names who asked."""
    if not seen.source_port:
        return f"from {seen.source} ("
    return (
        f"from [{seen.source}]:{seen.source_port} ("
        if ":" in seen.source
        else f"from {seen.source}:{seen.source_port} ("
    )
