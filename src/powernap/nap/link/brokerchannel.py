# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel where a site has a broker: by that, and where it fails as without one, if server.url is set."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from powernap.config.sections import ServerSettings
from powernap.machine import clocks
from powernap.nap.link import keyfile
from powernap.nap.link.brokered import open_brokered
from powernap.nap.link.channel import LEASE_SHARE, RETURN_SECONDS, WEBSOCKET, Channel
from powernap.nap.link.health import Health
from powernap.nap.link.host import Host
from powernap.shared.errors import PowernapError

_log = logging.getLogger("powernapd")
#: The protocol without a last will.
NO_WILL = "stomp"


class BrokerChannel(Channel):
    """After the broker has failed it is tried again with the first new link after RETURN_SECONDS."""

    def __init__(self, server: ServerSettings, name: str, state_dir: Path, host: Host) -> None:
        # Without an address of the wake server there is nobody to whom a registration could be posted.
        super().__init__(replace(server, link="auto" if server.url else WEBSOCKET), name, state_dir, host)
        self.health = Health(server.where)
        self._by = server.link
        self._failed_at: float | None = None
        self._lease_timer: asyncio.TimerHandle | None = None

    async def _link(self) -> None:
        lately = self._failed_at is not None and clocks.now() - self._failed_at < RETURN_SECONDS
        if not self._server.url or not lately:
            try:
                await self._by_broker()
            except PowernapError as error:
                if not self._server.url or self.health.by:
                    raise
                self._failed_at = clocks.now()
                self.health.failed(str(error))
                _log.debug("speaking to the wake server at %s itself meanwhile", self._server.url)
        await super()._link()

    async def _by_broker(self) -> None:
        """Raises PowernapError when the link ends, or there is none."""
        self._session.key = keyfile.read(self._server.key_file)
        number = self._numbers()
        link = await open_brokered(self._server, self._name, self._session.key, number)
        await self._by_socket(self._by, link, farewell=number)

    def _begun(self, by: str, error: str) -> None:
        super()._begun(by, error)
        if by == NO_WILL:
            self._keep_lease()

    def _unlinked(self) -> None:
        if self._lease_timer is not None:
            self._lease_timer.cancel()
            self._lease_timer = None
        super()._unlinked()

    def _keep_lease(self) -> None:
        """Nobody tells the wake server when this host is gone: it lets go of who says nothing for a lease."""
        self._lease_timer = asyncio.get_running_loop().call_later(LEASE_SHARE * self._lease, self._renew_lease)

    def _renew_lease(self) -> None:
        self._say_state()
        self._keep_lease()
