# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a sleep: make sure that the machine can be woken, and that the wake server knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from powernap.config import NapConfig
from powernap.machine import nics, sockdiag, wol
from powernap.nap.background import beside
from powernap.nap.courier import Courier
from powernap.shared.errors import PowernapError
from powernap.shared.ports import format_ports, parse_ports

_log = logging.getLogger("powernapd")
AFTER_OWN_CLOCK_SECONDS = 15.0


class Preparation:
    """Arms the cards and registers. Every refusal is a PowernapError of one sentence."""

    def __init__(
        self,
        config: NapConfig,
        courier: Courier,
        used: Callable[[], bool | None] = lambda: None,
        had: Callable[[Iterable[nics.Interface]], None] = lambda _interfaces: None,
    ) -> None:
        """``used``: whether the machine was of use since it woke (sincewake.py); ``had``: told what it has then."""
        self._config = config
        self._courier = courier
        self._used, self._had = used, had
        self.longest_seconds: float | None = None  #: of the next sleep, where that is shorter than the lease

    async def prepare(self, action: str) -> None:
        """Raises PowernapError: then the machine must stay awake."""
        await self._prepare(action, rehearsal=False)

    async def rehearse(self, action: str) -> None:
        """Do all that ``prepare`` does, but leave the machine registered as awake. Raises PowernapError."""
        await self._prepare(action, rehearsal=True)

    async def _prepare(self, action: str, rehearsal: bool) -> None:
        interfaces = await self.arm()
        if not self._config.server.where:
            return
        try:
            used = self._used()
            content = await beside(lambda: registration(self._config, action, interfaces, used))
            if self.longest_seconds is not None:
                content["lease_seconds"] = min(content["lease_seconds"], lease_beyond(self.longest_seconds))
            await (self._courier.rehearse() if rehearsal else self._courier.register(content))
        except PowernapError as error:
            if self._config.server.required:
                raise
            _log.warning("sleeping without a wake server that knows, as server.required is false: %s", error)

    async def arm(self) -> tuple[nics.Interface, ...]:
        """Arm every card for Wake-on-LAN. Raises PowernapError where that is required and cannot be."""
        interfaces = await beside(self._arm)
        if interfaces:
            self._had(interfaces)
        return interfaces

    def _arm(self) -> tuple[nics.Interface, ...]:
        required = self._config.nap.require_wake_on_lan
        try:
            interfaces = nics.find(self._config.nap.interfaces, self._config.server.where)
        except PowernapError as error:
            if required or self._config.nap.interfaces:
                raise
            _log.warning("%s", error)
            return ()
        for interface in interfaces:
            for card, _mac in interface.cards:
                try:
                    if wol.arm(card):
                        _log.info("armed %s for Wake-on-LAN", card)
                except wol.NotArmed as error:
                    if required:
                        raise
                    _log.warning("not required, but missing: %s", error)
        return interfaces


def lease_beyond(seconds: float) -> float:
    """Return a lease whose end the wake server wakes for after so many seconds, when this machine's own clock did not.

    It wakes a tenth of the lease earlier, at most 600 s (docs/protocol.md).
    """
    later = seconds + AFTER_OWN_CLOCK_SECONDS
    return min(later / 0.9, later + 600.0)


def registration(
    config: NapConfig, action: str, interfaces: Iterable[nics.Interface], used: bool | None
) -> dict[str, Any]:
    """Return what the wake server is told before a sleep (docs/protocol.md). Raises PowernapError."""
    server = config.server
    return {
        "action": action,
        "interfaces": list(cards(interfaces)),
        "tcp_ports": format_ports(server.tcp_ports or _listening()),
        "udp_ports": format_ports(server.udp_ports),
        "lease_seconds": server.lease_seconds,
        "password": None,
        "answer_ping": server.answer_ping,
        "used": used,
    }


def cards(interfaces: Iterable[nics.Interface]) -> Iterable[dict[str, Any]]:
    """Each interface with its addresses, then the cards below it, which have none but hear the magic packet."""
    for interface in interfaces:
        yield {"name": interface.name, "mac": interface.mac, "addresses": list(interface.addresses)}
        for card, mac in interface.cards:
            if mac != interface.mac:
                yield {"name": card, "mac": mac, "addresses": []}


def _listening() -> tuple[tuple[int, int], ...]:
    """Return the TCP ports that somebody outside can connect to."""
    try:
        sockets = sockdiag.listening_tcp()
    except OSError as error:
        raise PowernapError(f"the listening ports cannot be read ({error}): name them in server.tcp_ports") from error
    return parse_ports(sorted({socket.local_port for socket in sockets if not socket.local.is_loopback}))
