# SPDX-License-Identifier: GPL-3.0-or-later
"""Uevents of the real kernel: a write to a device's uevent file brings one about."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from powernap.machine.uevents import Uevents, parse, program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="asking the kernel for an event needs root")
LO, LOOP = Path("/sys/class/net/lo/uevent"), Path("/sys/block/loop0/uevent")


def heard(subsystems, *files):
    """The events of the subsystems after a write to the files, and how often the loop was woken for them."""

    async def run():
        seen, wakeups = [], 0
        loop = asyncio.get_running_loop()
        uevents = Uevents(loop, subsystems, lambda *event: seen.append(event))
        readable = uevents._readable

        def counted():
            nonlocal wakeups
            wakeups += 1
            readable()

        loop.add_reader(uevents._socket.fileno(), counted)
        for file in files:
            file.write_text("change")
        await asyncio.sleep(0.2)
        uevents.close()
        return seen, wakeups

    return asyncio.run(run())


def test_an_event_of_the_subsystem_is_told():
    if not LO.exists():
        pytest.skip("no loopback interface in sysfs")
    seen, _wakeups = heard(("net", "power_supply"), LO)
    assert seen == [("net", "change", "/devices/virtual/net/lo")]


def test_an_event_of_another_subsystem_wakes_nobody():
    if not (LO.exists() and LOOP.exists()):
        pytest.skip("no loop device in sysfs")
    assert heard(("power_supply",), LO, LOOP) == ([], 0)
    seen, _wakeups = heard(("power_supply", "block"), LO, LOOP)
    assert [event[0] for event in seen] == ["block"]


def test_a_message_of_the_kernel_is_taken_apart():
    message = b"add@/devices/x/net/eth1\0ACTION=add\0DEVPATH=/devices/x/net/eth1\0SUBSYSTEM=net\0INTERFACE=eth1\0"
    assert parse(message)["SUBSYSTEM"] == "net"
    assert parse(message)["INTERFACE"] == "eth1"


def test_the_filter_is_no_longer_than_the_kernel_takes():
    assert len(program(("net", "block", "power_supply", "drm", "input"))) < 4096
