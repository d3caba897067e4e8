# SPDX-License-Identifier: GPL-3.0-or-later
"""An inhibitor that the configuration ignores does not stop a real logind, whatever its version."""

from __future__ import annotations

ORDER = """
import asyncio, sys
sys.path.insert(0, "/run/inhibited")
from powernap.machine.logind import Hooks, Logind
nothing = lambda: None
async def main():
    logind = Logind(Hooks(nothing, nothing, nothing, nothing, nothing))
    await logind.start()
    logind.let_go()
    await logind.order("suspend", past_inhibitors=True)
asyncio.run(main())
"""


def test_an_ignored_inhibitor_is_passed_by(lab):
    lab.install_source("web1", "/run/inhibited")
    lab.run("web1", "cat >/run/inhibited/order.py", input=ORDER)
    lab.run("web1", ["ethtool", "-s", "eth0", "wol", "g"])
    lab.run("web1", "systemd-run -q --unit=jelly systemd-inhibit --what=sleep --who=jellyfin --why=streaming sleep 60")
    try:
        lab.run("web1", "until systemd-inhibit --list | grep -q jellyfin; do sleep 0.1; done", timeout=10)
        lab.run("web1", "systemd-run -q --unit=order --collect /usr/bin/python3 /run/inhibited/order.py")
        lab.wait_state("web1", "asleep", 60)
        lab.magic("web1")
        lab.wait_state("web1", "awake", 60)
    finally:
        lab.run("web1", "systemctl stop jelly.service")
