# SPDX-License-Identifier: GPL-3.0-or-later
"""Sleeps: ordered from logind or directly, held up for a while, ended by the clock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from powernap.machine import logind, rtc, sleepdirect, wakeupcount
from powernap.machine.dbus import Bus
from powernap.nap.background import beside
from powernap.nap.hands.means import Means, Refused

MEM_SLEEP = ("", "s2idle", "shallow", "deep")
LONGEST_SECONDS = 366 * 86400.0
SWITCH = re.compile(r"/sys/devices/[^\0]{1,400}/power/wakeup")


async def inhibit(_means: Means, _asked: dict[str, Any], files: list[int]) -> dict[str, Any]:
    """Have sleeps wait for powernapd, where polkit refuses it that."""
    bus = Bus()
    try:
        files.append(await logind.delay(bus))
    finally:
        bus.close()
    return {}


async def order(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """``action``: one of logind's; ``past``: inhibitors, where the configuration ignores some."""
    action, past = asked.get("action"), asked.get("past") is True
    if action not in logind.METHODS:
        raise Refused(f"{str(action)[:40]!r} is no sleep: it is one of {', '.join(logind.METHODS)}")
    if past:
        settings = means.config().inhibitors
        past = bool(settings.ignore or settings.max_hold_seconds or not settings.honour)
    bus = Bus()
    try:
        await logind.order(bus, action, past)
    finally:
        bus.close()
    return {}


async def sleep(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Where there is no logind. Answers when the machine runs again."""
    action, mem_sleep = asked.get("action"), asked.get("mem_sleep", "")
    if action not in logind.METHODS or mem_sleep not in MEM_SLEEP:
        raise Refused("action and mem_sleep: there is no such sleep")
    await beside(lambda: sleepdirect.sleep(action, mem_sleep, means.root))
    return {}


async def alarm(means: Means, asked: dict[str, Any], files: list[int]) -> dict[str, Any]:
    """Have the clock wake the machine in ``seconds``. The timer is given away: it ends with who has it."""
    seconds = asked.get("seconds")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds <= LONGEST_SECONDS:
        raise Refused("seconds: give a number")
    clock = rtc.Alarm(means.root)
    how = clock.set(float(seconds), asked.get("through_poweroff") is True)
    timer, others = clock.given_away()
    if timer is not None:
        files.append(timer)
    return {"how": how, "others": others}


async def alarm_clear(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """``others``: to whose time the clock goes back, as ``alarm`` said."""
    others = str(asked.get("others", ""))
    if others and not (others.isascii() and others.isdigit()):
        raise Refused("others: give what alarm said")
    rtc.give_back(means.root, others)
    return {}


async def wakeup_count(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Arm the kernel's check, or with ``forget`` disarm it."""
    count = str(asked.get("count", ""))
    if not (count.isascii() and count.isdigit()):
        raise Refused("count: give the number that was read")
    (wakeupcount.forget if asked.get("forget") is True else wakeupcount.write)(count, means.root)
    return {}


async def wake_switch(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Let a device wake the machine."""
    path = str(asked.get("path", ""))
    if not SWITCH.fullmatch(path) or "/../" in path or "/./" in path:
        raise Refused("path: give a device's switch below /sys/devices")
    file = means.root / path[1:]
    if file.resolve() != Path(file):
        raise Refused("path: give a device's switch below /sys/devices")
    try:
        file.write_text("enabled")
    except OSError as error:
        raise Refused(f"{path} cannot be set to enabled ({error.strerror})") from None
    return {}
