# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn by a program of the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from powernap.nap.warnings.base import Notice, WarningMethod
from powernap.shared.errors import PowernapError
from powernap.shared.schema import Option


class Execute(WarningMethod):
    """The text is on its standard input, the fields are in POWERNAP_EVENT, _HOST, _SECONDS, _ACTION, _REASON, _AT."""

    kind = "exec"
    summary = "a program of the site, which is given the text"
    options = (
        *WarningMethod.options,
        Option("command", "strs", (), "program and arguments", example=["/usr/local/bin/tell", "ops"], required=True),
        Option("user", "str", "", "whom it runs as; empty: root"),
    )

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(name, values)
        command = self.values["command"]
        if not command or not command[0].startswith("/"):
            raise PowernapError("command: the program is missing: give its absolute path as the first text")

    async def tell(self, notice: Notice) -> None:
        from powernap.machine import outside

        environment = {f"POWERNAP_{name.upper()}": value for name, value in notice.fields().items()}
        environment["POWERNAP_EVENT"] = notice.event
        command = list(self.values["command"])
        done = await outside.run(
            command,
            seconds=self.limit_seconds,
            user=self.values["user"],
            stdin=notice.text + "\n",
            environment=environment,
        )
        if done.status:
            said = " ".join(done.output.split())[:200]
            raise PowernapError(f"{command[0]} ended with status {done.status}" + (f": {said}" if said else ""))
