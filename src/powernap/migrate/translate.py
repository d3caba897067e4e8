# SPDX-License-Identifier: GPL-3.0-or-later
"""From the original's keys to powernapd's, with what changes in meaning. Nothing is dropped without a word."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from powernap.config.sections import NapSettings, PowersaveSettings
from powernap.migrate import original
from powernap.migrate.original import Line
from powernap.nap.powersave import check
from powernap.shared.errors import BadPorts, BadValue
from powernap.shared.ports import parse_ports
from powernap.shared.schema import Option, options_of
from powernap.shared.toml import dumps

WIDTH = 100
#: ACTION_METHOD; 4 was the user's own script or else the first that the machine supports.
METHODS = {0: "powersave", 1: "suspend", 2: "hibernate", 3: "poweroff", 4: "suspend"}
BEST_EFFORT = 4


@dataclass(frozen=True)
class Told:
    """What somebody should know of one line of the original; line 0: of none in particular."""

    line: int
    key: str
    sentence: str


@dataclass(frozen=True)
class Migrated:
    """``toml``: the new configuration, the remarks at its head."""

    toml: str
    told: tuple[Told, ...]


@dataclass
class _Work:
    """The configuration as it grows."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    doubtful: bool = False

    def set(self, section: str, key: str, value: Any) -> None:
        self.tables.setdefault(section, {})[key] = value

    def tell(self, line: Line, sentence: str) -> None:
        self.told.append(Told(line.number, f"{line.section}: {line.key}" if line.key else line.section, sentence))

    def doubt(self, line: Line, sentence: str) -> None:
        """Tell of something that kept the machine awake and is not carried over: then it must not nap unseen."""
        self.doubtful = True
        self.tell(line, sentence)

    def monitor(self, line: Line, name: str, **values: Any) -> None:
        """Add a monitor; a name that another has gets its kind appended."""
        monitors = self.tables.setdefault("monitors", {})
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or values["kind"]
        if name in monitors:
            name = f"{name}-{values['kind']}"
        while name in monitors:
            name += "-2"
        monitors[name] = values
        remark = REMARKS.get(values["kind"])
        if remark and values["kind"] not in self.seen:
            self.seen[values["kind"]] = name
            self.tell(line, remark)


REMARKS = {
    "console": "terminals: reading from one counts, too, and no look every second is needed",
    "input": "not only USB's devices count, and those that are plugged in later do, too; touchpads go with the mouse",
    "process": "case matters now: write (?i) at the beginning of a pattern where it must not",
    "io": "what counts is a rate above a threshold and above a learned noise, not any byte: see threshold",
    "load": "the threshold is compared with the 1-minute load average as before; only a larger load counts",
    "tcp": "data that moves counts, no longer a connection that is merely open, such as an idle ssh session",
    "udp": "the port is no longer bound: the real service keeps it, and its datagrams are counted",
    "wol": "no port is bound any more, any name of a NIC will do, and magic packets by EtherType 0x0842 count, too",
    "disk": 'as before a drive that is not in standby counts; measure = "rate" lets only data count that moves',
}
#: What the original did not ask before a nap; it is none of its keys' meaning.
NEW = (
    "a sleep needs more than an idle machine: its network cards must take Wake-on-LAN, which is armed (else set "
    "nap.require_wake_on_lan = false), no inhibitor of logind and no job of a timer or cron may stand against it "
    "(see [inhibitors] and [sleep]), and the machine must have been awake for nap.min_awake_seconds",
    "virtual guests never nap, unless nap.nap_virtual = true, and containers never do",
)


def migrate(text: str) -> Migrated:
    """Return what stands for a file of the original. Any text gives a valid configuration."""
    work = _Work()
    for line in original.read(text):
        translate = SECTIONS.get(line.section.lower())
        if not line.key:
            work.doubt(line, f"{_shown(line.value)} is no key = value: left out")
        elif translate is None:
            work.doubt(line, f"the original has no section [{_shown(line.section)}]: left out")
        else:
            translate(work, line)
    _settle(work)
    return Migrated(_written(work), tuple(work.told))


