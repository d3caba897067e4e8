# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine was of use since it woke."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from powernap.machine import tcpcounters
from powernap.nap.sincewake import SETTLING_SECONDS, SinceWake

HEADS = "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails"


class Machine:
    """A /proc to write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc/net").mkdir(parents=True)
        for name in ("ipv4", "ipv6/conf/all"):
            (root / "proc/sys/net" / name).mkdir(parents=True)
        self.accepted(5)
        self.forwards(False)

    def accepted(self, count: int) -> None:
        (self.root / "proc/net/snmp").write_text(f"Ip: a b\nIp: 1 2\n{HEADS}\nTcp: 1 200 120000 -1 9 {count} 7\n")

    def forwards(self, on: bool) -> None:
        (self.root / "proc/sys/net/ipv4/ip_forward").write_text("0\n")
        (self.root / "proc/sys/net/ipv6/conf/all/forwarding").write_text("1\n" if on else "0\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def slept(machine: Machine) -> SinceWake:
    """A machine that went to sleep at 900 and woke at 1000."""
    since = SinceWake(machine.root)
    assert since.used(900.0) is None, "nobody knows what it was like before"
    since.woke(1000.0)
    return since


def test_a_machine_that_nobody_connected_to_was_of_no_use(machine: Machine) -> None:
    assert slept(machine).used(900.0) is False


def test_a_connection_that_was_accepted_is_use_also_before_anybody_knew_of_the_resume(machine: Machine) -> None:
    since = SinceWake(machine.root)
    since.used(900.0)
    machine.accepted(6)
    since.woke(1000.0)
    assert since.used(900.0) is True


def test_activity_is_use_once_the_waking_itself_is_over(machine: Machine) -> None:
    since = slept(machine)
    assert since.used(1000.0 + SETTLING_SECONDS) is False
    assert since.used(1000.0 + SETTLING_SECONDS + 1) is True


def test_a_sleep_that_is_called_off_changes_nothing_of_what_is_counted(machine: Machine) -> None:
    since = slept(machine)
    machine.accepted(6)
    assert since.used(900.0) is True
    assert since.used(900.0) is True


def test_each_wake_counts_by_itself(machine: Machine) -> None:
    since = slept(machine)
    machine.accepted(6)
    assert since.used(900.0) is True
    since.woke(2000.0)
    assert since.used(900.0) is False


def test_what_is_not_known_is_not_said(machine: Machine) -> None:
    never_registered = SinceWake(machine.root)
    never_registered.woke(1000.0)
    assert never_registered.used(900.0) is None
    forwarding = slept(machine)
    machine.forwards(True)
    assert forwarding.used(900.0) is None
    machine.accepted(6)
    assert forwarding.used(900.0) is True
    blind = slept(machine)
    (machine.root / "proc/net/snmp").write_text("Tcp: nothing\n")
    assert blind.used(900.0) is None


def test_the_kernel_counts_a_connection_when_it_is_accepted() -> None:
    before = tcpcounters.accepted()
    assert before is not None
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        after = tcpcounters.accepted()
    assert after is not None and after > before
