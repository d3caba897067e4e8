# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the registry refuses."""

from __future__ import annotations

from powernap.shared.errors import PowernapError


class RegistryError(PowernapError):
    """The registry cannot be read or written; nothing may be acknowledged that is not in it."""


class Unknown(PowernapError):
    """No such host."""

    @classmethod
    def host(cls, name: str) -> Unknown:
        return cls(f"no machine {name} is registered here: run the site playbook or 'powerwake register'")


class Conflict(PowernapError):
    """A request that is right in form but cannot be granted now."""


def reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
