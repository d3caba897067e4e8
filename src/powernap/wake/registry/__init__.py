# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive a restart: hosts, their keys, and who sleeps. SQLite; memory holds only hosts that are busy."""

from powernap.wake.registry.errors import Conflict, RegistryError, Unknown
from powernap.wake.registry.file import Registry
from powernap.wake.registry.journal import Journal
from powernap.wake.registry.record import Record, Row
from powernap.wake.registry.resting import Kind, Rest

__all__ = ["Conflict", "Journal", "Kind", "Record", "Registry", "RegistryError", "Rest", "Row", "Unknown"]
