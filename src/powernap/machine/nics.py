# SPDX-License-Identifier: GPL-3.0-or-later
"""By which network interfaces this machine can be woken, and which cards must be armed for it.

An interface with addresses may lie over others (VLAN, bond, bridge); the cards below it hear the magic packet.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from powernap.shared.errors import PowernapError

Link = Mapping[str, Any]  # one entry of `ip -details -json address`
STACKED_BY_LINK = ("vlan", "macvlan", "ipvlan")


class NoInterface(PowernapError):
    """There is no interface by which this machine could be woken."""


@dataclass(frozen=True)
class Interface:
    """``addresses``: with prefix length; ``cards``: (name, permanent MAC) of the Ethernet cards below, or itself."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    cards: tuple[tuple[str, str], ...]


def find(wanted: Iterable[str], server_url: str) -> tuple[Interface, ...]:
    """Return the interfaces: those wanted, else the real Ethernet cards that are up, else the one towards the server.

    Runs ``ip``; blocks. Raises NoInterface.
    """
    links = _ip("-details", "address")
    return choose(links, tuple(wanted), _is_card, lambda: _towards(server_url))


def choose(
    links: Iterable[Link], wanted: tuple[str, ...], is_card: Callable[[str], bool], towards: Callable[[], str]
) -> tuple[Interface, ...]:
    """Decide by what ``ip`` reported. Raises NoInterface."""
    table = {str(link["ifname"]): link for link in links}
    for name in wanted:
        if name not in table:
            raise NoInterface(f"nap.interfaces: there is no interface {name}: it is one of {', '.join(sorted(table))}")
        if not _is_ethernet(table[name]):
            raise NoInterface(f"nap.interfaces: {name} is no Ethernet, so no magic packet reaches it: name another")
    names = list(wanted) or [
        name
        for name, link in table.items()
        if _is_up(link) and _addresses(link) and any(is_card(card) for card in _below(name, table))
    ]
    if not names:
        name = towards()
        if name in table and _is_ethernet(table[name]):
            names = [name]
    if not names:
        raise NoInterface(
            "no wired Ethernet card is up and has an address, so no magic packet could wake this machine: plug a cable "
            "in, name an interface in nap.interfaces, or set nap.require_wake_on_lan = false"
        )
    return tuple(_interface(name, table) for name in names)


def _interface(name: str, table: Mapping[str, Link]) -> Interface:
    cards = tuple((card, _permanent_mac(table[card])) for card in _below(name, table))
    return Interface(name, str(table[name]["address"]), _addresses(table[name]), cards)


def _below(name: str, table: Mapping[str, Link], above: tuple[str, ...] = ()) -> list[str]:
    """Return the undermost interfaces below one, or itself where there is none."""
    link = table[name]
    lower = [other for other, candidate in table.items() if candidate.get("master") == name]
    if link.get("linkinfo", {}).get("info_kind") in STACKED_BY_LINK and link.get("link") in table:
        lower.append(str(link["link"]))
    lower = [other for other in lower if other not in above]
    if not lower:
        return [name]
    return [card for other in lower for card in _below(other, table, (*above, name))]


def _permanent_mac(link: Link) -> str:
    """A member of a bond shows the bond's address; only its own wakes it."""
    slave = link.get("linkinfo", {}).get("info_slave_data", {})
    return str(slave.get("perm_hwaddr") or link.get("permaddr") or link["address"])


def _addresses(link: Link) -> tuple[str, ...]:
    return tuple(
        f"{entry['local']}/{entry['prefixlen']}"
        for entry in link.get("addr_info", ())
        if "local" in entry and entry.get("scope") != "host" and not entry.get("tentative")
    )


def _is_ethernet(link: Link) -> bool:
    return link.get("link_type") == "ether"


def _is_up(link: Link) -> bool:
    return _is_ethernet(link) and "LOWER_UP" in link.get("flags", ())


def _is_card(name: str) -> bool:
    """A device behind it, and no radio: a sleeping radio hears no magic packet."""
    folder = Path("/sys/class/net", name)
    return (folder / "device").exists() and not any((folder / mark).exists() for mark in ("wireless", "phy80211"))


def _towards(server_url: str) -> str:
    """Return the interface of the route to the wake server, or "" where there is none."""
    import socket

    host = urlsplit(server_url).hostname
    if not host:
        return ""
    try:
        address = socket.getaddrinfo(
            host.encode("idna") if not host.isascii() else host.encode(), None, type=socket.SOCK_STREAM
        )[0][4][0]
        return str(_ip("route", "get", str(address))[0].get("dev", ""))
    except (OSError, PowernapError, IndexError):
        return ""


def _ip(*arguments: str) -> list[dict[str, Any]]:
    try:
        done = subprocess.run(["ip", "-json", *arguments], capture_output=True, text=True, timeout=10, check=True)
        answer: list[dict[str, Any]] = json.loads(done.stdout)
    except FileNotFoundError as error:
        raise NoInterface("the program ip is missing: install the package iproute2") from error
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NoInterface(f"the network interfaces cannot be read: {error}") from error
    return [entry for entry in answer if entry]  # ip leaves empty entries for what it filtered
