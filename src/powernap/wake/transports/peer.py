# SPDX-License-Identifier: GPL-3.0-or-later
"""One host that is spoken to by a broker."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

#: What may wait of one host; a host's own rate is seen to by the hub.
MOST_WAITING = 64


class BrokerPeer:
    """A Peer of the hub. ``farewell``: the number of the host's last will, as its hello said; 0 before that.

    ``publish(text)`` sends to the host; ``ended(peer, why)`` is called where the hub closes it.
    """

    lasts = True

    def __init__(
        self,
        name: str,
        transport: str,
        address: str,
        publish: Callable[[str], None],
        ended: Callable[[BrokerPeer, str], None],
    ) -> None:
        self.name, self.transport, self.address = name, transport, address
        self.inbox: deque[bytes] = deque()
        self.busy = False
        self.farewell = 0
        self.heard_at = time.monotonic()
        self._publish, self._ended = publish, ended

    def send(self, text: str) -> None:
        self._publish(text)

    def close(self, why: str) -> None:
        self._ended(self, why)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