def _general(work: _Work, line: Line) -> None:
    key = line.key.upper()
    if key in SECONDS:
        _seconds(work, line, SECONDS[key])
    elif key in ("ACTION_METHOD", "STAGE2_ACTION_METHOD"):
        _action(work, line, "action" if key == "ACTION_METHOD" else "stage2_action")
    elif key in ("KERN_MODULES", "SERVICES"):
        _taken_down(work, line, {"KERN_MODULES": "modules", "SERVICES": "services"}[key])
    elif key == "WARN":
        _warn(work, line)
    elif key in NO_SUCCESSOR:
        work.tell(line, NO_SUCCESSOR[key])
    else:
        work.doubt(line, "the original has no such key: left out")


SECONDS = {
    "ABSENT_SECONDS": "absent_seconds",
    "GRACE_SECONDS": "grace_seconds",
    "STAGE2_ABSENT_SECONDS": "stage2_absent_seconds",
}
NO_SUCCESSOR = {
    "INTERVAL_SECONDS": "has no successor: nothing is looked at periodically; powernapd sleeps until the next deadline",
    "DEBUG": "has no successor in the file: start powernapd with --debug",
    "WATCH_CONFIG": "has no successor: 'systemctl reload powernapd' reads the configuration again",
}


def _seconds(work: _Work, line: Line, key: str) -> None:
    value = original.number(line.value)
    problem = "no number" if value is None else _refused(NapSettings, key, value)
    if problem:
        work.doubt(line, f"{_shown(line.value)}: {problem}: left out, so the default holds")
    else:
        work.set("nap", key, value)


def _action(work: _Work, line: Line, key: str) -> None:
    value = original.number(line.value)
    action = METHODS.get(int(value)) if value is not None and value == int(value) else None
    if action is None:
        work.doubt(line, f"{_shown(line.value)} is no action method (0 to 4): left out, so the default holds")
    elif key == "stage2_action" and action == "powersave":
        work.doubt(line, "a powersave cannot follow a powersave: left out, so the default holds")
    else:
        if value == BEST_EFFORT:
            work.tell(
                line,
                "4 was the user's own script or else whatever the machine supports first: now it is suspend; a script "
                'of your own goes into a step with action = "exec"',
            )
        work.set("nap", key, action)


def _taken_down(work: _Work, line: Line, key: str) -> None:
    taken = []
    for name in original.words(line.value):
        settings = PowersaveSettings(modules=(name,)) if key == "modules" else PowersaveSettings(services=(name,))
        wrong = [sentence for _key, sentence in check.problems(settings)]
        if wrong:
            work.tell(line, f"{_shown(wrong[0], 300)}: left out")
        else:
            taken.append(name)
    if taken:
        work.set("powersave", key, taken)
        work.tell(line, f"goes to powersave.{key}; what did not run before is not started afterwards, as before")


def _warn(work: _Work, line: Line) -> None:
    wanted = original.flag(line.value)
    if wanted is None:
        work.tell(line, f"{_shown(line.value)} is neither y nor n: people are warned")
    if wanted is not False:
        work.tables.setdefault("warnings", {})["wall"] = {"kind": "wall"}


def _flagged(values: Callable[[Line], dict[str, Any]]) -> Callable[[_Work, Line], None]:
    """Return the translation of a section of flags; ``values`` gives the monitor's."""

    def translate(work: _Work, line: Line) -> None:
        wanted = original.flag(line.value)
        if wanted is None:
            work.doubt(line, f"{_shown(line.value)} is neither y nor n: taken for y")
        if wanted is not False:
            work.monitor(line, line.key, **values(line))

    return translate


def _pattern(kind: str) -> Callable[[_Work, Line], None]:
    def translate(work: _Work, line: Line) -> None:
        pattern = original.unquoted(line.value)
        try:
            re.compile(pattern)
            re.compile(pattern.encode())  # command lines are bytes
        except (re.error, RecursionError, OverflowError, ValueError) as error:
            work.doubt(line, f"{_shown(pattern)} is no regular expression ({_shown(str(error))}): left out")
            return
        if not pattern:
            work.doubt(line, "the pattern is empty, which every process matches: left out")
            return
        work.monitor(line, line.key, kind=kind, pattern=pattern)

    return translate


def _ports(kind: str) -> Callable[[_Work, Line], None]:
    def translate(work: _Work, line: Line) -> None:
        text = original.unquoted(line.value)
        try:
            ranges = parse_ports(text)
        except BadPorts as error:
            work.doubt(line, f"{_shown(str(error))}: left out")
            return
        if not ranges:
            work.doubt(line, "no port is given: left out")
            return
        ports = [first if first == last else f"{first}-{last}" for first, last in ranges]
        work.monitor(line, line.key, kind=kind, ports=ports)

    return translate


