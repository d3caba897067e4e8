# SPDX-License-Identifier: GPL-3.0-or-later
"""Demand: which frames ask for a host. A new kind is one module and one line here.

One of frames that the kernel does not pass yet needs a rule in path/reading.py too, and for classic BPF one in
net/bpfset.py; and each has its switch in the configuration's [demand].
"""

from powernap.wake.demand.arp import ArpMonitor
from powernap.wake.demand.base import DemandMonitor
from powernap.wake.demand.ns import SolicitationMonitor
from powernap.wake.demand.ssh import SshMonitor
from powernap.wake.demand.tcp_syn import TcpSynMonitor
from powernap.wake.demand.udp import UdpMonitor

MONITORS: tuple[DemandMonitor, ...] = (
    ArpMonitor(),
    SolicitationMonitor(),
    TcpSynMonitor(),
    SshMonitor(),
    UdpMonitor(),
)

#: Visitor.what to the monitor's name.
KINDS = {monitor.what: monitor.name for monitor in MONITORS}
#: Visitor.what to the protocol of its port; empty where it has none.
PROTOCOLS = {monitor.what: monitor.protocol for monitor in MONITORS}
