# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and the whole server, as people and programs read of them."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import Any

from powernap.shared.mac import format_mac
from powernap.shared.ports import format_ports
from powernap.wake.clock import clock
from powernap.wake.engine import Engine
from powernap.wake.host import Host
from powernap.wake.refusals import Unknown
from powernap.wake.registry import Record


def describe_host(record: Record, host: Host | None) -> dict[str, Any]:
    """Raises Unknown for a host that was forgotten just now."""
    if host is None:
        raise Unknown.host(record.name)
    sleep = host.sleep
    return {
        "name": record.name,
        "wake_state": host.state.value,
        "wake_state_since": time.time() - (clock() - host.since),
        "macs": [format_mac(mac) for mac in host.all_macs()],
        "addresses": [str(ipaddress.ip_address(a.ip)) for a in host.known_addresses()] or list(record.addresses),
        "wake_on": host.wake_on,
        "group": host.group,
        "tcp_ports": format_ports(sleep.tcp) if sleep else "",
        "udp_ports": format_ports(sleep.udp) if sleep else "",
        "waits_for_turn": host.wake is not None and host.wake.waits,
        "registered_at": record.registered_at,
        "registered": given(record),
    }


def given(record: Record) -> dict[str, Any]:
    """What was given at registration, as against what the host itself has said since."""
    return {
        "macs": list(record.macs),
        "addresses": list(record.addresses),
        "wake_on": record.wake_on,
        "group": record.group,
    }


def describe_path(engine: Engine, restarted: bool) -> dict[str, Any]:
    """`restarted`: all that slept at the start has been taken up again."""
    return {
        "packet_path": {
            "name": engine.path.name,
            "acts": engine.path.acts,
            "counters": dict(engine.path.counters()),
            "sleepers_taken_up": restarted,
        }
    }


def warnings(engine: Engine) -> list[str]:
    found = []
    if _forwards():
        found.append(
            "this machine forwards IPv4 packets, so it may answer for sleeping machines itself: set "
            "net.ipv4.ip_forward=0 on a wake server"
        )
    if not engine.segments:
        found.append("no Ethernet interface is up: no machine can register")
    return found


def _forwards() -> bool:
    try:
        return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    except OSError:
        return False
