# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: the registered hosts by address and card, and the wake server's own. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

_AWAKE = "awake"
_EXPIRED = "expired"


class Names:
    """Filled from the admin API's host records and its status. An unknown address or card is nobody's: None."""

    def __init__(self, own_macs: Iterable[str] = (), own_addresses: Iterable[str] = ()) -> None:
        self.own_macs = frozenset(own_macs)
        self.own_addresses = frozenset(own_addresses)
        self.hosts: dict[str, Mapping[str, Any]] = {}
        self._by_mac: dict[str, str] = {}
        self._by_ip: dict[str, str] = {}

    def put(self, host: Mapping[str, Any]) -> None:
        """A host's record, new or changed."""
        name = str(host["name"])
        self.remove(name)
        self.hosts[name] = host
        self._by_mac.update(dict.fromkeys(host["macs"], name))
        self._by_ip.update({_plain(address): name for address in host["addresses"]})

    def remove(self, name: str) -> None:
        host = self.hosts.pop(name, None)
        if host is not None:
            _drop(self._by_mac, host["macs"], name)
            _drop(self._by_ip, [_plain(address) for address in host["addresses"]], name)

    def of_mac(self, mac: str) -> str | None:
        return self._by_mac.get(mac)

    def of_ip(self, address: str) -> str | None:
        return self._by_ip.get(address)

    def sleeps(self, name: str) -> bool:
        return self.hosts[name]["wake_state"] not in (_AWAKE, _EXPIRED)

    def card(self, mac: str) -> str:
        """Whose card it is, for people."""
        if mac in self.own_macs:
            return "wake server"
        name = self.of_mac(mac)
        return f"{name} ({mac})" if name else mac

    def address(self, address: str) -> str:
        """An address with its host's name in front."""
        name = self.of_ip(address)
        return f"{name} {address}" if name else address

    def asker(self, address: str, mac: str) -> str:
        """Who sends: host, address and card, as far as they are known."""
        if mac in self.own_macs and address in ("", *self.own_addresses):
            return f"wake server {address}".rstrip()
        name = self.of_ip(address) or self.of_mac(mac) or ""
        return " ".join(part for part in (name, address, f"({mac})") if part)

    def end(self, address: str, port: int) -> str:
        """One end of a connection: the name where there is one, else the address."""
        name = self.of_ip(address)
        if name is None and address in self.own_addresses:
            name = "wake server"
        return f"{name or (f'[{address}]' if ':' in address else address)}:{port}"


def _drop(owners: dict[str, str], keys: Iterable[str], name: str) -> None:
    for key in keys:
        if owners.get(key) == name:
            del owners[key]


def _plain(address: str) -> str:
    """Without prefix length, in the one form in which it is compared."""
    return str(ipaddress.ip_interface(address).ip)