def _load(work: _Work, line: Line) -> None:
    value: Any = original.unquoted(line.value)
    if line.key.lower() != "threshold":
        work.doubt(line, "LoadMonitor has no such key: left out")
        return
    if value.lower() != "n":
        value = original.number(value)
    if value is None:
        work.doubt(line, f"{_shown(line.value)} is neither a number nor n: n is taken, the number of CPUs")
    work.monitor(line, "load", kind="load", threshold=value if isinstance(value, (int, float)) else "n")


def _input(line: Line) -> dict[str, Any]:
    """Return a monitor of keyboards, or of what points; of a key that the original had not: of all of them."""
    key = line.key.lower()
    if key not in ("keyboard", "mouse"):
        return {"kind": "input"}
    return {
        "kind": "input",
        "keyboard": key == "keyboard",
        "mouse": key == "mouse",
        "touch": key == "mouse",
        "joystick": False,
    }


SECTIONS: dict[str, Callable[[_Work, Line], None]] = {
    "powernap": _general,
    "consolemonitor": _flagged(lambda _line: {"kind": "console"}),
    "inputmonitor": _flagged(_input),
    "processmonitor": _pattern("process"),
    "iomonitor": _pattern("io"),
    "loadmonitor": _load,
    "tcpmonitor": _ports("tcp"),
    "udpmonitor": _ports("udp"),
    "wolmonitor": _ports("wol"),
    "diskmonitor": _flagged(lambda line: {"kind": "disk", "devices": [line.key], "measure": "standby"}),
}


def _settle(work: _Work) -> None:
    """Make the values agree with each other, with the original's defaults where it has no value."""
    nap = work.tables.setdefault("nap", {})
    for key, value in (("absent_seconds", 30), ("grace_seconds", 6), ("action", "powersave")):
        nap.setdefault(key, value)
    if nap["grace_seconds"] > nap["absent_seconds"] / 2:
        nap["grace_seconds"] = nap["absent_seconds"] / 2
        work.told.append(Told(0, "GRACE_SECONDS", "is at most half of ABSENT_SECONDS now: shortened"))
    if nap.get("stage2_absent_seconds") and nap["action"] != "powersave":
        del nap["stage2_absent_seconds"]
        work.told.append(
            Told(0, "STAGE2_ABSENT_SECONDS", "a second stage follows only a powersave, as before: left out")
        )
    if nap["action"] != "powersave" or not nap.get("stage2_absent_seconds"):
        nap.pop("stage2_action", None)
    if not work.tables.get("monitors"):
        work.told.append(Told(0, "", "there is no monitor: without one powernapd never naps"))
    work.told += [Told(0, "", sentence) for sentence in NEW]
    if work.doubtful:
        nap["mode"] = "observe"
        work.told.append(
            Told(
                0, "", "not everything was understood: nap.mode is observe, which decides and records but does not nap"
            )
        )


def _refused(section: type, key: str, value: Any) -> str:
    option: Option = next(option for option in options_of(section) if option.name == key)
    try:
        option.accept(value)
    except BadValue as error:
        return str(error)
    return ""


def _written(work: _Work) -> str:
    head = ["# Made by 'powernap migrate' from a configuration of the original PowerNap. What is other than it was:"]
    for told in work.told:
        where = f"line {told.line}, {told.key}: " if told.line else f"{told.key}: " if told.key else ""
        head += textwrap.wrap(
            _shown(where + told.sentence, 1000),
            WIDTH,
            initial_indent="# - ",
            subsequent_indent="#   ",
            break_long_words=False,
        )
    order = ("nap", "powersave", "monitors", "warnings")
    return "\n".join(head) + "\n\n" + dumps({name: work.tables[name] for name in order if work.tables.get(name)})


def is_original(text: str) -> bool:
    """Tell whether a text has a section of the original's, or nothing at all."""
    lines = list(original.read(text))
    return "\0" not in text and (not lines or any(line.section.lower() in SECTIONS for line in lines))


def _shown(text: str, limit: int = 80) -> str:
    """Return a text that fits into a line of a comment: TOML has no control characters there."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= limit else plain[:limit] + "..."
