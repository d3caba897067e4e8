# SPDX-License-Identifier: GPL-3.0-or-later
"""Active when somebody uses a keyboard, a mouse or the like."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.machine import hands, inputs, views
from powernap.machine.inotify import CREATE, Inotify
from powernap.machine.inputs import Device, Listener
from powernap.nap.evidence import Reading
from powernap.nap.monitors.base import Monitor
from powernap.shared.schema import Option


class InputMonitor(Monitor):
    """The event devices in /dev/input, held open but never read: what is typed never comes into this process.

    That a device became readable since the last look is all that is asked; armed, it calls at the first event. A device
    that appears is activity, too: a keyboard without cable does so at its first key. Where there are none, the
    interrupts of PS/2 and the like are counted; where there are none of these either, nobody can use them.
    """

    kind = "input"
    summary = "somebody uses a keyboard, a mouse, a touchpad or the like; what is typed is never read"
    options = (
        Option(inputs.KEYBOARD, "bool", True, "keyboards count"),
        Option(inputs.MOUSE, "bool", True, "mice and trackballs count"),
        Option(inputs.TOUCH, "bool", True, "touchpads, touch screens and tablets count"),
        Option(inputs.JOYSTICK, "bool", True, "joysticks and gamepads count; a worn one may never rest"),
        Option(inputs.OTHER, "bool", False, "all else with keys counts: power buttons, remote controls, hot keys"),
        Option(
            "devices",
            "strs",
            ("*",),
            "only devices with these names, or nodes such as event3; * stands for many",
            example=["AT Translated*", "Logitech*"],
        ),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, {option.name: option.default for option in self.options} | dict(values))
        self._root = root
        self._kinds = {kind for kind, wanted in self.values.items() if wanted is True}
        self._open: dict[Device, Listener] = {}
        self._interrupts: dict[str, int] = {}
        self._plugs: Inotify | None = None
        self._armed = False
        self._looked = False

    def look(self, now: float) -> Reading:
        used = self._renew()
        source = f"{len(self._open)} of /dev/input, unread"
        names = sorted({device.name for device in self._open})
        counted = {} if self._open else inputs.interrupts(self._root)
        if not self._open:
            used = used or [line for line, count in counted.items() if self._interrupts.get(line, count) != count]
            names, source = list(counted), "/proc/interrupts"
        self._interrupts, self._looked = counted, True
        quiet = f"nothing from {', '.join(names)}" if names else "no keyboard, mouse or the like is there"
        return self.reading(
            last_active=now if used else None,
            detail=f"used: {', '.join(used)}" if used else quiet,
            source=source,
            counts=bool(names),
            calls=self._armed and self._plugs is not None and not self._interrupts,
        )

    def _renew(self) -> list[str]:
        """Return which devices were used, and begin anew with each of these; open what appeared, drop what has gone."""
        used = []
        present = {device for device in inputs.devices(self._root) if self._wanted(device)}
        for device, listener in list(self._open.items()):
            came, there = listener.state()
            if came:
                used.append(device.name)
            if came or not there or device not in present:
                self._drop(device)
        for device in sorted(present - self._open.keys(), key=lambda device: device.node):
            if self._looked and device.name not in used:
                used.append(device.name)
            self._listen(device)
        return used

    def _wanted(self, device: Device) -> bool:
        return bool(device.kinds & self._kinds) and any(
            fnmatchcase(text, pattern) for text in (device.name, device.node) for pattern in self.values["devices"]
        )

    def _listen(self, device: Device) -> None:
        path = self._root / "dev/input" / device.node
        try:
            self._open[device] = Listener(path)
        except OSError as error:
            if not (self._root / "sys/class/input" / device.node).exists():
                return  # unplugged meanwhile
            raise OSError(
                f"{path} ({device.name}) cannot be opened ({error.strerror}): let powernapd run as root and see "
                "/dev/input, or leave the device out of devices"
            ) from None
        if self._armed and self.loop is not None:
            self.loop.add_reader(self._open[device].fd, self._used)

    def _drop(self, device: Device) -> None:
        listener = self._open.pop(device)
        if self._armed and self.loop is not None:
            self.loop.remove_reader(listener.fd)
        listener.close()

    def arm(self) -> None:
        if self._armed or self.loop is None:
            return
        self._armed = True
        for listener in self._open.values():
            self.loop.add_reader(listener.fd, self._used)
        folder = self._root / "dev/input"
        try:
            folder = Path(views.path("dev"), "input") if hands.needed() else folder
            self._plugs = Inotify()
            self._plugs.watch(str(folder if folder.is_dir() else folder.parent), CREATE)
        except OSError:
            self._close_plugs()  # no watches left: the looks go on
        else:
            self.loop.add_reader(self._plugs.fd, self._used)

    def _used(self) -> None:
        """One call is enough: what follows costs nothing until the next look."""
        self.disarm()
        self.call()

    def disarm(self) -> None:
        if self._armed and self.loop is not None:
            for listener in self._open.values():
                self.loop.remove_reader(listener.fd)
            if self._plugs is not None:
                self.loop.remove_reader(self._plugs.fd)
        self._close_plugs()
        self._armed = False

    def _close_plugs(self) -> None:
        if self._plugs is not None:
            self._plugs.close()
        self._plugs = None

    def close(self) -> None:
        self.disarm()
        for device in list(self._open):
            self._drop(device)
