# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors share, made when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from powernap.machine.dbus import Bus


class Sources:
    """One connection to the system bus for all.

    ``active``: the names of the monitors that were active in the time before the last look.
    """

    def __init__(self) -> None:
        self.active: frozenset[str] = frozenset()
        self._bus: Bus | None = None

    def bus(self) -> Bus:
        """Return a connection to the system bus, made anew where it was lost. Raises BusError."""
        if self._bus is None:
            from powernap.machine.dbus import Bus

            self._bus = Bus(self._lost)
        return self._bus

    def _lost(self) -> None:
        self._bus = None

    def close(self) -> None:
        """Give everything back."""
        if self._bus is not None:
            self._bus.close()
            self._bus = None
