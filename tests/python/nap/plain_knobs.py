# SPDX-License-Identifier: GPL-3.0-or-later
"""The knobs on a machine whose /sys and /proc/sys are plain files."""

from __future__ import annotations

from powernap.nap.powersave.board import KnobBoard
from powernap.nap.powersave.journal import Journal
from powernap.nap.powersave.table import select

GOVERNOR = "sys/devices/system/cpu/cpufreq/policy{}/scaling_governor"
OFFERS = "sys/devices/system/cpu/cpufreq/policy{}/scaling_available_governors"
USB = "sys/bus/usb/devices/{}/power/control"
PCI = "sys/bus/pci/devices/{}/power/control"
LAPTOP_MODE = "proc/sys/vm/laptop_mode"
DEFAULT = select(["*"])


class Board:
    """A KnobBoard with its journal, as the action uses them."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.journal = Journal(folder / "state" / "powersave.journal", self.root)
        self.board = KnobBoard(self.journal, self.root)

    def machine(self, files):
        """Make those files of the machine, and its boot; return its root."""
        for path, text in {"proc/sys/kernel/random/boot_id": "first\n", **files}.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return self.root

    def turn_down(self, knobs=DEFAULT, **values):
        return self.board.turn_down(knobs, {name.replace("_", "-"): value for name, value in values.items()})

    def restore(self):
        entries, problems = self.journal.read()
        settled = set()
        problems += self.board.restore(entries, settled)
        self.journal.replace(entry for place, entry in enumerate(entries) if place not in settled)
        return problems


def contents(root):
    return {str(path.relative_to(root)): path.read_text().strip() for path in root.rglob("*") if path.is_file()}
