# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in by a rule of [enrolment]. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from powernap.config.wake.enrolment import EnrolmentSettings
from powernap.wake.enrol.asked import Asked
from powernap.wake.enrol.evidence import Kind, Verdict


def let_in(settings: EnrolmentSettings, asked: Asked, source: str) -> str:
    """Which lists let the machine in, for people; "" where they do not. Each list that is not empty must."""
    reasons = []
    if settings.networks:
        if not _within(source, settings.networks):
            return ""
        reasons.append(f"its address {source}")
    if settings.macs:
        if not all(mac.startswith(tuple(prefix.lower() for prefix in settings.macs)) for mac in asked.shown.macs):
            return ""
        reasons.append("its MAC addresses")
    if settings.names:
        if not any(fnmatchcase(asked.name.lower(), name.lower()) for name in settings.names):
            return ""
        reasons.append("its name")
    return " and ".join(reasons)


def suffices(settings: EnrolmentSettings, verdict: Verdict) -> bool:
    """Whether a rule may admit a machine of that verdict."""
    return verdict.kind is Kind.NEW or (verdict.kind is Kind.REPLACES and settings.replace)


def _within(source: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in map(_network, networks) if network.version == address.version)


@lru_cache(maxsize=256)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)
