# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an order or a registration is refused; each is one sentence with its remedy."""

from powernap.shared.errors import PowernapError
from powernap.wake.registry.errors import Conflict, Unknown

__all__ = ["Conflict", "NotWoken", "Unknown"]


class NotWoken(PowernapError):
    """A host that did not wake in time."""
