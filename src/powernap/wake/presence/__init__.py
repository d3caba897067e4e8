# SPDX-License-Identifier: GPL-3.0-or-later
"""What every registered machine is, since when, why, and by what evidence."""

from powernap.wake.presence.status import Condition, Status

__all__ = ["Condition", "Status"]
