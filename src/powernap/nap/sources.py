# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitors share, made when it is first asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from powernap.machine import views

if TYPE_CHECKING:
    from powernap.machine.dbus import Bus
    from powernap.machine.ledgers import Book
    from powernap.machine.portledger import Ports
    from powernap.machine.procconnector import Executions
    from powernap.machine.proctable import ProcTable


class Sources:
    """One connection to the system bus for all, one pass of /proc, one ledger of processes, one of ports.

    ``active``: the names of the monitors that were active in the time before the last look.
    """

    def __init__(self) -> None:
        self.active: frozenset[str] = frozenset()
        self._bus: Bus | None = None
        self._book: Book | None = None
        self._no_book = ""
        self._table: ProcTable | None = None
        self._executions: Executions | None = None
        self._ports: Ports | None = None

    def bus(self) -> Bus:
        """Return a connection to the system bus, made anew where it was lost. Raises BusError."""
        if self._bus is None:
            from powernap.machine.dbus import Bus

            self._bus = Bus(self._lost)
        return self._bus

    def _lost(self) -> None:
        self._bus = None

    def process_book(self) -> Book:
        """Return the kernel's ledger of process names. Raises OSError, always the same, where it cannot be had."""
        if self._book is None and not self._no_book:
            from powernap.machine.ledgers import Book, ProcessLedger

            try:
                self._book = Book(ProcessLedger())
            except OSError as error:
                self._no_book = error.strerror or str(error)
        if self._book is None:
            raise OSError(self._no_book)
        return self._book

    def process_table(self) -> ProcTable:
        """Return who passes through /proc. Raises OSError."""
        if self._table is None:
            from powernap.machine.proctable import ProcTable

            self._table = ProcTable(views.path("proc"))
        return self._table

    def executions(self, loop: asyncio.AbstractEventLoop) -> Executions:
        """Return who tells of every program that is executed, while somebody listens."""
        if self._executions is None:
            from powernap.machine.procconnector import Executions

            self._executions = Executions(loop)
        return self._executions

    def ports(self) -> Ports:
        """Return the ledger of frames by port."""
        if self._ports is None:
            from powernap.machine.portledger import Ports

            self._ports = Ports()
        return self._ports

    def start(self) -> None:
        """Begin what must know all who share it: everybody has asked."""
        if self._ports is not None:
            self._ports.start()

    def close(self) -> None:
        """Give everything back."""
        for shared in (self._bus, self._book, self._table, self._executions, self._ports):
            if shared is not None:
                shared.close()
        self._bus = self._book = self._executions = self._ports = self._table = None
