# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a network interface moves more than its noise."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from powernap.nap.monitors.rate import RateMonitor, rate_options
from powernap.shared.schema import Option

#: Loopback, and one end of what containers and guests use: their traffic to the outside is on the card, too.
EXCLUDED = ("lo", "veth*", "docker*", "br-*", "virbr*", "vnet*", "tap*", "ifb*", "dummy*")
#: Columns of /proc/net/dev that hold the bytes (net/core/net-procfs.c).
COLUMNS = {"rx": (0,), "tx": (8,), "both": (0, 8)}


class NetworkMonitor(RateMonitor):
    """The byte counters of the interfaces, each compared with a threshold of its own above its own noise.

    They are the ones of /sys/class/net/*/statistics, read for all at once and always of this process's network
    namespace. An interface that comes counts from its first byte, one that goes is no failure.
    """

    kind = "network"
    summary = "a network interface moves more bytes per second than a threshold above its noise"
    source = "/proc/net/dev"
    options = (
        Option("interfaces", "strs", ("*",), "interfaces; * and [0-9] stand for many", example=["eth*", "wlan0"]),
        Option("exclude", "strs", EXCLUDED, "interfaces that do not count although they match", example=["lo", "wg*"]),
        Option("direction", "str", "both", "received, sent, or both together", choices=("both", "rx", "tx")),
        *rate_options(5000, "bytes/s", 20000),
    )

    def __init__(self, name: str, values: Mapping[str, Any], root: Path = Path("/")) -> None:
        super().__init__(name, values)
        self._path = root / "proc/net/dev"
        self._columns = COLUMNS[self.values["direction"]]

    def counters(self) -> Mapping[str, float]:
        found = {}
        for line in self._path.read_text().splitlines()[2:]:
            name, _colon, numbers = line.partition(":")
            if self._wanted(name := name.strip()):
                fields = numbers.split()
                try:
                    found[name] = float(sum(int(fields[column]) for column in self._columns))
                except (ValueError, IndexError):
                    raise OSError(f"{self._path} has a line that is no interface's: {line.strip()[:80]!r}") from None
        return found

    def none(self) -> str:
        return f"no interface is one of {', '.join(self.values['interfaces'])}"

    def _wanted(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.values["interfaces"]) and not any(
            fnmatchcase(name, pattern) for pattern in self.values["exclude"]
        )
