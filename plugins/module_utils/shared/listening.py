# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sockets listen, and whose they are: from /proc/net and /proc/PID/fd, as `ss -lntup` has it."""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import dataclass
from typing import Any, Iterable, Iterator

#: Protocol: its tables below /proc/net, and the state of a socket that waits (include/net/tcp_states.h).
TABLES = {"tcp": (("tcp", "tcp6"), "0A"), "udp": (("udp", "udp6"), "07")}
LOOPBACK = re.compile(r"\A(?:127\.|::1\Z|::ffff:127\.)")
_UNIT = re.compile(r"/([^/\n]+\.(?:service|scope|socket))(?=/|$)", re.MULTILINE)


@dataclass(frozen=True)
class Listener:
    """A socket that waits for others; ``inode`` is "0" where the kernel tells none."""

    protocol: str
    address: str
    port: int
    inode: str

    @property
    def reachable(self) -> bool:
        """Tell whether somebody else can reach it."""
        return not LOOPBACK.match(self.address)


class Listening:
    """Reads below ``root``; ``problems``: what could not be read, one sentence each."""

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self.problems: list[str] = []
        self._hidden = ""

    def facts(self) -> dict[str, Any]:
        """Return tcp_ports and udp_ports that others can reach, and listeners."""
        found = [listener for protocol in TABLES for listener in self._listeners(protocol)]
        return {
            "tcp_ports": _ports(found, "tcp"),
            "udp_ports": _ports(found, "udp"),
            "listeners": self._with_owners(found),
        }

    def _listeners(self, protocol: str) -> Iterator[Listener]:
        tables, state = TABLES[protocol]
        for table in tables:
            path = f"proc/net/{table}"
            try:
                text = self._text(path)
            except OSError as error:
                if not table.endswith("6"):  # without IPv6 there is none
                    self.problems.append(f"{table} ports: /{path}: {error.strerror}")
                continue
            for line in text.splitlines()[1:]:
                fields = line.split()
                address, port = fields[1].split(":")
                if fields[3] == state:
                    inode = fields[9] if len(fields) > 9 else "0"
                    yield Listener(protocol, address_of(address), int(port, 16), inode)

    def _with_owners(self, found: list[Listener]) -> list[dict[str, Any]]:
        owners = self._owners({listener.inode for listener in found} - {"0"})
        if self._hidden and any(listener.inode not in owners for listener in found):
            self.problems.append(f"processes of some listeners: {self._hidden}")
        listeners = []
        for protocol, port in sorted({(listener.protocol, listener.port) for listener in found}):
            same = [each for each in found if (each.protocol, each.port) == (protocol, port)]
            pids = {pid for each in same for pid in owners.get(each.inode, ())}
            listeners.append(
                {
                    "protocol": protocol,
                    "port": port,
                    "addresses": sorted({each.address for each in same}),
                    "reachable": any(each.reachable for each in same),
                    "processes": sorted(filter(None, {self._name(pid) for pid in pids})),
                    "units": sorted(filter(None, {self._unit(pid) for pid in pids})),
                }
            )
        return listeners

    def _owners(self, inodes: set[str]) -> dict[str, set[str]]:
        """Return the pids that hold each socket."""
        owners: dict[str, set[str]] = {}
        wanted = {f"socket:[{inode}]": inode for inode in inodes}
        for pid in self._names("proc") if wanted else ():
            folder = f"proc/{pid}/fd"
            if not pid.isdigit():
                continue
            for number in self._names(folder):
                try:
                    target = os.readlink(os.path.join(self.root, folder, number))
                except OSError:
                    continue
                if target in wanted:
                    owners.setdefault(wanted[target], set()).add(pid)
        return owners

    def _name(self, pid: str) -> str:
        return self._said(f"proc/{pid}/comm").strip()

    def _unit(self, pid: str) -> str:
        """Return systemd's unit, which is the last in the path of the control group."""
        units = _UNIT.findall(self._said(f"proc/{pid}/cgroup"))
        return units[-1] if units else ""

    def _names(self, path: str) -> list[str]:
        try:
            return os.listdir(os.path.join(self.root, path))
        except PermissionError as error:
            self._hidden = f"/proc/PID/fd: {error.strerror}"
        except OSError:
            pass  # it has ended
        return []

    def _said(self, path: str) -> str:
        try:
            return self._text(path)
        except OSError:
            return ""

    def _text(self, path: str) -> str:
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as stream:
            return stream.read()


def _ports(found: Iterable[Listener], protocol: str) -> list[int]:
    return sorted({each.port for each in found if each.protocol == protocol and each.reachable})


def address_of(text: str) -> str:
    """Return an address of /proc/net, whose words of 32 bits have the byte order of the machine."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
