# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-logind: suspend and power off, who forbids it, and to be told before and after (org.freedesktop.login1)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from powernap.machine import hands
from powernap.machine.dbus import Bus, BusError

MANAGER = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
SYSTEMD = "org.freedesktop.systemd1"
UNIT_PATH = "/org/freedesktop/systemd1/unit/"
METHODS = {
    "suspend": "Suspend",
    "hibernate": "Hibernate",
    "hybrid-sleep": "HybridSleep",
    "suspend-then-hibernate": "SuspendThenHibernate",
    "poweroff": "PowerOff",
}
#: Targets that end the machine's run (systemd.special(7)), and what that is to others.
ENDS = {"poweroff": "poweroff", "reboot": "reboot", "halt": "poweroff", "kexec": "reboot", "soft_2dreboot": "reboot"}
#: SD_LOGIND_SKIP_INHIBITORS of org.freedesktop.login1(5).
SKIP_INHIBITORS = 1 << 4
#: logind asks for 10 s at most, and powernap-hands may have to be started.
ORDER_SECONDS = 25.0
#: What helps where logind says that something cannot be.
REMEDIES = {
    "suspend": "enable it in the firmware, or choose another action",
    "poweroff": "ask 'systemd-inhibit --list' and the polkit rules, or choose another action",
}
SWAP_REMEDY = (
    "it needs swap of the size of the memory in use, resume= in the kernel's command line, and a kernel that is not "
    "locked down; or choose another action"
)


@dataclass(frozen=True)
class Inhibitor:
    """``what``: such as {"sleep", "shutdown"}; ``mode``: "block" or "delay" (or, since systemd 257, "block-weak")."""

    what: frozenset[str]
    who: str
    why: str
    mode: str
    uid: int = 0
    pid: int = 0

    def __str__(self) -> str:
        return f"{self.who} forbids {'/'.join(sorted(self.what))}: {self.why or 'no reason given'}"


@dataclass(frozen=True)
class Hooks:
    """Whom to tell. ``sleeping``/``stopping``: before; the machine waits until ``Logind.let_go`` (5 s at most)."""

    sleeping: Callable[[], None]
    resumed: Callable[[], None]
    stopping: Callable[[], None]
    inhibitors_changed: Callable[[], None]
    lost: Callable[[], None]
    restarted: Callable[[], None] = lambda: None


