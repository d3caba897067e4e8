# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: off, booting, awake, asleep; what moves it between them, and what people may set on it."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import time

from . import cgroup, guest, kernel
from .errors import LabError
from .network import Nic
from .sleep import PowerState

STATES = ("off", "booting", "awake", "asleep")
_NAMESPACES = kernel.NEWNS | kernel.NEWUTS | kernel.NEWIPC | kernel.NEWPID
_AGAIN_SECONDS = 0.005


class Host:
    """lab: the supervisor; of it later(seconds, call), watch(socket, call), unwatch(socket) and note(...) are used."""

    def __init__(self, lab, spec, folder: pathlib.Path, group: pathlib.Path, first_boot: dict):
        self.lab, self.spec, self.name = lab, spec, spec.name
        self.folder, self.group = folder / "hosts" / spec.name, group / spec.name
        self.netns = folder / "netns" / spec.name
        self.first_boot = first_boot
        self.state, self.since, self.pid = "off", time.time(), 0
        self.plugged = True
        self.waking = False
        self.nic = Nic(self.netns, spec.mac)
        self.power = PowerState(self.folder / "power")
        self.settings = {"resume_delay": spec.resume_delay, "deaf_to_magic": 0, "suspend": "ok"}
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def describe(self) -> dict:
        spec = self.spec
        return {
            "state": self.state, "since": self.since, "pid": self.pid, "plugged": self.plugged, "ipv4": spec.ipv4,
            "ipv6": spec.ipv6, "mac": spec.mac, "virtual": spec.virtual, "groups": list(spec.groups),
            "cgroup": self.name, "settings": dict(self.settings),
        }  # fmt: skip

    def note(self, event: str, detail: str = "") -> None:
        self.lab.note(self.name, event, detail)

    def _become(self, state: str, event: str, detail: str = "", when: float = 0.0) -> None:
        self.state, self.since = state, when or time.time()
        self.lab.note(self.name, event, detail, self.since)

    def prepare(self) -> None:
        """Once in a lab: the files behind its /proc and /sys, and the socket on which its systemd says it is up."""
        self.set_loadavg("0.00")
        supply = self.folder / "power_supply"
        supply.mkdir()
        if self.spec.battery:
            for unit, values in (
                ("AC", {"type": "Mains", "online": "1"}),
                ("BAT0", {"type": "Battery", "present": "1", "status": "Full", "capacity": "100"}),
            ):
                (supply / unit).mkdir()
                for key, value in values.items():
                    (supply / unit / key).write_text(value + "\n")
        dmi = self.folder / "dmi"
        dmi.mkdir()
        vendor = "PowerNap Lab" if self.spec.virtual == "none" else "QEMU"
        for key, value in (("sys_vendor", vendor), ("product_name", self.name), ("bios_vendor", vendor)):
            (dmi / key).write_text(value + "\n")
        self.notify.bind(str(self.folder / "notify"))
        self.lab.watch(self.notify, self.notified)

    def start(self) -> None:
        self.waking = False
        if self.nic.ear:
            self._listen(False)
            self.nic.forget_neighbours()
        self.power.open()
        fd = os.open(self.group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        pid = kernel.clone(_NAMESPACES, fd)
        if pid == 0:
            guest.become(self.spec, self.folder, self.netns, self.first_boot)
        os.close(fd)
        self.pid, self.first_boot = pid, {}
        self._become("booting", "start")
        self._arm()

    def notified(self) -> None:
        """systemd reports to whoever started it (sd_notify(3))."""
        if b"READY=1" in self.notify.recv(4096).split(b"\n") and self.state == "booting":
            self._become("awake", "booted", f"{time.time() - self.since:.2f} s")

    def look(self) -> None:
        """Somebody may wait to write to /sys/power/state: suspend."""
        if self.state != "asleep" and self.power.requested():
            if self.settings["suspend"] == "fail":
                self._refuse_suspend()
            else:
                self._suspend()

    def _suspend(self) -> None:
        self.note("suspending")
        self._listen(True)
        try:
            cgroup.freeze(self.group, True)
        except TimeoutError as error:  # a real kernel gives up as well when a task does not freeze
            self._listen(False)
            cgroup.freeze(self.group, False)
            self.note("suspend failed", str(error))
            self.power.release(wrote=True)
            self._arm()
            return
        self._become("asleep", "asleep", f"Wake-on {self.wake_on()}")

    def _refuse_suspend(self) -> None:
        """A kernel fails the write, with EBUSY say. A lease cannot: end the writer, and its service has failed."""
        service = self.group / "system.slice" / "systemd-suspend.service"
        by_systemd = service.is_dir()
        if by_systemd:
            cgroup.kill(service)
            cgroup.wait_empty(service)
        self.note("suspend failed", "as set")
        self.power.release(wrote=not by_systemd)
        self._arm()

    def _arm(self) -> None:
        if self.pid and self.state != "asleep" and not self.power.armed and not self.power.arm():
            self.lab.later(_AGAIN_SECONDS, self._arm)

    def _listen(self, deaf: bool) -> None:
        if deaf:
            self.lab.watch(self.nic.deafen(), self.hear)
        else:
            self.lab.unwatch(self.nic.ear)
            self.nic.undeafen()

    def wake_on(self) -> str:
        """What ethtool has been told on this host."""
        try:
            return (self.folder / "root/var/lib/fake-ethtool/eth0").read_text().strip()
        except OSError:
            return self.spec.wol

    def hear(self) -> None:
        for _ in range(self.nic.heard_magic() if self.nic.ear else 0):
            if not self.plugged:
                self.note("magic packet ignored", "no power")
            elif "g" not in self.wake_on():
                self.note("magic packet ignored", f"Wake-on is {self.wake_on()}")
            elif self.settings["deaf_to_magic"] > 0:
                self.settings["deaf_to_magic"] -= 1
                self.note("magic packet ignored", "as set")
            else:
                self.note("magic packet")
                if not self.waking:
                    self.waking = True
                    self.lab.later(self.settings["resume_delay"], self.wake)

    def wake(self) -> None:
        if not self.waking:
            return
        self.waking = False
        if self.state == "asleep":
            now = time.time()  # the hardware runs; what follows takes the lab some milliseconds
            slept = now - self.since
            self._listen(False)
            cgroup.freeze(self.group, False)
            self.power.release(wrote=True)
            self._become("awake", "resumed", f"slept {slept:.2f} s", now)
            self._arm()
        elif self.state == "off":
            self.start()

    def exited(self, code: int) -> None:
        """init has ended: in a pid namespace reboot(2) ends it by SIGHUP for a restart, by SIGINT for power off."""
        self.pid = 0
        self.waking = False
        self.power.close()
        if self.state == "asleep":
            cgroup.freeze(self.group, False)
        if not self.nic.ear:
            self._listen(True)
        if not self.plugged:
            self._become("off", "power cut")
        elif code == -signal.SIGHUP:
            self._become("off", "reboot")
            self.start()
        else:
            died = "" if code == -signal.SIGINT else f"init ended with {code}, see {self.folder}/console.log"
            self._become("off", "off", died or f"Wake-on {self.wake_on()}")

    def cut(self) -> None:
        """Pull the plug."""
        self.plugged = False
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def button(self) -> None:
        """Plug in and press the power button."""
        self.plugged = True
        if self.state == "off":
            self.start()
        elif self.state == "asleep":
            self.waking = True
            self.wake()

    def set(self, key: str, value: str) -> None:
        """Raises LabError for an unknown key or a value that does not fit."""
        try:
            if key == "resume_delay":
                self.settings[key] = max(0.0, float(value))
            elif key == "deaf_to_magic":
                self.settings[key] = max(0, int(value))
            elif key == "suspend" and value in ("ok", "fail"):
                self.settings[key] = value
            elif key == "loadavg":
                self.set_loadavg(f"{float(value):.2f}")
            elif key == "ac" and value in ("on", "off") and self.spec.battery:
                (self.folder / "power_supply/AC/online").write_text(f"{value == 'on':d}\n")
                status = "Full" if value == "on" else "Discharging"
                (self.folder / "power_supply/BAT0/status").write_text(status + "\n")
            else:
                raise ValueError
        except ValueError:
            raise LabError(
                f"cannot set {key} to {value!r} on {self.name}; there are: resume_delay SECONDS, deaf_to_magic N, "
                "suspend ok|fail, loadavg N, and ac on|off where there is a battery."
            ) from None
        self.note("set", f"{key} {value}")

    def set_loadavg(self, value: str) -> None:
        (self.folder / "loadavg").write_text(f"{value} {value} {value} 1/50 1000\n")
