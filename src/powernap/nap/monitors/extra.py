# SPDX-License-Identifier: GPL-3.0-or-later
"""Active while a program of the site says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from powernap.machine import clocks, hands, outside
from powernap.nap.monitors.spaced import EVERY, MOST_SECONDS, Answer, SpacedMonitor
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option

ACTIVE, IDLE = 0, 1
#: For systemd-run, and powernap-hands to start.
HANDS_SECONDS = 6.0
IDLE_SECONDS = re.compile(r"^idle_seconds=(\d+(?:\.\d+)?)\s*$", re.MULTILINE)


class ExtraMonitor(SpacedMonitor):
    """The program ends with status 0 for active, 1 for idle; the first line that it says is the reason. If it is idle,
    a line "idle_seconds=NN" may tell for how long. Any other status, no end within ``seconds``, or no such program: it
    has failed, and counts as active.
    """

    kind = "extra"
    summary = "a program of your own says that the machine is in use"
    source = "its status"
    options = (
        Option(
            "command",
            "strs",
            None,
            "the program and its arguments; no shell reads them",
            example=["/usr/local/bin/render-queue", "--busy"],
            required=True,
        ),
        Option("user", "str", "", "who runs it; empty: root", example="nobody"),
        Option(
            "seconds", "float", 5, "then it is killed", unit="seconds", minimum=0.1, maximum=MOST_SECONDS, example=2
        ),
        EVERY,
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        if not values["command"] or not values["command"][0].startswith("/"):
            raise PowernapError('command: begin with the path of a program, such as ["/usr/local/bin/render-queue"]')

    async def _finished(self, command: Sequence[str]) -> outside.Finished:
        if not hands.needed():
            return await outside.run(command, seconds=self.values["seconds"], user=self.values["user"])
        answer = await hands.asked("extra", self.values["seconds"] + HANDS_SECONDS, monitor=self.name)
        return outside.Finished(answer["status"], answer["output"])

    async def question(self) -> Answer:
        command = self.values["command"]
        finished = await self._finished(command)
        if finished.status not in (ACTIVE, IDLE):
            raise PowernapError(f"{command[0]} {finished.complaint()}")
        lines = [line.strip() for line in finished.output.splitlines() if line.strip()]
        reason = next((line for line in lines if not IDLE_SECONDS.match(line)), "no reason given")[:200]
        if finished.status == ACTIVE:
            return Answer(True, reason)
        found = IDLE_SECONDS.search(finished.output)
        return Answer(False, reason, last=clocks.now() - float(found[1]) if found else None)
