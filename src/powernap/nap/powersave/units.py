# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that powersave stops, and starts again if it was we who did; never what the machine is reached by."""

from __future__ import annotations

import asyncio
import fnmatch
import re
from collections.abc import Iterable
from typing import Any

from powernap.machine.dbus import Bus, BusError
from powernap.machine.systemd1 import MANAGER, SYSTEMD
from powernap.nap.background import beside
from powernap.nap.powersave.journal import Entry, Journal

UNIT = "unit"
UNIT_INTERFACE = f"{SYSTEMD}.Unit"
JOB_SECONDS = 30.0
#: Between two tries of starting services again while the bus is lost.
AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0)
SUFFIXES = (".service", ".socket", ".timer", ".path")
NAME = re.compile(r"[A-Za-z0-9:_.@\\-]+")
#: What carries the network, logins or powernapd itself; and whatever would go down together with a stopped unit.
PROTECTED = (
    *("powernap*", "ssh.service", "ssh.socket", "sshd*", "dropbear*", "tailscaled*", "openvpn*", "wg-quick@*"),
    *("strongswan*", "ipsec*", "NetworkManager*", "networking.*", "network.*", "systemd-*", "ifup@*", "ifplugd*"),
    *("wpa_supplicant*", "iwd*", "connman*", "dhcpcd*", "dhclient*", "hostapd*", "wicked*", "netplan*"),
    *("dbus*", "polkit*", "nftables.*", "firewalld.*", "open-iscsi*", "iscsid*", "multipathd*", "rpc-statd*"),
    *("getty@*", "serial-getty@*", "user@*", "init.scope", "*.target", "*.mount", "*.slice", "*.scope"),
)
#: Units that go down with one that is stopped (systemd.unit(5)).
GO_DOWN_WITH = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf")


def full_name(service: str) -> str:
    return service if service.endswith(SUFFIXES) else f"{service}.service"


def refusal(service: str) -> str:
    """Return why such a unit is never stopped, or ""."""
    name = full_name(service)
    if not NAME.fullmatch(name):
        return f"{service!r} is no name of a service"
    if _protected((name,)):
        return f"{name} is never stopped, as the machine is reached or kept running by it"
    return ""


class Services:
    """By systemd over D-Bus; a connection for each time."""

    def __init__(self, names: Iterable[str], journal: Journal) -> None:
        self._names = tuple(full_name(name) for name in names)
        self._journal = journal

    async def stop(self) -> list[str]:
        """Stop those that run; return what went wrong, one sentence each."""
        if not self._names:
            return []
        problems: list[str] = []
        try:
            jobs = await _Jobs.connect()
        except BusError as error:
            return [f"no service is stopped: {error}"]
        try:
            for name in self._names:
                try:
                    await self._stop(jobs, name, problems)
                except BusError as error:
                    problems.append(f"{name} is not stopped: {error}")
                except OSError as error:
                    problems.append(f"{name} is not stopped, as it cannot be written down: {error.strerror}")
        finally:
            jobs.close()
        return problems

    async def _stop(self, jobs: _Jobs, name: str, problems: list[str]) -> None:
        if await jobs.state(name) != "active":
            return
        reason = refusal(name) or await _taken_along(jobs, name)
        if reason:
            problems.append(reason)
            return
        await beside(lambda: self._journal.add([{"what": UNIT, "name": name}]))
        await jobs.run("StopUnit", name)

    async def start_again(self, entries: list[Entry], settled: set[int]) -> list[str]:
        """Start those that the journal names and that do not run; return what could not be."""
        wanted = [(place, entry["name"]) for place, entry in enumerate(entries) if entry["what"] == UNIT]
        if not wanted:
            return []
        for pause in (*AGAIN_SECONDS, None):
            problems, lost = await self._start([each for each in wanted if each[0] not in settled], settled)
            if not lost or pause is None:
                break
            await asyncio.sleep(pause)  # the bus restarts: a service must not stay down for that
        return problems

    async def _start(self, wanted: list[tuple[int, str]], settled: set[int]) -> tuple[list[str], bool]:
        """Return what could not be started, and whether that is because the bus was lost."""
        problems = []
        try:
            jobs = await _Jobs.connect()
        except BusError as error:
            return [f"{', '.join(name for _place, name in wanted)} cannot be started again: {error}"], True

        async def start(place: int, name: str) -> None:
            try:
                if await jobs.state(name) not in ("active", "activating", "reloading"):
                    await jobs.run("StartUnit", name)
                settled.add(place)
            except BusError as error:
                problems.append(f"{name} is not started again: {error}")

        try:
            await asyncio.gather(*(start(place, name) for place, name in reversed(wanted)))
        finally:
            jobs.close()
        return problems, jobs.lost


class _Jobs:
    """Runs jobs of systemd and waits for their end."""

    def __init__(self) -> None:
        """Connect. Raises BusError."""
        self.bus = Bus(self._bus_lost)
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._ended: dict[str, str] = {}
        self.lost = False

    @classmethod
    async def connect(cls) -> _Jobs:
        """Raises BusError."""
        jobs = cls()
        try:
            await jobs.bus.on_signal(MANAGER[2], "JobRemoved", MANAGER[1], jobs._removed)
            await jobs.bus.call(MANAGER, "Subscribe")
        except BusError:
            jobs.close()
            raise
        return jobs

    async def path(self, name: str) -> str:
        return str((await self.bus.call(MANAGER, "LoadUnit", "s", (name,)))[0])

    async def state(self, name: str) -> str:
        return str(await self.bus.get((SYSTEMD, await self.path(name), UNIT_INTERFACE), "ActiveState"))

    async def get(self, name: str, prop: str) -> list[str]:
        return list(await self.bus.get((SYSTEMD, await self.path(name), UNIT_INTERFACE), prop))

    async def run(self, method: str, name: str) -> None:
        """Raises BusError, also for a job that failed or takes too long."""
        (path,) = await self.bus.call(MANAGER, method, "ss", (name, "replace"))
        result = self._ended.get(path)
        if result is None:
            waiting = self._waiting[path] = asyncio.get_running_loop().create_future()
            try:
                result = await asyncio.wait_for(waiting, JOB_SECONDS)
            except asyncio.TimeoutError as error:
                raise BusError(f"systemd is not done after {JOB_SECONDS:g} s") from error
            finally:
                self._waiting.pop(path, None)
        if result not in ("done", "skipped"):
            raise BusError(f"systemd says {result!r}: see 'systemctl status {name}'")

    def _removed(self, body: tuple[Any, ...]) -> None:
        _number, path, _unit, result = body
        self._ended[path] = result
        waiting = self._waiting.get(path)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _bus_lost(self) -> None:
        self.lost = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(BusError("the D-Bus system bus was lost"))

    def close(self) -> None:
        self.bus.close()


async def _taken_along(jobs: _Jobs, name: str) -> str:
    """Return why it is not stopped: under another of its names it is protected, or takes along what is."""
    names = await jobs.get(name, "Names")
    if _protected(names):
        return f"{name} is {', '.join(_protected(names))} and never stopped"
    seen, ahead = {name}, [name]
    while ahead:
        unit = ahead.pop()
        for prop in GO_DOWN_WITH:
            for other in await jobs.get(unit, prop):
                if other in seen or other.endswith(".target"):  # that a target goes down stops nothing
                    continue
                if _protected((other,)) and await jobs.state(other) == "active":
                    return f"{name} is not stopped, as {other} would go down with it"
                seen.add(other)
                ahead.append(other)
    return ""


def _protected(names: Iterable[str]) -> list[str]:
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in PROTECTED)]
