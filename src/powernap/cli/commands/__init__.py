# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of `powernap`. A new one is one module, with NAME, SUMMARY, arguments() and run(), and one line here."""

from powernap.cli.commands import action, decisions, inhibit, now, profile, recover, status, why
from powernap.cli.commands.base import Command

COMMANDS: tuple[Command, ...] = (status, why, decisions, now, recover, inhibit, profile, action)

__all__ = ["COMMANDS", "Command"]
