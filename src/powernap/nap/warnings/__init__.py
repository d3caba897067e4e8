# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to warn people. A new kind is one module and one line here."""

from powernap.nap.warnings.base import WarningMethod
from powernap.nap.warnings.wall import Wall

KINDS: dict[str, type[WarningMethod]] = {method.kind: method for method in (Wall,)}

__all__ = ["KINDS", "WarningMethod"]
