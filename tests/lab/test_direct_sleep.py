# SPDX-License-Identifier: GPL-3.0-or-later
"""machine/sleepdirect.py on a host of the lab: the kernel's own file, and no logind in between."""

from __future__ import annotations

import time

SLEEP = (
    "import sys, time; sys.path.insert(0, '/run/direct'); from powernap.machine import sleepdirect; "
    "begun = time.monotonic(); sleepdirect.sleep('suspend'); print('slept', time.monotonic() - begun > 1)"
)


def test_a_direct_suspend_returns_when_a_magic_packet_woke_the_machine(lab):
    lab.install_source("web1", "/run/direct")
    lab.run("web1", ["ethtool", "-s", "eth0", "wol", "g"])
    before = lab.run("web1", "journalctl -q -o cat -u systemd-suspend.service").stdout
    lab.run("web1", ["systemd-run", "-q", "--unit=direct", "--collect", "/usr/bin/python3", "-c", SLEEP])
    lab.wait_state("web1", "asleep", 60)
    time.sleep(1.2)
    lab.magic("web1")
    lab.wait_state("web1", "awake", 60)
    for _ in range(50):
        said = lab.run("web1", "journalctl -q -o cat -u direct.service").stdout
        if "slept" in said:
            break
        time.sleep(0.1)
    assert "slept True" in said
    assert lab.run("web1", "journalctl -q -o cat -u systemd-suspend.service").stdout == before
