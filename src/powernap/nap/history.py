# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to this machine over weeks: naps, wakes, their causes, the time in each state, the energy saved.

The file has one JSON line for each change of state: ``t`` (wall clock), ``b`` (CLOCK_BOOTTIME), ``state``,
``in_effect``, ``cause``, after a sleep ``slept`` and ``woken_by``; state "started" (with ``boot``, the kernel's boot
id) and "stopped" are the daemon's own. What lies between two lines is the state of the first.

Lines without ``state`` are remarks: ``order`` (``verb``, ``by``, ``ok``, ``said``) of the wake server, and
``woken_for``, by which it tells who knocked, with ``sentence``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from powernap.config.sections.energy import EnergySettings
from powernap.nap.jsonlines import JsonLines

FILE = "history.jsonl"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: The states of the daemon itself.
STARTED, STOPPED = "started", "stopped"
#: Time that nobody watched: the daemon did not run.
UNWATCHED = "unwatched"
JOULES_PER_KWH = 3.6e6


class History:
    """Writes the file. ``error``: why it cannot, or ""."""

    def __init__(self, state_dir: Path, limit_kilobytes: int, keep: bool = True) -> None:
        self.path = state_dir / FILE
        self._lines = JsonLines(self.path, limit_kilobytes * 1024)
        self._keep = keep

    @property
    def error(self) -> str:
        lost = f"; {self._lines.lost} lines were lost" if self._lines.lost else ""
        return self._lines.error and self._lines.error + lost

    def started(self, wall: float, boottime: float) -> None:
        """Note that the daemon runs."""
        self._append({"t": wall, "b": boottime, "state": STARTED, "boot": BOOT_ID.read_text(encoding="ascii").strip()})

    def stopped(self, wall: float, boottime: float, in_effect: str = "", cause: str = "") -> None:
        """Note that the daemon ended in order; ``in_effect``: because of our own poweroff."""
        self._append({"t": wall, "b": boottime, "state": STOPPED, "in_effect": in_effect, "cause": cause})

    def note(self, record: Mapping[str, Any]) -> None:
        """Note a decision, unless only a deadline moved."""
        if record["event"] == "deadline":
            return
        line = {"t": record["time"], "b": record["boottime"], "state": record["state"]}
        line |= {"in_effect": record["in_effect"], "cause": record["cause"]}
        if "slept_seconds" in record:
            line |= {"slept": record["slept_seconds"], "woken_by": record["woken_by"]}
        self._append(line)

    def order(self, wall: float, boottime: float, verb: str, by: str, ok: bool, said: str) -> None:
        """Note an order of the wake server, and what became of it."""
        self._append({"t": wall, "b": boottime, "order": {"verb": verb, "by": by, "ok": ok, "said": said}})

    def woken_for(self, wall: float, boottime: float, sentence: str, knock: Mapping[str, Any]) -> None:
        """Note who knocked, by the word of the wake server."""
        self._append({"t": wall, "b": boottime, "woken_for": {**knock, "sentence": sentence}})

    def _append(self, line: dict[str, Any]) -> None:
        if self._keep:
            line["t"], line["b"] = round(line["t"], 3), round(line["b"], 3)
            self._lines.append(line)


@dataclass
class Nap:
    """One time that the machine was not fully awake. Times are wall clock; ``ended`` is None while it lasts.

    ``actions``: the steps in their order; ``seconds``: in all of them; ``asleep_seconds``: in which nothing ran.
    """

    began: float
    ended: float | None
    actions: list[str]
    seconds: float
    asleep_seconds: float
    cause: str
    woken_by: str


@dataclass
class Totals:
    """``seconds``: in each state. ``wakes``: by their causes. Energy is an estimate; None where watts are not given."""

    since: float
    until: float
    seconds: dict[str, float] = field(default_factory=dict)
    asleep_seconds: float = 0.0
    powersave_seconds: float = 0.0
    naps: int = 0
    wakes: dict[str, int] = field(default_factory=dict)
    estimated_kwh_saved: float | None = None
    estimated_money_saved: float | None = None
    currency: str = ""


@dataclass(frozen=True)
class _Span:
    """The time from one line to the next, in seconds; ``asleep``: how much of it nothing ran."""

    line: Mapping[str, Any]
    following: Mapping[str, Any] | None
    seconds: float
    asleep: float
    rebooted: bool = False


