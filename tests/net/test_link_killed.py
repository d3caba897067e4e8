# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd or powerwaked killed at any byte of what they say to each other, or the connection cut there.

Who sleeps is stood in for and is woken, who was not acknowledged is awake, an order is carried out once at most, and
both find each other again. POWERNAP_LINK_SEED and POWERNAP_LINK_KILLS try other bytes, and more of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.net.crasher import Host, Proxy, stood_in_for
from tests.net.lan import Lan, Node, wait_for
from tests.net.linked import order, outcomes

from powernap.nap import control
from powernap.shared.errors import PowernapError

SEED = int(os.environ.get("POWERNAP_LINK_SEED", "1"))
KILLS = int(os.environ.get("POWERNAP_LINK_KILLS", "3"))
AGAIN_SECONDS = 30.0


@pytest.fixture
def host(lan: Lan, tmp_path: Path) -> Iterator[Host]:
    made = Host(lan, tmp_path / "web1")
    made.node.serve(80)
    yield made
    made.end()


@pytest.fixture
def proxy(lan: Lan) -> Iterator[Proxy]:
    made = Proxy(lan)
    yield made
    made.close()


def goes_through(lan: Lan, host: Host, desk: Node, cut: Proxy | None = None) -> None:
    """Link, an order, a nap by order, demand, resume; as far as the cut lets it come."""
    with contextlib.suppress(Exception):  # whoever asked a server that is killed hears of it
        if host.process is None:
            host.start()
        wait_for(lambda: host.is_linked() or (cut is not None and not cut.armed), AGAIN_SECONDS, 0.02)
        order(lan, "recover", 10, hosts=["web1"])
        # just after a start who is awake is not known yet, and nobody is let go whom others may need
        wait_for(lambda: outcomes(order(lan, "nap", 10, hosts=["web1"])) == {"web1": "done"}, 60, 0.3)
    if cut is None or cut.armed:
        try:
            wait_for(lambda: lan.state("web1") == "proxied" or (cut is not None and not cut.armed), 60, 0.05)
            desk.connect(host.node.ipv4, 80, 20)[0].close()
        except Exception:
            if cut is None or cut.armed:  # else it was cut while it was looked at
                raise


def orders(host: Host) -> list[dict[str, Any]]:
    """What powernapd noted of those that it carried out."""
    file = host.state / "orders.json"
    return list(json.loads(file.read_text())["orders"]) if file.exists() else []


def kill(lan: Lan, host: Host, victim: str) -> None:
    if victim == "powerwaked":
        lan.server.stop(signal.SIGKILL)
    elif victim == "powernapd":
        host.stop(kill=True)


def is_back(lan: Lan, host: Host, desk: Node) -> bool:
    """Awake, linked and known to be; who sleeps, perhaps only now, is woken by demand."""
    if host.asleep:
        wait_for(lambda: host.node.asleep or not host.asleep, 20)
    if host.node.asleep:
        stood_in_for(lan)
        desk.connect(host.node.ipv4, 80, 25)[0].close()
    with contextlib.suppress(control.ControlError):  # it stands still where it sleeps
        server = control.ask(str(host.socket), {"command": "status"}, 3)["server"]
        linked = bool(server.get("link") and server["acknowledged"])
        return linked and not host.asleep and lan.state("web1") == "awake"
    return False


def has_recovered(lan: Lan, host: Host, desk: Node, story: str) -> None:
    """Whatever was killed runs again: the promises are kept."""
    try:
        # an order that was under way comes again over the new link, while it is valid: then it naps before this one
        recover = {"hosts": ["web1"]}
        wait_for(
            lambda: is_back(lan, host, desk) and outcomes(order(lan, "recover", 20, **recover)) == {"web1": "done"},
            120,
            0.1,
        )
        assert desk.owners(host.node.ipv4, 0.1) == {host.node.mac}
    except (AssertionError, OSError, PowernapError) as error:
        logs = f"{host.log.read_text()[-4000:]}\n{lan.server.log.read_text()[-2000:]}"
        happened = f"{host.logind.calls} {host.logind.history}"
        raise AssertionError(f"{story}: {error!r}\n{happened}\n{logs}") from error


def test_whoever_is_killed_at_whatever_byte_nothing_is_lost(lan: Lan, host: Host, proxy: Proxy) -> None:
    dice, desk = random.Random(SEED), lan.client("desk", 9)
    proxy.cut("to-server", 1 << 40, lambda: None)
    goes_through(lan, host, desk)
    has_recovered(lan, host, desk, "no cut")
    whole = dict(proxy.count)
    assert host.naps == 1 and min(whole.values()) > 3000, (host.naps, whole)
    for number in range(KILLS):
        direction = dice.choice(("to-server", "to-client"))
        # evenly over the whole of it, so that each step has its turn
        after = int((number // 3 + dice.random()) * whole[direction] / max(1, (KILLS + 2) // 3)) + 1
        victim = ("powerwaked", "powernapd", "the connection")[number % 3]
        story = f"{victim}, {after} of {whole[direction]} bytes {direction}, kill {number} of seed {SEED}"
        host.stop(kill=True)
        naps, calls = host.naps, len(host.logind.calls)
        known = orders(host)
        proxy.cut(direction, after, lambda victim=victim: kill(lan, host, victim))  # type: ignore[misc]  # mypy's limit
        goes_through(lan, host, desk, proxy)
        proxy.uncut()
        if lan.server.process is None:
            lan.server.start()
        if host.process is None:
            host.start()
        has_recovered(lan, host, desk, story)
        new = [entry for entry in orders(host) if entry not in known and entry["verb"] == "nap"]
        assert host.naps - naps <= len(host.logind.calls) - calls <= len(new), f"{story}: more naps than orders: {new}"
