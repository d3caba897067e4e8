# SPDX-License-Identifier: GPL-3.0-or-later
"""A segment's cast for the tests of `powerwake trace`: addresses, cards, records as the admin API has them."""

from __future__ import annotations

from typing import Any

SERVER, WEB1, DESK, STRANGER = (f"02:4c:00:00:00:{number:02x}" for number in (1, 3, 9, 0x77))
SERVER_IP, WEB1_IP, DESK_IP = "198.18.0.1", "198.18.0.3", "198.18.0.9"
SERVER_IP6, WEB1_IP6, DESK_IP6 = "fd4c::1", "fd4c::3", "fd4c::9"
ALL = "ff:ff:ff:ff:ff:ff"


def web1(**changes: Any) -> dict[str, Any]:
    record = {
        "name": "web1",
        "wake_state": "proxied",
        "macs": [WEB1],
        "addresses": [WEB1_IP, WEB1_IP6],
        "wake_on": "demand",
        "tcp_ports": "22,80",
        "udp_ports": "161",
    }
    return {**record, **changes}
