# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of `powernap`. A new one is one module, with NAME, SUMMARY, arguments() and run(), and one line here."""

from powernap.cli.commands import (
    action,
    calculator,
    conflicts,
    decisions,
    enrol,
    history,
    inhibit,
    migrate,
    now,
    profile,
    record,
    recover,
    simulate,
    status,
    watch,
    why,
)
from powernap.cli.commands.base import Command

COMMANDS: tuple[Command, ...] = (
    status,
    why,
    watch,
    decisions,
    history,
    calculator,
    record,
    simulate,
    now,
    recover,
    inhibit,
    profile,
    conflicts,
    enrol,
    migrate,
    action,
)

__all__ = ["COMMANDS", "Command"]
