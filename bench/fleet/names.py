# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the benchmark: as many as wanted, each written otherwise than the recorded one where it must be."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

FORKS = 50
RECORDED = "web1"
_NAME = re.compile(r"\bh([0-9]{5})\b")
_ADDRESSES = int(ipaddress.ip_address("10.64.0.0"))


def own(text: str, name: str) -> dict[str, str]:
    """What the recorded host said of itself to what that host says, or, for one of other names, the host spoken of."""
    found = _NAME.match(name) or _NAME.search(text)
    return written(int(found.group(1))) if found else {}


def written(number: int) -> dict[str, str]:
    """No address is on the wake server's segment."""
    low = f"{number >> 8:02x}:{number & 255:02x}"
    return {
        RECORDED: f"h{number:05}",
        "02:4c:00:00:00:03": f"02:4d:00:00:{low}",
        "198.18.0.3": str(ipaddress.ip_address(_ADDRESSES + number)),
        "fd4c::3": f"fd4d::{number:x}",
        "fe80::4c:ff:fe00:3": f"fe80::4d:ff:fe{number >> 16:02x}:{number & 0xFFFF:x}",
    }


def clients(first: int, count: int, answers: str) -> dict[str, Any]:
    """The group of an inventory. `answers`: the folder of the recorded ones."""
    hosts = {}
    for number in range(first, first + count):
        name = written(number)[RECORDED]
        hosts[name] = connection(name, answers)
    return {"hosts": hosts}


def connection(host: str, answers: str, lab: str = "") -> dict[str, Any]:
    """Its variables. `lab`: the folder of the lab where it is real; empty where its answers are replayed."""
    return {
        "replayed_host": host,
        "ansible_connection": "replayed",
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_pipelining": True,
        "replayed_folder": answers,
        "replayed_lab": lab,
    }
