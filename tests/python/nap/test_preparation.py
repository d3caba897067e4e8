# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine says before it sleeps is what the wake server understands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from powernap.machine.nics import Interface
from powernap.nap.preparation import lease_beyond, registration
from powernap.nap.setup import load
from powernap.wake.registration import ACTIONS, lease, parse

CARD = Interface("bond0", "02:4c:00:00:00:03", ("198.18.0.3/16", "fe80::3/64"), (("eth0", "02:4c:00:00:00:13"),))


@pytest.mark.parametrize("used", [True, False, None])
@pytest.mark.parametrize("action", ACTIONS)
def test_the_wake_server_understands_what_it_is_told(tmp_path: Path, action: str, used: bool | None) -> None:
    path = tmp_path / "powernapd.toml"
    path.write_text("[server]\ntcp_ports = [22]\nanswer_ping = true\nlease_seconds = 3600\n")
    read = parse(json.dumps(registration(load(path), action, (CARD,), used)))
    assert (read.action, read.tcp, read.udp, read.lease_seconds) == (action, ((22, 22),), (), 3600.0)
    assert (read.pings, read.used) == (True, used)
    assert [(card.mac.hex(), card.addresses) for card in read.cards] == [
        ("024c00000003", ("198.18.0.3/16", "fe80::3/64")),
        ("024c00000013", ()),
    ]


@pytest.mark.parametrize("seconds", [60.0, 3600.0, 86400.0])
def test_the_wake_server_wakes_a_canary_after_its_own_clock_not_before(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "powernapd.toml"
    path.write_text("[server]\ntcp_ports = [22]\n")
    said = registration(load(path), "suspend", (CARD,), None) | {"lease_seconds": lease_beyond(seconds)}
    wake_by, ends = lease(parse(json.dumps(said)), 1000.0)
    assert seconds + 14 < wake_by - 1000.0 < seconds + 16 < ends
