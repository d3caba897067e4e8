# SPDX-License-Identifier: GPL-3.0-or-later
"""However long a host takes to resume, a real connect() to it succeeds, and at once when the host is ready.

Linux repeats a SYN after 1, 2, 3, 4, 5, 7, 11, 19 and 35 s: without the replay a client waits for up to 16 s more.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from tests.net.lan import Lan, Node, Sleeper, wait_for

pytestmark = pytest.mark.alone

DELAYS = (0.5, 2.5, 5.5, 8.0, 13.0, 30.0)
WAYS = ("on-link", "routed")
FAMILIES = ("ipv4", "ipv6")
AT_ONCE = 1.0


class Case(NamedTuple):
    delay: float
    way: str
    family: str


class Outcome(NamedTuple):
    """`late`: seconds from ready to connected. `neighbour`: the MAC that the last hop's kernel then has."""

    late: float
    neighbour: str
    mac: str
    replayed: bool


CASES = [Case(delay, way, family) for delay in DELAYS for way in WAYS for family in FAMILIES]


@pytest.fixture(scope="module")
def outcomes(module_lan: Lan) -> dict[Case, Outcome]:
    """All at once, each with a sleeper of its own: together they take no longer than the slowest."""
    lan = module_lan
    lan.server.start()
    clients = {"routed": lan.routed_client(), "on-link": lan.client()}
    sleepers = [lan.sleeper(f"host{number}", 20 + number) for number in range(len(CASES))]

    def play(case: Case, sleeper: Sleeper) -> Outcome:
        client = clients[case.way]
        address = getattr(sleeper, case.family)
        sleeper.serve(80)
        sleeper.nap()
        sleeper.resume_delay = case.delay
        connection, connected = client.connect(address, 80, 50)
        with connection:
            assert connection.recv(10) == b"up\n"
        hop: Node = lan.router if case.way == "routed" else client
        wait_for(lambda: hop.neighbour(address) == sleeper.mac)
        late = connected - sleeper.ready_at
        print(f"{case.delay:4} s {case.way:7} {case.family}: {late * 1000:6.1f} ms after it was ready")
        return Outcome(late, hop.neighbour(address), sleeper.mac, bool(lan.events(sleeper.name, "replayed")))

    with ThreadPoolExecutor(len(CASES)) as pool:
        started = {case: pool.submit(play, case, sleeper) for case, sleeper in zip(CASES, sleepers, strict=True)}
    return {case: future.result() for case, future in started.items() if future.exception() is None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.delay:g}s-{case.way}-{case.family}")
def test_a_connection_opens_as_soon_as_the_host_is_ready(outcomes: dict[Case, Outcome], case: Case) -> None:
    outcome = outcomes[case]
    assert 0 <= outcome.late < AT_ONCE
    assert outcome.replayed
    assert outcome.neighbour == outcome.mac
