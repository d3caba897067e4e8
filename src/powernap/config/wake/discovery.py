# SPDX-License-Identifier: GPL-3.0-or-later
"""[discovery]: how clients find the wake server."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class DiscoverySettings:
    """Multicast DNS: the wake server publishes itself, and hears of clients. Nobody becomes known by that alone."""

    use: str = setting(
        "str",
        "auto",
        "auto: avahi-daemon publishes where it runs, else zeroconf; zeroconf browses where it is installed",
        choices=("auto", "zeroconf", "avahi", "off"),
    )
    name: str = setting("str", "", "name under which it publishes itself; empty: the host name", example="wake1")
