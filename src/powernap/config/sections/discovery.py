# SPDX-License-Identifier: GPL-3.0-or-later
"""[discovery]: finding the wake server."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class DiscoverySettings:
    """Multicast DNS, where server.url is empty: find the wake server, and tell it that this machine is there."""

    find: bool = setting("bool", False, "look for a wake server, and ask it to be known")
    publish: str = setting(
        "str",
        "until-managed",
        "publish this machine while it looks for one, or as long as powernapd runs",
        choices=("until-managed", "always", "never"),
    )
    use: str = setting(
        "str",
        "auto",
        "auto: avahi where it runs, else zeroconf in a short-lived program",
        choices=("auto", "avahi", "zeroconf"),
    )
    seconds: float = setting("float", 4, "how long each look takes", unit="seconds", minimum=0.5, maximum=60)
