# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry with as many hosts as are wanted, written as powerwaked itself writes it.

python -m bench.wake.fleet FILE HOSTS [--asleep N] [--interface eth0] [--network 10.0.0.1/8] [--ipv6]

Host number i (from 0) is called host-i; its card is 02:4c:.. with i in the last four bytes, its address that of the
network with i + 65536 added. The first N sleep: they are proxied, with a lease of a day from now.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

from powernap.net.interfaces import Interface
from powernap.wake.model import Address, Sleep, State
from powernap.wake.registry import Registry
from powernap.wake.registry.changes import Change, Enrol, Fact, Register, Save

_BATCH = 4000
_DAY = 86400.0
_AT = 1 << 16
IPV6 = ipaddress.ip_interface("fd4c::1/64")


def mac_of(number: int) -> bytes:
    return b"\x02\x4c" + number.to_bytes(4, "big")


def ip_of(number: int, network: ipaddress.IPv4Interface) -> bytes:
    return (int(network.network.network_address) + _AT + number).to_bytes(4, "big")


def ipv6_of(number: int) -> bytes:
    return (int(IPV6.network.network_address) + _AT + number).to_bytes(16, "big")


def fill(
    path: str, hosts: int, asleep: int, interface: str, network: ipaddress.IPv4Interface, with_ipv6: bool = False
) -> None:
    """Raises RegistryError."""
    networks = (network, IPV6) if with_ipv6 else (network,)
    here = Interface(interface, 1, bytes(6), networks=networks)
    registry = Registry(path)
    registry.apply([Fact("networks", json.dumps({interface: sorted(str(each.network) for each in networks)}))])
    numbers: dict[int, int] = {}
    for first in range(0, hosts, _BATCH):
        batch = range(first, min(first + _BATCH, hosts))
        enrolled = registry.apply(_enrol(number, here, network) for number in batch)
        numbers = {number: result[1].number for number, result in zip(batch, enrolled, strict=True)}
        registry.apply(
            change
            for number in batch
            if number < asleep
            for change in _asleep(number, numbers[number], here, network, with_ipv6, registry.run)
        )
    registry.close()


def _enrol(number: int, here: Interface, network: ipaddress.IPv4Interface) -> Enrol:
    ip = str(ipaddress.ip_address(ip_of(number, network)))
    return Enrol(f"host-{number}", (mac_of(number).hex(":"),), (ip,), None, f"rack{number // 40}", (here,), time.time())


def _asleep(
    number: int, key: int, here: Interface, network: ipaddress.IPv4Interface, with_ipv6: bool, run: int
) -> Iterator[Change]:
    mac, now, wall = mac_of(number), time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
    ips = [ip_of(number, network)] + [ipv6_of(number)] * with_ipv6
    addresses = tuple(Address(here.name, ip, mac) for ip in ips)
    said = tuple(f"{ipaddress.ip_address(ip)}/{network.network.prefixlen if len(ip) == 4 else 64}" for ip in ips)
    sleep = Sleep("suspend", addresses, (mac,), ((22, 22), (80, 80)), (), None, now + _DAY, now + 0.9 * _DAY)
    body = {
        "action": "suspend",
        "interfaces": [{"name": "eth0", "mac": mac.hex(":"), "addresses": said}],
        "tcp_ports": "22,80",
        "udp_ports": "",
        "lease_seconds": _DAY,
        "password": None,
    }
    yield Register(f"host-{number}", 1, sleep, json.dumps(body), said, sleep.wake_by, wall, run)
    yield Save(key, State.PROXIED, wall, True, sleep.wake_by, run, sleep, (mac,), addresses)


def fill_fast(path: str, hosts: int, interface: str, network: ipaddress.IPv4Interface) -> None:
    """The same, all of them asleep, in a fraction of the time: the rows of the first host are copied.

    Raises RegistryError.
    """
    fill(path, 1, 1, interface, network)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("BEGIN")
        for table, own in _OWN_COLUMNS.items():
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            first = database.execute(f"SELECT {', '.join(map(_quoted, columns))} FROM {table}").fetchone()
            row = dict(zip(columns, first, strict=True))
            places = [columns.index(name) for name in own]
            statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"
            database.executemany(statement, _copies(list(row.values()), places, tuple(own.values()), hosts, network))
        database.execute("COMMIT")


def _copies(
    row: list[Any], places: list[int], own: tuple[_Own, ...], hosts: int, network: ipaddress.IPv4Interface
) -> Iterator[list[Any]]:
    number_of_first = 1
    base = int(network.network.network_address) + _AT
    for number in range(1, hosts):
        for place, value in zip(places, own, strict=True):
            row[place] = value(number_of_first + number, b"\x02\x4c" + number.to_bytes(4, "big"), base + number)
        yield row


def _quoted(column: str) -> str:
    return f'"{column}"'


_Own = Callable[[int, bytes, int], Any]
#: What differs from host to host: by its number in the registry, its card and its address.
_OWN_COLUMNS: dict[str, dict[str, _Own]] = {
    "hosts": {
        "number": lambda number, mac, ip: number,
        "name": lambda number, mac, ip: f"host-{number - 1}",
        "key": lambda number, mac, ip: f"{number:064x}",
        "macs": lambda number, mac, ip: f'["{mac.hex(":")}"]',
        "addresses": lambda number, mac, ip: f'["{_dotted(ip)}"]',
        "said": lambda number, mac, ip: f'["{_dotted(ip)}/8"]',
        "sleep_macs": lambda number, mac, ip: mac,
    },
    "places": {
        "ip": lambda number, mac, ip: ip.to_bytes(4, "big"),
        "mac": lambda number, mac, ip: mac,
        "host": lambda number, mac, ip: number,
    },
    "cards": {"mac": lambda number, mac, ip: mac, "host": lambda number, mac, ip: number},
    "registrations": {"host": lambda number, mac, ip: number},
}


def _dotted(ip: int) -> str:
    return f"{ip >> 24}.{ip >> 16 & 255}.{ip >> 8 & 255}.{ip & 255}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("hosts", type=int)
    parser.add_argument("--asleep", type=int, default=None)
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--network", type=ipaddress.IPv4Interface, default=ipaddress.IPv4Interface("10.0.0.1/8"))
    parser.add_argument("--ipv6", action="store_true")
    chosen = parser.parse_args()
    asleep = chosen.hosts if chosen.asleep is None else chosen.asleep
    fill(chosen.file, chosen.hosts, asleep, chosen.interface, chosen.network, chosen.ipv6)


if __name__ == "__main__":
    main()
