# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyboards, mice and the like: which there are, and whether something came from them, never what.

The kinds are told by what a device can do, as udev does it (systemd, udev-builtin-input_id.c).
"""

from __future__ import annotations

import errno
import os
import re
import select
import struct
from dataclasses import dataclass
from pathlib import Path

from powernap.machine import hands

KEYBOARD, MOUSE, TOUCH, JOYSTICK, OTHER = "keyboard", "mouse", "touch", "joystick", "other"

# linux/input-event-codes.h
EV_KEY, EV_REL, EV_ABS = 1, 2, 3
KEYS_OF_A_KEYBOARD = range(1, 32)  # KEY_ESC to KEY_S
REL_X, REL_Y, ABS_X, ABS_Y, ABS_MT_POSITION_X = 0x00, 0x01, 0x00, 0x01, 0x35
BTN_MOUSE, JOYSTICK_BUTTONS, TOUCH_BUTTONS = 0x110, range(0x120, 0x140), range(0x140, 0x14C)
INPUT_PROP_ACCELEROMETER = 0x06
PARTS = ("capabilities/ev", "capabilities/key", "capabilities/rel", "capabilities/abs", "properties")
WORD_BITS = 8 * struct.calcsize("l")

#: Lines of /proc/interrupts that belong to nothing else. USB has none: its controllers serve disks and NICs as well.
INTERRUPTS = re.compile(r"\b(i8042|atkbd|psmouse|i2c[_-]hid|ELAN\d+|SYNA\d+|touchpad|touchscreen|keyboard)\b")


@dataclass(frozen=True)
class Device:
    """``node``: such as event3; ``kinds``: what it is, often one of the above and sometimes none."""

    node: str
    name: str
    kinds: frozenset[str]


def devices(root: Path = Path("/")) -> list[Device]:
    """Return the event devices, by what sysfs says of them."""
    found = []
    for folder in sorted((root / "sys/class/input").glob("event*")):
        try:
            name = (folder / "device/name").read_text(errors="replace").strip()
            kinds = kinds_of(*(_bits(folder / "device" / part) for part in PARTS))
        except FileNotFoundError:
            continue  # unplugged meanwhile
        found.append(Device(folder.name, name, kinds))
    return found


def kinds_of(events: int, keys: int, relative: int, absolute: int, properties: int) -> frozenset[str]:
    """Return what a device is by its capabilities; nothing for sensors, lids, jacks and the like."""
    if _all(properties, INPUT_PROP_ACCELEROMETER):
        return frozenset()
    moves = _all(events, EV_REL) and _all(relative, REL_X, REL_Y)
    places = _all(events, EV_ABS) and (_all(absolute, ABS_X, ABS_Y) or _all(absolute, ABS_MT_POSITION_X))
    touches = places and _any(keys, TOUCH_BUTTONS)
    kinds = {
        KEYBOARD: _all(keys, *KEYS_OF_A_KEYBOARD),
        # the mouse of a virtual machine tells its place
        MOUSE: moves or (places and not touches and _all(keys, BTN_MOUSE)),
        TOUCH: touches,
        JOYSTICK: _any(keys, JOYSTICK_BUTTONS),
    }
    found = frozenset(kind for kind, is_so in kinds.items() if is_so)
    return found or frozenset({OTHER} if _all(events, EV_KEY) else ())


def _all(bits: int, *wanted: int) -> bool:
    return all(bits >> bit & 1 for bit in wanted)


def _any(bits: int, wanted: range) -> bool:
    return any(bits >> bit & 1 for bit in wanted)


def _bits(path: Path) -> int:
    """Words in hexadecimal, of this process's size, the highest first (drivers/input/input.c, input_print_bitmap)."""
    value = 0
    for word in path.read_text().split():
        value = value << WORD_BITS | int(word, 16)
    return value


class Listener:
    """Holds one device open without reading: that it became readable tells that something came; what, stays unread.

    The kernel keeps a few events for each who opened the device, and forgets the rest: nobody is woken by it.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self.fd = _opened(path)

    def state(self) -> tuple[bool, bool]:
        """Tell whether something came since it was opened, and whether the device is still there."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        events = dict(poll.poll(0)).get(self.fd, 0)
        return bool(events & select.POLLIN), not events & (select.POLLHUP | select.POLLERR)

    def close(self) -> None:
        os.close(self.fd)


def _opened(path: Path) -> int:
    """Raises OSError."""
    if not hands.needed():
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = hands.ask("input", node=path.name)
        if answer.get("errno"):
            raise OSError(answer["errno"], answer["strerror"])
        return answer.file()
    except hands.HandsError as error:
        raise OSError(errno.EIO, str(error)) from None


def interrupts(root: Path = Path("/")) -> dict[str, int]:
    """Return how often each line of keyboards, mice and the like interrupted. Raises OSError."""
    found: dict[str, int] = {}
    with (root / "proc/interrupts").open() as file:
        next(file, "")
        for line in file:
            if INTERRUPTS.search(line):
                number, _colon, rest = line.partition(":")
                counts = []
                for field in rest.split():
                    if not field.isdigit():
                        break
                    counts.append(int(field))
                found[f"interrupt {number.strip()}"] = sum(counts)
    return found
