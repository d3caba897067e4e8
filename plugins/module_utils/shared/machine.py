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

from . import timing
from .devices import Devices
from .listening import Listening
from .timing import Clocks
from .virtual import detect, evidence

#: Runs a command; returns (status, output, errors), with status 127 where there is no such program.
Run = Callable[[Sequence[str]], "tuple[int, str, str]"]

#: Whose facts can be asked for apart.
SUBSETS = ("hardware", "interfaces", "ports", "programs", "sleep", "timers", "virtualization")


class Machine:
    """Reads one machine; what cannot be read is left out and named in ``unreadable``. ``clocks``: None for now."""

    def __init__(self, run: Run, root: str = "/", clocks: Clocks | None = None) -> None:
        self.run = run
        self.root = root
        self.clocks = clocks
        self.unreadable: list[str] = []
        self._answers: dict[tuple[str, ...], tuple[int, str, str]] = {}

    def facts(self, subsets: Sequence[str] = SUBSETS) -> dict[str, Any]:
        """Return what powernap_facts returns of these subsets, and what of them could not be read."""
        facts: dict[str, Any] = {}
        for subset in SUBSETS:
            if subset in subsets:
                facts.update(getattr(self, subset)())
        return {**facts, "unreadable": self.unreadable}

    def hardware(self) -> dict[str, Any]:
        return {"cpus": os.cpu_count() or 1, **Devices(self.root).hardware()}

    def programs(self) -> dict[str, Any]:
        return Devices(self.root).programs()

    def interfaces(self) -> dict[str, Any]:
        return {"interfaces": self._interfaces()}

    def ports(self) -> dict[str, Any]:
        listening = Listening(self.root)
        facts = listening.facts()
        self.unreadable += listening.problems
        return facts

    def sleep(self) -> dict[str, Any]:
        """Return sleep_states, mem_sleep and hibernation (Documentation/admin-guide/pm/sleep-states.rst)."""
        states = (self._text("sys/power/state", "sleep states") or "").split()
        return {
            "sleep_states": states,
            "mem_sleep": chosen(self._text("sys/power/mem_sleep") or ""),
            "hibernation": chosen(self._text("sys/power/disk") or "" if "disk" in states else ""),
        }

    def timers(self) -> dict[str, Any]:
        found, problems = timing.read(self.run, self.root, self.clocks or timing.Clocks.now())
        self.unreadable += problems
        return {"timers": found}

    def virtualization(self) -> dict[str, Any]:
        found = detect(self.root, self._detect_virt).as_dict()
        return {"virtualization": {**found, "evidence": evidence(self.root, self._detect_virt)}}

    def _detect_virt(self, command: Sequence[str], **_how: Any) -> _Done:
        """Run systemd-detect-virt as subprocess.run would, each question once."""
        if tuple(command) not in self._answers:
            self._answers[tuple(command)] = self.run(command)
        status, output, errors = self._answers[tuple(command)]
        if status == 127:
            raise FileNotFoundError(errors)
        return _Done(output)

    def _interfaces(self) -> list[dict[str, Any]]:
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
            "driver": self._driver(name),
            "up": "UP" in link.get("flags", []),
            "link": "LOWER_UP" in link.get("flags", []),
            "mac": link.get("address", ""),
            "permanent_mac": link.get("permaddr") or link.get("address", ""),
            "addresses": [f"{info['local']}/{info['prefixlen']}" for info in addresses if "local" in info],
            "wake_on_lan": self._wake_on_lan(name),
        }

    def _wake_on_lan(self, name: str) -> dict[str, bool | None]:
        status, output, errors = self.run(["ethtool", name])
        if status == 127:
            self.unreadable.append(f"Wake-on-LAN of {name}: {errors}")
        supported = re.search(r"^\s*Supports Wake-on: *(\S+)", output, re.MULTILINE)
        armed = re.search(r"^\s*Wake-on: *(\S+)", output, re.MULTILINE)
        device = (self._text(f"sys/class/net/{name}/device/power/wakeup") or "").strip()
        return {
            "supported": "g" in supported.group(1) if supported else None,
            "armed": "g" in armed.group(1) if armed else None,
            "device": device == "enabled" if device else None,
        }

    def _driver(self, name: str) -> str | None:
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, f"sys/class/net/{name}/device/driver")))
        except OSError:
            return None

    def _text(self, path: str, what: str | None = None) -> str | None:
        """Return a file's text, or None where it cannot be read; ``what`` then goes on the list of what is missing."""
        try:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError as error:
            if what:
                self.unreadable.append(f"{what}: /{path}: {error.strerror}")
            return None


def chosen(text: str) -> dict[str, Any]:
    """Return {"modes", "chosen"} of a text such as "s2idle [deep]"."""
    words = text.split()
    marked = [word.strip("[]") for word in words if word.startswith("[")]
    return {"modes": [word.strip("[]") for word in words], "chosen": marked[0] if marked else None}


class _Done:
    """What subprocess.run returns, as far as it is looked at."""

    def __init__(self, stdout: str) -> None:
        self.stdout = stdout
