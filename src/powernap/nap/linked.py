# SPDX-License-Identifier: GPL-3.0-or-later
"""What the channel needs of powernapd, and powernapd of the channel: greetings, orders, and who woke the machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from powernap import __version__
from powernap.machine import clocks, nics
from powernap.nap import orders
from powernap.nap.background import beside
from powernap.nap.history import BOOT_ID
from powernap.nap.link.identity import identity
from powernap.nap.link.orderbook import Entry, OrderBook
from powernap.nap.link.session import Order, Refused
from powernap.nap.preparation import cards
from powernap.nap.standing import standing, word
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:
    from powernap.nap.daemon import Daemon

_log = logging.getLogger("powernapd")
FEATURES = ("orders", "canary", "profile", "release")
ORDER_MESSAGE_ID = "d2f1c8a94a5b4a0e9b6c3f7e15d08a42"


class Linked:
    """The Host of a Channel. It outlives the channels, as orders may bring a new one about."""

    def __init__(self, daemon: Daemon, state_dir: Path) -> None:
        self._daemon = daemon
        self._book = OrderBook(state_dir)
        self.knock: dict[str, Any] = {}
        self._knock_file = state_dir / "knock"
        self._at_work: set[asyncio.Task[None]] = set()

    async def greeting(self) -> dict[str, Any]:
        """Return what a hello says of the machine itself."""
        daemon = self._daemon
        for entry in self._book.untold():
            daemon.courier.tell_done(entry.done())
        return {
            **await beside(lambda: _machine(daemon.config.nap.interfaces, daemon.config.server.where)),
            "state": word(daemon.state),
            "profile": daemon.profile,
            "features": list(FEATURES),
        }

    def standing(self) -> dict[str, Any]:
        daemon = self._daemon
        return {**standing(daemon.state, daemon.policy, daemon.readings, clocks.now()), "profile": daemon.profile}

    async def last_words(self, seconds: float) -> None:
        """Before a sleep: let those who ordered it know, for so long at most."""
        if self._at_work:
            await asyncio.wait(self._at_work, timeout=seconds)
        if self._book.untold():
            await self._daemon.courier.settled(seconds)

    def woken_for(self, knock: Mapping[str, Any]) -> None:
        """The wake server says why it woke this machine; it does so for a while with each welcome."""
        daemon = self._daemon
        if self.knock.get("at") == knock.get("at"):
            return
        self.knock = {**knock, "told_at": clocks.now(), "sentence": knock_sentence(knock)}
        if self._is_noted(knock.get("at")):
            return
        _log.info("woken for %s", self.knock["sentence"])
        daemon.history.woken_for(time.time(), clocks.now(), self.knock["sentence"], knock)

    def _is_noted(self, at: object) -> bool:
        """Whether that knock was noted before, perhaps by a powernapd before this one; it is from now on."""
        with contextlib.suppress(OSError):
            if self._knock_file.read_text() == str(at):
                return True
        with contextlib.suppress(OSError):  # then it is noted twice at worst
            self._knock_file.write_text(str(at))
        return False

    def ordered(self, order: Order | Refused) -> None:
        known = self._book.find(order.id)
        if known is not None:
            if known.ok is not None:
                self._tell(known)
            return
        if isinstance(order, Refused):
            _log.warning("an order of the wake server is not carried out: %s", order.why)
            self._daemon.courier.tell_done({"order": order.id, "ok": False, "said": order.why, "result": {}})
            return
        task = asyncio.ensure_future(self._carry_out(order))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    def heard_of(self, order: str) -> None:
        self._book.told(order)

    def renamed(self, name: str) -> None:
        """The wake server knows this machine by another name."""
        try:
            self._daemon.renamed(name)
        except PowernapError as error:
            _log.warning("the wake server calls this machine %s, which cannot be kept: %s", name, error)

    async def _carry_out(self, order: Order) -> None:
        try:
            entry = self._book.begin(order.id, order.verb, order.by)
        except PowernapError as error:
            self._daemon.courier.tell_done({"order": order.id, "ok": False, "said": str(error), "result": {}})
            return
        try:
            ok = True
            said, result = await orders.carry_out(self._daemon, order.verb, order.arguments, order.by)
        except PowernapError as error:
            ok, said, result = False, str(error), {}
        except Exception as error:  # noqa: BLE001  # whatever it was: who ordered hears of it
            _log.error("internal error: %s", error, exc_info=error)
            ok, said, result = False, f"powernapd ran into a defect ({error!r})", {}
        self._book.finish(entry, ok, said[:1000], result)
        self._note(order, ok, said)
        self._tell(entry)

    def _note(self, order: Order, ok: bool, said: str) -> None:
        outcome = "done" if ok else "refused"
        fields = {"MESSAGE_ID": ORDER_MESSAGE_ID, "POWERNAP_ORDER": order.verb, "POWERNAP_BY": order.by}
        _log.log(
            logging.INFO if ok else logging.WARNING,
            "order %s of %s, %s: %s",
            order.verb,
            order.by,
            outcome,
            said,
            extra={"journal": {**fields, "POWERNAP_OUTCOME": outcome}},
        )
        self._daemon.history.order(time.time(), clocks.now(), order.verb, order.by, ok, said)

    def _tell(self, entry: Entry) -> None:
        self._daemon.courier.tell_done(entry.done())


def knock_sentence(knock: Mapping[str, Any]) -> str:
    """Return who or what the machine was woken for, in words; without what differs each time, such as their port."""
    reason, who = str(knock.get("reason") or ""), str(knock.get("asked_by") or "")
    if knock.get("address"):
        what = who.partition(" to port ")[0].partition(" from ")[0] or reason
        port = f" to port {knock['port']}" if knock.get("port") else ""
        return f"{what}{port} from {knock['address']}"
    if reason == "order":
        return f"an order of {who}" if who else "an order"
    return f"{reason}, {who}" if reason and who else reason or who or "a reason that the wake server does not tell"


def _machine(interfaces: tuple[str, ...], url: str) -> dict[str, Any]:
    """Blocks."""
    try:
        found = list(cards(nics.find(interfaces, url)))
    except PowernapError:
        found = []
    return {
        "version": __version__,
        "boot_id": BOOT_ID.read_text(encoding="ascii").strip(),
        "identity": identity(),
        "cards": found,
        "hostname": socket.gethostname(),
    }
