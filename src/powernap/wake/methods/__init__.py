# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to wake a machine. A new one is a file here and a line in METHODS."""

from powernap.wake.methods.base import Means, Outcome, Target, WakeMethod
from powernap.wake.methods.ethernet import Ethernet
from powernap.wake.methods.exec import Exec
from powernap.wake.methods.udp_broadcast import UdpBroadcast
from powernap.wake.methods.udp_directed import UdpDirected
from powernap.wake.methods.udp_unicast import UdpUnicast

METHODS: dict[str, type[WakeMethod]] = {
    "ethernet": Ethernet,
    "udp_broadcast": UdpBroadcast,
    "udp_directed": UdpDirected,
    "udp_unicast": UdpUnicast,
    "exec": Exec,
}

__all__ = ["METHODS", "Means", "Outcome", "Target", "WakeMethod"]
