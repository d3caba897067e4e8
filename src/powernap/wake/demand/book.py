# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns what: addresses (by segment) and cards."""

from __future__ import annotations

from powernap.wake.model import Address, Sleep


class Book:
    """Hosts by address and by card, and our own cards."""

    def __init__(self) -> None:
        self.own_macs: frozenset[bytes] = frozenset()
        self._by_address: dict[tuple[str, bytes], tuple[str, Address]] = {}
        self._by_mac: dict[bytes, str] = {}
        self._sleeps: dict[str, Sleep] = {}
        self._entered: dict[str, tuple[tuple[bytes, ...], tuple[Address, ...]]] = {}

    def owner_of(self, segment: str, ip: bytes) -> tuple[str, Address] | None:
        """The host that has the address, and the address with its card."""
        return self._by_address.get((segment, ip))

    def host_of_card(self, mac: bytes) -> str | None:
        return self._by_mac.get(mac)

    def sleep_of(self, name: str) -> Sleep | None:
        """What the host registered, while it sleeps."""
        return self._sleeps.get(name)

    def hosts_of_ip(self, ip: bytes) -> tuple[str, ...]:
        """The hosts that have the address, on any segment."""
        return tuple(name for (_segment, known), (name, _address) in self._by_address.items() if known == ip)

    def enter(self, name: str, macs: tuple[bytes, ...], addresses: tuple[Address, ...], sleep: Sleep | None) -> None:
        """Replaces what was known of the host; what another host has entered before goes over to this one. But an
        address with which another host sleeps stays there: what was given for one that is awake may be out of date.
        """
        self.remove(name)
        self._entered[name] = (macs, addresses)
        for mac in macs:
            self._by_mac[mac] = name
        for address in addresses:
            known = self._by_address.get((address.segment, address.ip))
            if sleep is not None or known is None or known[0] not in self._sleeps:
                self._by_address[address.segment, address.ip] = (name, address)
        if sleep is not None:
            self._sleeps[name] = sleep

    def remove(self, name: str) -> None:
        macs, addresses = self._entered.pop(name, ((), ()))
        for mac in macs:
            if self._by_mac.get(mac) == name:
                del self._by_mac[mac]
        for address in addresses:
            if self._by_address.get((address.segment, address.ip), ("",))[0] == name:
                del self._by_address[address.segment, address.ip]
        self._sleeps.pop(name, None)
