# SPDX-License-Identifier: GPL-3.0-or-later
"""Pings are answered for a sleeper that wants it so, and wake nobody."""

from __future__ import annotations

import pytest
from tests.net.lan import Lan, on_each_path, wait_for
from tests.net.node import Node


def answered(desk: Node, address: str, seconds: int = 5) -> bool:
    """One ping of those sent each second is answered within so many."""
    return desk.run("ping", "-c1", f"-w{seconds}", "-n", address, check=False).returncode == 0


@on_each_path
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_pings_are_answered_where_the_host_wants_it_and_wake_nobody(lan: Lan, family: str) -> None:
    desk, web1, web2 = lan.client(), lan.sleeper(), lan.sleeper("web2", 4)
    web1.nap(answer_ping=True)
    web2.nap()
    assert answered(desk, getattr(web1, family))
    assert not answered(desk, getattr(web2, family), 2)
    wait_for(lambda: desk.neighbour(getattr(web1, family)) == lan.server.mac)
    assert (lan.state("web1"), lan.state("web2")) == ("proxied", "proxied")
    assert not web1.magic_at and not web2.magic_at
    web1.wake()
    lan.wait_for_state("web1", "awake")
    assert answered(desk, getattr(web1, family))