class Logind:
    """logind, through one kept connection; it holds a delay inhibitor so that no sleep goes unannounced."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._bus: Bus | None = None
        self._delay: int | None = None

    async def start(self) -> str:
        """Connect, subscribe and hold sleeps up, all or nothing; return what is under way already, as ``preparing``.

        Raises BusError.
        """
        bus = Bus(lambda: self._lost(bus))
        try:
            await self._subscribe(bus)
            self.let_go()  # one whose answer overtook the loss of the last bus holds nothing any more
            await self._hold(bus)
            under_way = await _preparing(bus)
        except BusError:
            self.let_go()
            bus.close()
            raise
        self._bus = bus
        return under_way

    async def _subscribe(self, bus: Bus) -> None:
        _name, path, interface = MANAGER
        await bus.on_signal(interface, "PrepareForSleep", path, self._prepare_for_sleep)
        await bus.on_signal(interface, "PrepareForShutdown", path, self._prepare_for_shutdown)
        await bus.on_signal("org.freedesktop.DBus.Properties", "PropertiesChanged", path, self._changed)
        await bus.on_signal("org.freedesktop.DBus", "NameOwnerChanged", "/org/freedesktop/DBus", self._owner_changed)

    async def hold(self) -> None:
        """Take the delay inhibitor, unless it is held, or it is too late for what is under way. Raises BusError."""
        await self._hold(self._connected())

    async def _hold(self, bus: Bus) -> None:
        if self._delay is not None:
            return
        try:
            descriptor = await _delay_somehow(bus)
        except BusError:
            if not await _preparing(bus):
                raise
            return  # logind gives none any more
        self.let_go()  # where two asked at a time: one that is forgotten would hold each sleep up for 5 s
        self._delay = descriptor

    def let_go(self) -> None:
        """Give the delay inhibitor up: now the machine may sleep."""
        if self._delay is not None:
            os.close(self._delay)
            self._delay = None

    async def order(self, action: str, past_inhibitors: bool = False) -> None:
        """Order an action of METHODS. ``past_inhibitors``: ignore those that forbid it. Raises PowernapError."""
        bus = self._connected()
        if hands.needed():
            await hands.asked("order", ORDER_SECONDS, action=action, past=past_inhibitors)
        else:
            await order(bus, action, past_inhibitors)

    async def inhibitors(self) -> list[Inhibitor]:
        """Return who forbids or delays what. Raises BusError."""
        (entries,) = await self._connected().call(MANAGER, "ListInhibitors")
        return [
            Inhibitor(frozenset(what.split(":")), who, why, mode, uid, pid)
            for what, who, why, mode, uid, pid in entries
        ]

    async def preparing(self) -> str:
        """Return what is under way: "sleep", "shutdown" or "". Raises BusError."""
        return await _preparing(self._connected())

    async def failure(self, action: str) -> str:
        """Return why the last such sleep failed, or "": logind itself signals a failed one like a good one."""
        unit = f"systemd-{action}.service"
        path = UNIT_PATH + unit.replace("-", "_2d").replace(".", "_2e")
        try:
            result = await self._connected().get((SYSTEMD, path, f"{SYSTEMD}.Service"), "Result")
        except BusError:
            return ""
        return "" if result == "success" else f"the {action} failed ({result}): see 'journalctl -u {unit}'"

    async def ending(self) -> str:
        """Return "poweroff" or "reboot" where systemd is on its way there, else ""."""
        for target, what in ENDS.items():
            unit = (SYSTEMD, f"{UNIT_PATH}{target}_2etarget", f"{SYSTEMD}.Unit")
            try:
                job = await self._connected().get(unit, "Job")
            except BusError:
                return ""
            if job[0]:
                return what
        return ""

    async def surroundings(self) -> tuple[bool, bool, bool]:
        """Return whether it runs on battery, its lid is closed, it is docked. Raises BusError."""
        bus = self._connected()
        names = ("OnExternalPower", "LidClosed", "Docked")
        external, lid, docked = [bool(await bus.get(MANAGER, name)) for name in names]
        return not external, lid, docked

    @property
    def connected(self) -> bool:
        return self._bus is not None

    @property
    def holding(self) -> bool:
        """True while sleeps wait for us."""
        return self._delay is not None

    @property
    def bus(self) -> Bus:
        """The connection. Raises BusError where there is none."""
        return self._connected()

    def _connected(self) -> Bus:
        if self._bus is None:
            raise BusError("there is no connection to logind")
        return self._bus

    def _prepare_for_sleep(self, body: tuple[Any, ...]) -> None:
        (self._hooks.sleeping if body[0] else self._hooks.resumed)()

    def _prepare_for_shutdown(self, body: tuple[Any, ...]) -> None:
        if body[0]:
            self._hooks.stopping()

    def _changed(self, body: tuple[Any, ...]) -> None:
        names = {*body[1], *body[2]}
        if "BlockInhibited" in names:
            self._hooks.inhibitors_changed()

    def _owner_changed(self, body: tuple[Any, ...]) -> None:
        name, _before, owner = body
        if name == MANAGER[0] and owner:
            self._hooks.restarted()

    def _lost(self, bus: Bus) -> None:
        if bus is not self._bus:
            return  # not ready yet: ``start`` says so
        self._bus = None
        self.let_go()
        self._hooks.lost()

    def close(self) -> None:
        self.let_go()
        if self._bus is not None:
            self._bus.close()
            self._bus = None


async def order(bus: Bus, action: str, past_inhibitors: bool) -> None:
    """As root. Raises BusError.

    Until systemd 256 root's orders pass inhibitors by anyway; from 257 on only with a flag that older ones refuse.
    """
    method = METHODS[action]
    can = (await bus.call(MANAGER, "Can" + method))[0]
    if can not in ("yes", "challenge") and not (past_inhibitors and "inhibit" in can):
        remedy = REMEDIES.get(action, SWAP_REMEDY)
        raise BusError(f"this machine cannot {action} (logind says {can!r}): {remedy}")
    if past_inhibitors:
        try:
            await bus.call(MANAGER, method + "WithFlags", "t", (SKIP_INHIBITORS,))
        except BusError:
            pass  # an older logind
        else:
            return
    await bus.call(MANAGER, method, "b", (False,))


async def delay(bus: Bus) -> int:
    """Have sleeps and shutdowns wait until the descriptor is closed, 5 s at most. Raises BusError."""
    body = ("sleep:shutdown", "powernapd", "Tell the wake server first", "delay")
    (descriptor,) = await bus.call(MANAGER, "Inhibit", "ssss", body)
    return int(descriptor.to_raw_fd())


async def _delay_somehow(bus: Bus) -> int:
    """polkit allows it to everybody; where there is none, only root may. Raises BusError."""
    try:
        return await delay(bus)
    except BusError as error:
        if not hands.needed() or await _preparing(bus):
            raise
        try:
            return (await hands.asked("inhibit")).file()
        except hands.HandsError as refused:
            raise BusError(f"{error}; {refused}") from None


async def _preparing(bus: Bus) -> str:
    if await bus.get(MANAGER, "PreparingForSleep"):
        return "sleep"
    return "shutdown" if await bus.get(MANAGER, "PreparingForShutdown") else ""
