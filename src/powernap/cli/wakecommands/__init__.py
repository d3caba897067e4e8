# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of `powerwake`: each one module with NAME, SUMMARY, arguments() and run(), and one line here."""

from powernap.cli.wakecommands import (
    approve,
    audit,
    canary,
    criers,
    forget,
    inhibit,
    list_hosts,
    nap,
    orders,
    pardon,
    pending,
    profile,
    proxy,
    recover,
    register,
    reject,
    release,
    reload,
    status,
    token,
    trace,
    wake,
    wakes,
    watch,
)
from powernap.cli.wakecommands.base import Command

COMMANDS: tuple[Command, ...] = (
    wake,
    nap,
    recover,
    inhibit,
    release,
    profile,
    reload,
    canary,
    orders,
    list_hosts,
    status,
    register,
    forget,
    pending,
    approve,
    reject,
    criers,
    pardon,
    token,
    audit,
    wakes,
    watch,
    trace,
    proxy,
)

__all__ = ["COMMANDS", "Command"]
