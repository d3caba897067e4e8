# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of `powerwake`: each one module with NAME, SUMMARY, arguments() and run(), and one line here."""

from powernap.cli.wakecommands import forget, list_hosts, register, status, trace, wake
from powernap.cli.wakecommands.base import Command

COMMANDS: tuple[Command, ...] = (
    wake,
    list_hosts,
    status,
    register,
    forget,
    trace,
)

__all__ = ["COMMANDS", "Command"]