def summary(lines: Iterable[Mapping[str, Any]], since: float, until: float, energy: EnergySettings) -> dict[str, Any]:
    """Return what the lines amount to between two wall-clock times, as {"naps": [...], "totals": {...},
    "orders": [...]}.
    """
    lines = list(lines)
    naps: list[Nap] = []
    totals = Totals(since, until, currency=energy.currency)
    running: Nap | None = None
    decided = ""
    saved = 0.0
    for span in _spans(_valid(lines), until):
        doing = str(span.line.get("in_effect", ""))
        begins, ends = float(span.line["t"]), float(span.line["t"]) + span.seconds
        share = _share(begins, ends, since, until)
        if doing:
            if running is None:
                running = Nap(begins, None, [], 0.0, 0.0, decided or str(span.line.get("cause", "")), "")
            if running.actions[-1:] != [doing]:
                running.actions.append(doing)
            running.seconds += span.seconds
            running.asleep_seconds += span.asleep
        if running is not None and span.following is not None and not span.following.get("in_effect"):
            running.ended = float(span.following["t"])
            running.woken_by = _ended_by(span, span.following)
            naps.append(running)
            running = None
        decided = str(span.line.get("cause", "")) if span.line["state"] in ("suspending", STOPPED) else ""
        name = _state(span)
        totals.seconds[name] = totals.seconds.get(name, 0.0) + (span.seconds - span.asleep) * share
        if span.asleep:
            totals.seconds["asleep"] = totals.seconds.get("asleep", 0.0) + span.asleep * share
        totals.asleep_seconds += span.asleep * share
        totals.powersave_seconds += (span.seconds - span.asleep) * share if doing == "powersave" else 0.0
        saved += _joules_saved(span, doing, energy) * share
    if running is not None:
        naps.append(running)
    _ascribe(naps, lines)
    naps = [nap for nap in naps if nap.ended is None or nap.ended > since]
    totals.naps = len(naps)
    for nap in naps:
        if nap.ended is not None:
            totals.wakes[nap.woken_by] = totals.wakes.get(nap.woken_by, 0) + 1
    if energy.watts_awake:
        totals.estimated_kwh_saved = saved / JOULES_PER_KWH
        if energy.price_per_kwh:
            totals.estimated_money_saved = totals.estimated_kwh_saved * energy.price_per_kwh
    totals.seconds = {name: round(seconds, 3) for name, seconds in totals.seconds.items() if seconds > 0}
    orders = [{"t": line["t"], **line["order"]} for line in _remarks(lines, "order") if since <= line["t"] <= until]
    return {"naps": [asdict(nap) for nap in naps], "totals": asdict(totals), "orders": orders}


def _remarks(lines: Iterable[Mapping[str, Any]], kind: str) -> Iterable[Mapping[str, Any]]:
    return (line for line in lines if isinstance(line.get(kind), dict) and type(line.get("t")) in (int, float))


def _ascribe(naps: Iterable[Nap], lines: Iterable[Mapping[str, Any]]) -> None:
    """Say of each nap who knocked, where the wake server told so after its end and before the next began."""
    naps = [nap for nap in naps if nap.ended is not None]
    for line in _remarks(lines, "woken_for"):
        before = [nap for nap in naps if nap.ended is not None and nap.ended <= line["t"]]
        sentence = line["woken_for"].get("sentence")
        if before and isinstance(sentence, str) and sentence not in before[-1].woken_by:
            before[-1].woken_by = f"{before[-1].woken_by}, for {sentence}"


def _valid(lines: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (
        line
        for line in lines
        if all(type(line.get(key)) in (int, float) for key in ("t", "b")) and isinstance(line.get("state"), str)
    )


def _spans(lines: Iterable[Mapping[str, Any]], until: float) -> Iterable[_Span]:
    """Within one run of the daemon CLOCK_BOOTTIME measures, whatever is done to the wall clock; else that does."""
    before: Mapping[str, Any] | None = None
    boot = None
    for line in lines:
        if before is not None:
            yield _span(before, line, boot)
        before = line
        boot = line.get("boot", boot)
    if before is not None:
        lasted = max(0.0, until - float(before["t"]))
        yield _Span(before, None, lasted, lasted if before["state"] == "asleep" else 0.0)


def _span(line: Mapping[str, Any], following: Mapping[str, Any], boot: Any) -> _Span:
    """``boot``: the boot id of the first line, or None where its start is no longer in the file."""
    seconds = float(following["b"] if following["state"] != STARTED else following["t"])
    seconds = max(0.0, seconds - float(line["b"] if following["state"] != STARTED else line["t"]))
    asleep = min(float(following.get("slept") or 0.0), seconds)
    rebooted = following["state"] == STARTED
    if rebooted and boot is not None:
        rebooted = following.get("boot") != boot
    elif rebooted:
        rebooted = following["b"] < line["b"]  # CLOCK_BOOTTIME begins anew with each boot
    if rebooted and line.get("in_effect") in ("poweroff", "hibernate"):
        asleep = seconds  # it was switched off by us, and on again
    return _Span(line, following, seconds, asleep, rebooted)


def _ended_by(span: _Span, following: Mapping[str, Any]) -> str:
    said = following.get("woken_by") or following.get("cause")
    if not said:
        said = "switched on" if span.rebooted else "powernapd was started anew"
    return str(said)


def _state(span: _Span) -> str:
    state = str(span.line["state"])
    if state == STOPPED or (span.following is not None and span.following["state"] == STARTED):
        return UNWATCHED
    return "awake" if state == STARTED else state


def _share(begins: float, ends: float, since: float, until: float) -> float:
    """Return which part of a span lies in the time that was asked for."""
    if ends <= begins:
        return 1.0 if since <= begins <= until else 0.0
    return max(0.0, min(ends, until) - max(begins, since)) / (ends - begins)


def _joules_saved(span: _Span, doing: str, energy: EnergySettings) -> float:
    saved = span.asleep * max(0.0, energy.watts_awake - energy.watts_asleep)
    if doing == "powersave" and energy.watts_powersave and _state(span) != UNWATCHED:
        saved += (span.seconds - span.asleep) * max(0.0, energy.watts_awake - energy.watts_powersave)
    return saved
