# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way of multicast DNS is used here."""

from __future__ import annotations

from collections.abc import Sequence

from powernap.net.discovery.base import Discovery, DiscoveryError


async def choose(use: str, interfaces: Sequence[str] = ()) -> Discovery:
    """Open the way: "avahi", "zeroconf", or "auto": avahi where its daemon runs. Raises DiscoveryError.

    ``interfaces``: by name; none: all. avahi-daemon has a configuration of its own for that.
    """
    from powernap.net.discovery import by_avahi, by_zeroconf

    if use == "avahi":
        return await by_avahi.open_avahi()
    if use == "zeroconf":
        return await by_zeroconf.open_zeroconf(interfaces)
    try:
        return await by_avahi.open_avahi()
    except DiscoveryError as without_avahi:
        try:
            return await by_zeroconf.open_zeroconf(interfaces)
        except DiscoveryError as error:
            raise DiscoveryError(f"{without_avahi}; {error}") from None
