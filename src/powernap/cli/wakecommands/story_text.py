# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a wake, as GET /api/v1/hosts/NAME/wakes has it, in words. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_RESULTS = {"running": "not awake yet", "woken": "woken", "given up": "given up"}
_MARKS = {
    "kernel": "the kernel sent the first magic packet",
    "waited_from": "waits for its turn: the budget of wakes is used up",
    "turn": "its turn has come",
    "hello": "the machine says that it is awake",
    "booting": "the machine runs, its services do not answer yet",
    "restored": "its addresses are its own again",
    "ended": "the wake has ended",
}
_SIGNS = {
    "hello": "it is awake: it says so itself",
    "TCP port": "it is awake: a port of its takes connections",
    "answer": "it is awake: it answers a probe",
    "frame": "it is awake: its card sends",
}


def story_text(wakes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines about the newest wake, and one about each earlier."""
    if not wakes:
        return []
    newest, *earlier = wakes
    lines = [f"last wake: {_summary(newest)}"]
    lines += [
        f"  {max(0.0, at):8.3f} s  {words}" for at, words in sorted(_moments(newest), key=lambda moment: moment[0])
    ]
    counts = f"{newest['magic_packets']} magic packets, {newest['probes']} probes, {newest['replays']} frames passed on"
    lines.append(f"  in all: {counts}" + (f", {newest['released']} given up" if newest["released"] else ""))
    return lines + [f"earlier: {_summary(wake)}" for wake in earlier]


def _summary(wake: Mapping[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wake["started"]))
    result = _RESULTS.get(wake["result"], wake["result"])
    if wake["seconds"] is not None:
        result += f" after {wake['seconds']:.1f} s"
    if wake["verified"]:
        result += f", proven by {wake['verified']}"
    used = f"; it was {wake['verdict']}" if wake.get("verdict") else ""
    return f"{when}, {wake['reason']} ({wake['asked_by']}): {result}{used}"


def _moments(wake: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """(seconds since the wake began, what happened)."""
    for knock in wake["knocks"]:
        times = f", {knock['count']} times" if knock["count"] > 1 else ""
        yield knock["at"], f"{knock['reason']}: {_who(knock['by'])}{times}"
    if wake["more_knocks"]:
        yield wake["knocks"][-1]["at"], f"and {wake['more_knocks']} more"
    yield from _marks(wake)
    for volley in wake["volleys"]:
        ways = ", ".join(f"{way} {_way(outcome)}" for way, outcome in volley["ways"].items())
        yield volley["at"], f"volley {volley['number'] + 1}: {ways}"
    for outcome in wake["outcomes"]:
        yield outcome["at"], f"{outcome['way']}: {outcome['text']}"


def _marks(wake: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    for mark, at in wake["at"].items():
        if mark == "ended" and wake.get("first_sign"):
            yield at, _SIGNS.get(wake["first_sign"], wake["first_sign"])
        elif mark == "ended" and wake["result"] == "given up":
            yield at, _RESULTS[wake["result"]]
        elif mark == "turn" and wake["volleys"]:
            yield min(at, wake["volleys"][0]["at"]), _MARKS[mark]  # it is noted when the first volley has been sent
        else:
            yield at, _MARKS.get(mark, mark)


def _way(outcome: Mapping[str, Any]) -> str:
    packets = outcome["packets"]
    count = f"{packets} packet{'' if packets == 1 else 's'}" if packets else ""
    return " ".join(part for part in (count, f"({outcome['text']})" if outcome["text"] else "") if part) or "nothing"


def _who(by: Mapping[str, Any]) -> str:
    if "address" not in by:
        return str(by["what"])
    itself = ", this machine itself" if by["own"] else ""
    if by["port"]:
        address = f"[{by['address']}]" if ":" in by["address"] else by["address"]
        return f"{by['what']} to port {by['to_port']} from {address}:{by['port']} ({by['mac']}){itself}"
    return f"{by['what']} from {by['address']} ({by['mac']}){itself}"
