# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors: what counts as activity. A new kind is one module and one line here."""

from powernap.nap.monitors.audio import AudioMonitor
from powernap.nap.monitors.base import Monitor
from powernap.nap.monitors.cgroup import CgroupMonitor
from powernap.nap.monitors.cgroup_io import CgroupIoMonitor
from powernap.nap.monitors.console import ConsoleMonitor
from powernap.nap.monitors.container import ContainerMonitor
from powernap.nap.monitors.cpu import CpuMonitor
from powernap.nap.monitors.disk import DiskMonitor
from powernap.nap.monitors.extra import ExtraMonitor
from powernap.nap.monitors.guest import GuestMonitor
from powernap.nap.monitors.input import InputMonitor
from powernap.nap.monitors.io import IoMonitor
from powernap.nap.monitors.jobs import JobsMonitor
from powernap.nap.monitors.load import LoadMonitor
from powernap.nap.monitors.lock import LockMonitor
from powernap.nap.monitors.network import NetworkMonitor
from powernap.nap.monitors.nfs import NfsMonitor
from powernap.nap.monitors.pressure import PressureMonitor
from powernap.nap.monitors.printing import PrintMonitor
from powernap.nap.monitors.process import ProcessMonitor
from powernap.nap.monitors.query import QueryMonitor
from powernap.nap.monitors.session import SessionMonitor
from powernap.nap.monitors.smb import SmbMonitor
from powernap.nap.monitors.tcp import TcpMonitor
from powernap.nap.monitors.udp import UdpMonitor
from powernap.nap.monitors.unit import UnitMonitor
from powernap.nap.monitors.wol import WolMonitor

KINDS: dict[str, type[Monitor]] = {
    monitor.kind: monitor
    for monitor in (
        AudioMonitor,
        CgroupIoMonitor,
        CgroupMonitor,
        ConsoleMonitor,
        ContainerMonitor,
        CpuMonitor,
        DiskMonitor,
        ExtraMonitor,
        GuestMonitor,
        InputMonitor,
        IoMonitor,
        JobsMonitor,
        LoadMonitor,
        LockMonitor,
        NetworkMonitor,
        NfsMonitor,
        PressureMonitor,
        PrintMonitor,
        ProcessMonitor,
        QueryMonitor,
        SessionMonitor,
        SmbMonitor,
        TcpMonitor,
        UdpMonitor,
        UnitMonitor,
        WolMonitor,
    )
}

__all__ = ["KINDS", "Monitor"]
