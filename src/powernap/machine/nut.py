# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a UPS over the network: the protocol of NUT's upsd (RFC 9271). It has no events: it is asked at the looks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from powernap.shared.errors import PowernapError

PORT = 3493
ADDRESS = re.compile(r"\A([A-Za-z0-9_.-]+)@(?:\[([^\]]+)\]|([^:@\s]+))(?::(\d+))?\Z")
VALUE = re.compile(r'\AVAR \S+ \S+ "((?:[^"\\]|\\.)*)"\s*\Z')
#: upsd's words for what nobody can know now; what the UPS does not tell at all is VAR-NOT-SUPPORTED.
REMEDIES = {
    "UNKNOWN-UPS": "upsd has no UPS of that name: see 'upsc -l HOST'",
    "DRIVER-NOT-CONNECTED": "upsd has lost the UPS's driver: see 'upsdrvctl start'",
    "DATA-STALE": "upsd has not heard from the UPS for a while: see its cable and driver",
    "ACCESS-DENIED": "upsd refuses this machine: see its upsd.conf",
}


class UpsError(PowernapError):
    """A UPS that nobody could ask, or that is lost."""


@dataclass(frozen=True)
class Ups:
    """``status``: such as {"OL", "CHRG"} (on line) or {"OB", "LB"} (on battery, low); ``charge`` in percent."""

    status: frozenset[str]
    charge: float | None
    runtime_seconds: float | None

    @property
    def on_battery(self) -> bool | None:
        """None where the UPS says neither: it is being tested, or off, or its driver waits for it."""
        return True if "OB" in self.status else False if "OL" in self.status else None

    @property
    def low(self) -> bool:
        """True where it says that it will end soon, or its master shuts everything down (FSD)."""
        return bool(self.status & {"LB", "FSD"})


def address(text: str) -> tuple[str, str, int]:
    """Return (UPS, host, port) of such as "rack1@nut.example.com" or "ups@[fd4c::1]:3493". Raises UpsError."""
    found = ADDRESS.match(text)
    if found is None or not 0 < int(found[4] or PORT) < 65536:
        raise UpsError(f'{text!r} is no UPS: write UPS@HOST, such as "rack1@nut.example.com"')
    return found[1], found[2] or found[3], int(found[4] or PORT)


async def ask(text: str, seconds: float = 5.0) -> Ups:
    """Return what the UPS says. Raises UpsError."""
    name, host, port = address(text)
    try:
        return await asyncio.wait_for(_ask(name, host, port), seconds)
    except asyncio.TimeoutError as error:
        raise UpsError(f"UPS {text}: upsd did not answer within {seconds:g} s") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UpsError(f"UPS {text}: upsd cannot be asked: {reason}") from error


async def _ask(name: str, host: str, port: int) -> Ups:
    wanted = ("ups.status", "battery.charge", "battery.runtime")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write("".join(f"GET VAR {name} {variable}\n" for variable in wanted).encode())
        answers = {variable: _value(await reader.readline(), name, variable) for variable in wanted}
        writer.write(b"LOGOUT\n")
    finally:
        writer.close()
    status = answers["ups.status"]
    if status is None:
        raise UpsError(f"UPS {name} does not tell its status")
    return Ups(frozenset(status.split()), _number(answers, "battery.charge"), _number(answers, "battery.runtime"))


def _value(line: bytes, name: str, variable: str) -> str | None:
    """Return the value, None where the UPS has no such variable."""
    text = line.decode(errors="replace").strip()
    found = VALUE.match(text)
    if found is not None:
        return re.sub(r"\\(.)", r"\1", found[1])
    word = text.removeprefix("ERR ")
    if word == "VAR-NOT-SUPPORTED":
        return None
    raise UpsError(f"UPS {name}: {REMEDIES.get(word) or f'upsd answers {text[:80]!r} when asked for {variable}'}")


def _number(answers: Mapping[str, str | None], variable: str) -> float | None:
    try:
        return float(answers[variable] or "")
    except ValueError:
        return None
