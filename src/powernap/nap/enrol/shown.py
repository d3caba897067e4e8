# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine shows of itself when it asks to be known."""

from __future__ import annotations

import socket
from typing import Any

from powernap.config import NapConfig
from powernap.machine import nics
from powernap.nap.history import BOOT_ID
from powernap.nap.link.identity import identity
from powernap.nap.preparation import cards
from powernap.net import interfaces
from powernap.shared.errors import PowernapError
from powernap.shared.mac import format_mac


def shown(config: NapConfig, url: str) -> dict[str, Any]:
    """Return name, hostname, boot_id, identity and cards; ``url``: of the server, or "". Blocks."""
    hostname = config.server.name or socket.gethostname()
    try:
        found = list(cards(nics.find(config.nap.interfaces, url)))
    except PowernapError:  # it cannot be woken as it is now, which is no reason not to be known
        found = _all()
    return {
        "name": hostname,
        "hostname": hostname,
        "boot_id": BOOT_ID.read_text(encoding="ascii").strip(),
        "identity": identity(),
        "cards": found,
    }


def _all() -> list[dict[str, Any]]:
    return [
        {"name": each.name, "mac": format_mac(each.mac), "addresses": [str(net) for net in each.networks]}
        for each in interfaces.read().values()
        if each.ethernet and each.up
    ]
