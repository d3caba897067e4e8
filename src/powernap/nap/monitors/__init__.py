# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitors: what counts as activity. A new kind is one module and one line here."""

from powernap.nap.kinds import Kinds
from powernap.nap.monitors.base import Monitor

KINDS: Kinds[Monitor] = Kinds(
    __name__,
    {
        "audio": "audio.AudioMonitor",
        "cgroup": "cgroup.CgroupMonitor",
        "cgroup-io": "cgroup_io.CgroupIoMonitor",
        "console": "console.ConsoleMonitor",
        "container": "container.ContainerMonitor",
        "cpu": "cpu.CpuMonitor",
        "disk": "disk.DiskMonitor",
        "extra": "extra.ExtraMonitor",
        "guest": "guest.GuestMonitor",
        "input": "input.InputMonitor",
        "io": "io.IoMonitor",
        "jobs": "jobs.JobsMonitor",
        "load": "load.LoadMonitor",
        "lock": "lock.LockMonitor",
        "network": "network.NetworkMonitor",
        "nfs": "nfs.NfsMonitor",
        "pressure": "pressure.PressureMonitor",
        "print": "printing.PrintMonitor",
        "process": "process.ProcessMonitor",
        "query": "query.QueryMonitor",
        "session": "session.SessionMonitor",
        "smb": "smb.SmbMonitor",
        "tcp": "tcp.TcpMonitor",
        "udp": "udp.UdpMonitor",
        "unit": "unit.UnitMonitor",
        "wol": "wol.WolMonitor",
    },
)

__all__ = ["KINDS", "Monitor"]
