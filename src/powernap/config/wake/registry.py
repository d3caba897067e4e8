# SPDX-License-Identifier: GPL-3.0-or-later
"""[registry]: where powerwaked keeps what it must not lose."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class RegistrySettings:
    """Where powerwaked keeps what it knows of its clients."""

    path: str = setting("path", "/var/lib/powerwaked/registry.sqlite", "SQLite file with clients, keys and states")
