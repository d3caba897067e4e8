# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the collection against hosts of the lab, as an operator runs them."""

from __future__ import annotations

import json

from ansible_collections.powernap.lab.plugins.module_utils.demo.playbook import Ansible

#: No machine of the lab has a clock that wakes it, and without one a canary is refused. This one never rings.
FAKE_CLOCK = """
mkdir -p /run/class/rtc/rtc0
cd /sys/class
for each in *; do mkdir -p /run/class/$each; mount --bind $each /run/class/$each; done
: >/run/class/rtc/rtc0/wakealarm; date +%s >/run/class/rtc/rtc0/since_epoch
mount --rbind /run/class /sys/class
mkdir -p /run/systemd/system/powernap-hands.service.d
printf '[Service]\\nReadWritePaths=/sys/class/rtc\\n' >/run/systemd/system/powernap-hands.service.d/clock.conf
systemctl daemon-reload
"""


class Player(Ansible):
    """`settings`: variables of the inventory by host or group, as in YAML files beside it."""

    def __init__(self, lab, scratch, settings):
        inventory = scratch / "inventory"
        inventory.mkdir()
        hosts = json.loads((lab.folder / "inventory.yml").read_text().removeprefix("---\n"))
        (inventory / "hosts.yml").write_text(json.dumps(hosts))
        for group, variables in settings.items():
            kind = "group_vars" if group in ("all", *hosts["all"]["children"]) else "host_vars"
            (inventory / kind).mkdir(exist_ok=True)
            (inventory / kind / f"{group}.yml").write_text(json.dumps(variables))
        super().__init__(scratch, [inventory])

    def play(self, playbook, *arguments, **more):
        """Run a playbook of the collection."""
        return super().play(f"powernap.powernap.{playbook}", *arguments, **more)
