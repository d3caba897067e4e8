# SPDX-License-Identifier: GPL-3.0-or-later
"""Power knobs: files of the kernel that are turned down while the machine is idle, and put back exactly.

None of them touches Wake-on-LAN, and USB devices that carry a network interface or a keyboard are left alone.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

USB_CLASS_HID = "03"


@dataclass(frozen=True)
class Knob:
    """``pattern``: files below the root; ``choose``: the wanted value for one of them, or None to leave it alone."""

    name: str
    pattern: str
    choose: Callable[[Path], str | None]


@dataclass(frozen=True)
class Turned:
    """One file that was turned: its path below the root, what it held, and what was written."""

    path: str
    old: str
    new: str


def read_value(path: Path) -> str:
    """Return what a knob holds; of "a [b] c", the kernel's way to show a choice, b. Raises OSError."""
    text = path.read_text().strip()
    chosen = [word for word in text.split() if word.startswith("[") and word.endswith("]")]
    return chosen[0][1:-1] if chosen else text


def _always(value: str) -> Callable[[Path], str | None]:
    return lambda _path: value


def _if_offered(value: str, beside: str = "") -> Callable[[Path], str | None]:
    """``value``, where the file itself, or the file ``beside`` it, offers it."""

    def choose(path: Path) -> str | None:
        offers = (path.with_name(beside) if beside else path).read_text().replace("[", "").replace("]", "").split()
        return value if value in offers else None

    return choose


def _usb_auto(path: Path) -> str | None:
    device = path.parent.parent
    carries_network = any(device.glob("*/net"))
    is_input = any(file.read_text().strip() == USB_CLASS_HID for file in device.glob("*/bInterfaceClass"))
    return None if carries_network or is_input else "auto"


KNOBS = (
    Knob(
        "governor",
        "sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
        _if_offered("powersave", beside="scaling_available_governors"),
    ),
    Knob(
        "energy-preference",
        "sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference",
        _if_offered("power", beside="energy_performance_available_preferences"),
    ),
    Knob("pcie-aspm", "sys/module/pcie_aspm/parameters/policy", _if_offered("powersave")),
    Knob("sata-link-power", "sys/class/scsi_host/host*/link_power_management_policy", _always("med_power_with_dipm")),
    Knob("audio", "sys/module/snd_hda_intel/parameters/power_save", _always("1")),
    Knob("usb-autosuspend", "sys/bus/usb/devices/*/power/control", _usb_auto),
    Knob("dirty-writeback", "proc/sys/vm/dirty_writeback_centisecs", _always("1500")),
    Knob("laptop-mode", "proc/sys/vm/laptop_mode", _always("5")),
    Knob("nmi-watchdog", "proc/sys/kernel/nmi_watchdog", _always("0")),
)


def select(names: Iterable[str]) -> tuple[Knob, ...]:
    """Return the knobs that the names (with * and ?) mean."""
    names = tuple(names)
    return tuple(knob for knob in KNOBS if any(fnmatch.fnmatchcase(knob.name, name) for name in names))


def unknown(names: Iterable[str]) -> list[str]:
    """Return the names that mean no knob at all."""
    return [name for name in names if not select((name,))]


class KnobBoard:
    """Turns knobs down and back. ``journal``: the file that remembers what to put back, also after a crash."""

    def __init__(self, journal: Path, root: Path = Path("/")) -> None:
        self._journal = journal
        self._root = root

    def turn_down(self, knobs: Iterable[Knob]) -> list[str]:
        """Turn the knobs down; return one sentence for each that would not be turned.

        The journal is on disk before the first knob is touched. Raises OSError when it cannot be written: then no knob
        was touched.
        """
        self.restore()
        problems: list[str] = []
        plan = list(self._plan(knobs, problems))
        self._write_journal(plan)
        for turned in plan:
            problem = self._turn(turned.path, turned.new)
            if problem:
                problems.append(problem)
        return problems

    def restore(self) -> list[str]:
        """Put back what the journal remembers, the last first; return one sentence for each that could not be.

        A knob that somebody else has turned since is left as it is.
        """
        problems: list[str] = []
        for turned in reversed(self._read_journal(problems)):
            try:
                now = read_value(self._root / turned.path)
            except OSError as error:
                problems.append(f"/{turned.path}: cannot be read to put {turned.old!r} back: {error.strerror}")
                continue
            if now == turned.new:
                problem = self._turn(turned.path, turned.old)
                if problem:
                    problems.append(problem)
            elif now != turned.old:
                problems.append(f"/{turned.path}: somebody set it to {now!r} meanwhile: left so")
        self._journal.unlink(missing_ok=True)
        return problems

    def _plan(self, knobs: Iterable[Knob], problems: list[str]) -> Iterator[Turned]:
        for knob in knobs:
            for path in sorted(self._root.glob(knob.pattern)):
                try:
                    old, new = read_value(path), knob.choose(path)
                except OSError as error:
                    problems.append(f"{path}: cannot be read: {error.strerror}")
                    continue
                if new is not None and old != new:
                    yield Turned(str(path.relative_to(self._root)), old, new)

    def _turn(self, path: str, value: str) -> str:
        """Write and verify one knob; return what went wrong, or ""."""
        file = self._root / path
        try:
            file.write_text(value)
            now = read_value(file)
        except OSError as error:
            return f"/{path}: cannot be set to {value!r}: {error.strerror}"
        return "" if now == value else f"/{path}: was set to {value!r}, but holds {now!r}"

    def _write_journal(self, plan: list[Turned]) -> None:
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        new = self._journal.with_suffix(".new")
        with new.open("w") as stream:
            json.dump([asdict(turned) for turned in plan], stream)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._journal)

    def _read_journal(self, problems: list[str]) -> list[Turned]:
        try:
            return [Turned(**entry) for entry in json.loads(self._journal.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            problems.append(f"{self._journal}: cannot be read ({error}), so no knob is put back: a reboot does")
            return []
