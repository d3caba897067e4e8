# SPDX-License-Identifier: GPL-3.0-or-later
"""A wake server that stood still, as on a paused machine: what came meanwhile counts before the time does."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import time

from tests.net.lan import Lan, Node, Sleeper, on_each_path, wait_for

from powernap.net import arp, ndp
from powernap.net.frames import parse
from powernap.shared.mac import mac_bytes

#: Between the second quick question and the verdict there are 0.1 s.
IN_TIME = 0.05


def ask(desk: Node, host: Sleeper, times: int) -> None:
    question = arp.request(
        mac_bytes(desk.mac), ipaddress.ip_address(desk.ipv4).packed, ipaddress.ip_address(host.ipv4).packed
    )
    with desk.raw() as wire:
        for _ in range(times):
            wire.send(question)


def stopped_before_its_verdict(lan: Lan, desk: Node, host: Sleeper) -> bool:
    """The server has asked the silent host twice, quickly, as somebody wants it, and stands still. False: too late."""
    assert lan.server.process is not None
    server, address = mac_bytes(lan.server.mac), ipaddress.ip_address(host.ipv6).packed
    times: list[float] = []
    with host.raw() as wire:
        ask(desk, host, 1)
        while len(times) < 2:
            said = parse(wire.recv(2048))
            # By IPv6: for the IPv4 address the server's kernel may ask on its own account.
            if isinstance(said, ndp.Solicitation) and said.eth_source == server and said.target == address:
                times.append(time.monotonic())
    os.kill(lan.server.process.pid, signal.SIGSTOP)
    return time.monotonic() - times[1] < IN_TIME


@on_each_path
def test_a_host_that_came_back_while_it_stood_still_is_not_taken_for_silent(lan: Lan, path: str) -> None:
    desk, host = lan.client(), lan.sleeper()
    host.says_hello = False
    lan.server.stop()
    lan.server.settings["probe_seconds"] = "1"  # so that quick questions alone are asked
    lan.server.start()
    for _attempt in range(10):
        assert lan.server.process is not None
        status, content = host.say("asleep", host.registration())
        assert status == 200, content
        before = lan.events(host.name, "proxied")  # of an attempt that came too late
        host.sleep()
        try:
            in_time = stopped_before_its_verdict(lan, desk, host)
            ask(desk, host, 5)
            host.wake()
            host.announces_itself()
            time.sleep(0.5)  # in which the verdict falls due
        finally:
            os.kill(lan.server.process.pid, signal.SIGCONT)
        if in_time:
            break
        host.say("awake", {"cause": "cancelled", "slept_seconds": 0.0})
        lan.wait_for_state(host.name, "awake")
    else:
        raise AssertionError("this machine is too busy to stop a process in time")
    with contextlib.suppress(AssertionError):
        wait_for(lambda: lan.events(host.name, "proxied") != before, 1.0)
    assert lan.events(host.name, "proxied") == before
    assert desk.owners(host.ipv4) == {host.mac}
