# SPDX-License-Identifier: GPL-3.0-or-later
"""[powersave]: what is turned down."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class PowersaveSettings:
    """What the action powersave turns down."""

    knobs: tuple[str, ...] = setting("strs", ("*",), 'names of the knobs to use; "*": all that this machine has')
