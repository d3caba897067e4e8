# SPDX-License-Identifier: GPL-3.0-or-later
"""[demand]: what counts as a need for a sleeping machine, and who is no longer believed."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class DemandSettings:
    """What counts as a need for a sleeping machine, and who is no longer believed."""

    arp: bool = setting(
        "bool", True, "an ARP question wakes, where wake_on is arp or this machine itself asks; it is answered anyway"
    )
    neighbour_solicitation: bool = setting("bool", True, "so does an IPv6 neighbour solicitation")
    tcp_syn: bool = setting("bool", True, "a new TCP connection to a port that the machine registered wakes it")
    ssh_data: bool = setting("bool", True, "so does what is typed in an ssh connection that was open when it slept")
    udp: bool = setting("bool", True, "so does a UDP datagram to a port that it registered")
    false_wakes: int = setting(
        "int",
        3,
        "wakes for nothing after which a source no longer wakes by the same port; 0: it always does",
        minimum=0,
        maximum=100,
    )
    of_wakes: int = setting("int", 4, "of so many last wakes of that source and port", minimum=1, maximum=100)
    within_seconds: float = setting("float", 86400, "all of them within this time", unit="seconds", minimum=60)
    demoted_seconds: float = setting(
        "float", 86400, "how long it is not believed", unit="seconds", minimum=60, maximum=366 * 86400
    )
