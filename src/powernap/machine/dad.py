# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that failed IPv6's duplicate-address detection (RFC 4862 section 5.4), and adding one anew.

Linux keeps a permanent address that failed, flagged "dadfailed tentative", and neither uses it nor asks again
(addrconf_dad_stop). One that the kernel itself made by a router's word is deleted, and made anew by the next word.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from powernap.shared.errors import PowernapError

#: linux/if_addr.h
IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x08, 0x40
FOREVER = 4294967295
FLAGS = frozenset({"noprefixroute", "home", "mngtmpaddr"})
#: What `ip -json address` says of an address that can be added as it was; any other word means one that cannot.
SAID = FLAGS | {"family", "local", "prefixlen", "scope", "label", "dadfailed", "tentative", "deprecated"}
SAID |= {"valid_life_time", "preferred_life_time", "metric", "protocol"}
IP_SECONDS = 10.0


class Held(NamedTuple):
    """An address, with its prefix length, of an interface."""

    interface: str
    address: str


class NotAdded(PowernapError):
    """The address is not added anew; what it says follows "detection failed and"."""


def flags(root: Path = Path("/")) -> dict[Held, int]:
    """Return the flags of every IPv6 address of this network namespace; none where there is no IPv6."""
    try:
        lines = (root / "proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        address, _index, length, _scope, flag, interface = line.split()
        held = Held(interface, f"{ipaddress.IPv6Address(int(address, 16))}/{int(length, 16)}")
        found[held] = int(flag, 16)
    return found


def add_anew(held: Held) -> None:
    """Delete an address that failed, and add it with all that it had: the kernel then asks for it once more.

    No route loses its source by that: one whose source is tentative is refused (ip6_route_info_create). Runs ``ip``;
    blocks. Raises NotAdded.
    """
    words = command(held, _addresses(held.interface))
    # One program for both: whatever becomes of powernapd between them, the address is there again.
    batch = f"address del {held.address} dev {held.interface}\naddress add {words}\n"
    said = _ip("-6", "-batch", "-", text=batch)
    if held not in flags():
        raise NotAdded(f"it could not be added again after it was deleted ({said})")
    if said:
        raise NotAdded(f"it cannot be added anew ({said})")


def command(held: Held, links: list[dict[str, Any]]) -> str:
    """Return what `ip address add` must be told, by what `ip` says of the interface. Raises NotAdded."""
    for link in links:
        for entry in link.get("addr_info", ()):
            if f"{entry.get('local')}/{entry.get('prefixlen')}" == held.address and entry.get("dadfailed"):
                return _words(held, entry)
    raise NotAdded("it is gone")


def _words(held: Held, entry: Mapping[str, Any]) -> str:
    unknown = sorted(set(entry) - SAID)
    if unknown or entry.get("valid_life_time", FOREVER) != FOREVER:
        what = ", ".join(unknown) or "no permanent address"
        raise NotAdded(f"it is {what}, so whoever gave it must give it again")
    words = [held.address, "dev", held.interface]
    if entry.get("preferred_life_time", FOREVER) != FOREVER:
        words += ["preferred_lft", str(entry["preferred_life_time"])]
    if entry.get("metric"):
        words += ["metric", str(entry["metric"])]
    if entry.get("protocol"):
        words += ["proto", str(entry["protocol"])]
    return " ".join(words + [flag for flag in sorted(FLAGS) if entry.get(flag)])


def _addresses(interface: str) -> list[dict[str, Any]]:
    """Raises NotAdded."""
    words = ["ip", "-json", "-6", "address", "show", "dev", interface]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=IP_SECONDS, check=True)
        answer: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NotAdded(f"it cannot be read ({error})") from None
    return answer


def _ip(*arguments: str, text: str) -> str:
    """Return what it says that went wrong, or ""."""
    try:
        done = subprocess.run(
            ["ip", *arguments], input=text, capture_output=True, text=True, timeout=IP_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"ip {' '.join(arguments)} failed: {error}"
    return (done.stderr.strip().splitlines() or [f"ip ended with {done.returncode}"])[0] if done.returncode else ""
