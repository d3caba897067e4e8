# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into a running lab: run a command on a host, or stand beside its switch."""

from __future__ import annotations

import json
import os
import pathlib

from . import cgroup, guest, keeper, kernel, network
from .errors import LabError


class Entrance:
    """For subprocess: wrap the command, run enter() in the child, give it environment."""

    def __init__(self, lab, name: str):
        self.environment = None
        self._group = None
        self._netns = None
        state = json.loads((lab.folder / keeper.STATE).read_text())
        inside = pathlib.Path(f"/proc/{state['keeper']}/root")
        if name == network.CTL:
            self._netns = ctl_netns(lab)
            self._nsenter = []
            return
        host = lab.host(name)
        if host["state"] not in ("awake", "booting"):
            raise LabError("{} is {}: nothing runs on it.".format(name, host["state"]))
        # not in the host's group, the command would run on while the host sleeps
        self._group = pathlib.Path(
            "{}{}/cgroup{}/{}/lab-exec".format(inside, lab.folder, state["cgroup"], host["cgroup"])
        )
        self._nsenter = ["nsenter", "--all", "--target", str(host["pid"]), "--setuid", "0", "--setgid", "0", "--"]
        self.environment = dict(guest.ENVIRONMENT, HOME="/root", USER="root", TERM=os.environ.get("TERM", "linux"))

    def wrap(self, command) -> list:
        return [*self._nsenter, *command]

    def enter(self) -> None:
        if self._netns:
            kernel.setns(self._netns, kernel.NEWNET)
        else:
            self._group.mkdir(exist_ok=True)  # the host's systemd removes it when it shuts down
            cgroup.join(self._group)


def ctl_netns(lab) -> pathlib.Path:
    """The file of the steering namespace. It is mounted where the supervisor lives."""
    supervisor = lab.ask("status")["pid"]
    return pathlib.Path(f"/proc/{supervisor}/root{lab.folder}/netns/{network.CTL}")
