# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts of a machine on which profiles depend: the same for powernap_facts and for `powernap profile`.

The file tree's root and the runner of programs are arguments.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Callable, Sequence

from .devices import Devices
from .virtual import detect

#: Runs a command; returns (status, output, errors), with status 127 where there is no such program.
Run = Callable[[Sequence[str]], "tuple[int, str, str]"]

LISTEN, UNCONNECTED = "0A", "07"  # socket states in /proc/net, see include/net/tcp_states.h
LOOPBACK = re.compile(r"\A(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)\Z")  # 127/8, ::1, ::ffff:127/104


class Machine:
    """Reads one machine; what cannot be read is left out and named in ``unreadable``."""

    def __init__(self, run: Run, root: str = "/") -> None:
        self.run = run
        self.root = root
        self.unreadable: list[str] = []

    def facts(self) -> dict[str, Any]:
        """Return everything that powernap_facts returns."""
        return {
            "virtualization": detect(self.root, self._detect_virt).as_dict(),
            "interfaces": self.interfaces(),
            "sleep_states": (self._text("sys/power/state", "sleep states") or "").split(),
            "cpus": os.cpu_count() or 1,
            "battery": self.battery(),
            **Devices(self.root).facts(),
            "tcp_ports": self._listening(("tcp", "tcp6"), LISTEN),
            "udp_ports": self._listening(("udp", "udp6"), UNCONNECTED),
            "unreadable": self.unreadable,
        }

    def _detect_virt(self, command: Sequence[str], **_how: Any) -> _Done:
        """Run systemd-detect-virt as subprocess.run would."""
        status, output, errors = self.run(command)
        if status == 127:
            raise FileNotFoundError(errors)
        return _Done(output)

    def interfaces(self) -> list[dict[str, Any]]:
        """Return the Ethernet interfaces as `ip` lists them."""
        status, output, errors = self.run(["ip", "-json", "-details", "address", "show"])
        if status != 0:
            self.unreadable.append(f"interfaces: {errors.strip() or 'ip failed'}")
            return []
        try:
            links = json.loads(output or "[]")
        except ValueError:
            self.unreadable.append("interfaces: ip gave no JSON: it is older than iproute2 4.14")
            return []
        return [self._interface(link) for link in links if link.get("link_type") == "ether"]

    def _interface(self, link: dict[str, Any]) -> dict[str, Any]:
        name = link["ifname"]
        kind = link.get("linkinfo", {}).get("info_kind", "ethernet")
        # Temporary addresses (RFC 8981) are others tomorrow, and nobody is told them
        addresses = [
            info for info in link.get("addr_info", []) if info.get("scope") != "link" and not info.get("temporary")
        ]
        return {
            "name": name,
            "kind": kind,
            "up": "UP" in link.get("flags", []),
            "mac": link.get("address", ""),
            "addresses": [f"{info['local']}/{info['prefixlen']}" for info in addresses if "local" in info],
            "wake_on_lan": self._wake_on_lan(name),
        }

    def _wake_on_lan(self, name: str) -> dict[str, bool | None]:
        status, output, errors = self.run(["ethtool", name])
        if status == 127:
            self.unreadable.append(f"Wake-on-LAN of {name}: {errors}")
        supported = re.search(r"^\s*Supports Wake-on: *(\S+)", output, re.MULTILINE)
        armed = re.search(r"^\s*Wake-on: *(\S+)", output, re.MULTILINE)
        return {
            "supported": "g" in supported.group(1) if supported else None,
            "armed": "g" in armed.group(1) if armed else None,
        }

    def battery(self) -> bool:
        """Tell whether a battery feeds the machine: one of a mouse or a UPS has the scope "Device" or another type."""
        folder = os.path.join(self.root, "sys/class/power_supply")
        try:
            supplies = os.listdir(folder)
        except OSError:
            return False
        return any(
            (self._text(f"sys/class/power_supply/{name}/type") or "").strip() == "Battery"
            and (self._text(f"sys/class/power_supply/{name}/scope") or "").strip() != "Device"
            for name in supplies
        )

    def _listening(self, tables: Sequence[str], state: str) -> list[int]:
        """Return the ports of sockets in that state that are not bound to a loopback address."""
        ports = set()
        for table in tables:
            text = self._text(f"proc/net/{table}", f"{table} ports" if not table.endswith("6") else None)
            for line in (text or "").splitlines()[1:]:
                fields = line.split()
                address, port = fields[1].split(":")
                if fields[3] == state and not LOOPBACK.match(address):
                    ports.add(int(port, 16))
        return sorted(ports)

    def _text(self, path: str, what: str | None = None) -> str | None:
        """Return a file's text, or None where it cannot be read; ``what`` then goes on the list of what is missing."""
        try:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError as error:
            if what:
                self.unreadable.append(f"{what}: /{path}: {error.strerror}")
            return None


class _Done:
    """What subprocess.run returns, as far as it is looked at."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout
