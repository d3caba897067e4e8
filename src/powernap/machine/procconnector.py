# SPDX-License-Identifier: GPL-3.0-or-later
"""Be told of every program that is executed: the proc connector (drivers/connector/cn_proc.c, linux/cn_proc.h).

It costs a wakeup for each, so it serves where the ledger of names cannot be had, and while activity must be noticed at
once. It is there in the initial namespaces of network, users and processes only. Needs CAP_NET_ADMIN before Linux 6.6.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from powernap.machine import clocks, proctable, views
from powernap.machine.ledgers import in_initial_namespace

NETLINK_CONNECTOR, CN_IDX_PROC, CN_VAL_PROC = 11, 1, 1
LISTEN, IGNORE = 1, 2
EXEC = 0x00000002
NLMSG_DONE = 3
_NETLINK = struct.Struct("=IHHII")
_CONNECTOR = struct.Struct("=IIIIHH")
#: struct proc_event: what, cpu, timestamp_ns; then the process and its thread group
_EVENT = struct.Struct("=IIQii")
RECEIVE_BYTES = 1 << 18
MESSAGE_BYTES = 4096
#: So many programs may begin at once, and so many a second in the long run, before listening costs too much.
BURST, A_SECOND = 200, 20.0


class ProcConnector:
    """Calls ``executed`` with the process of every execve(2) from now on. Raises OSError where that cannot be had.

    After ``too_many`` was called nothing is told any more until ``listen``.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, executed: Callable[[int], None], too_many: Callable[[], None]
    ) -> None:
        if not in_initial_namespace():
            raise OSError(errno.EXDEV, "in a container's namespace of processes")
        self._loop, self._executed, self._too_many = loop, executed, too_many
        self._socket: socket.socket | None = None
        self._left = float(BURST)
        self._counted_at = clocks.now()
        self.listen()

    @property
    def listening(self) -> bool:
        return self._socket is not None

    def listen(self) -> None:
        """Begin, or begin again. Raises OSError."""
        if self._socket is not None:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        sock = socket.socket(socket.AF_NETLINK, kind, NETLINK_CONNECTOR)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            sock.bind((0, CN_IDX_PROC))
            sock.send(_request(LISTEN))
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._loop.add_reader(sock.fileno(), self._readable)

    def ignore(self) -> None:
        """Be told nothing for a while."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket.fileno())
        with contextlib.suppress(OSError):  # closing does it as well
            self._socket.send(_request(IGNORE))
        self._socket.close()
        self._socket = None

    close = ignore

    def _readable(self) -> None:
        for _turn in range(2 * BURST):
            sock = self._socket
            if sock is None:
                return
            try:
                process = executed_process(sock.recv(MESSAGE_BYTES))
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: some were lost
                self._stop()
                return
            if process is None or process == os.getpid():
                continue
            if not self._afford():
                self._stop()
                return
            self._executed(process)

    def _stop(self) -> None:
        self.ignore()
        self._too_many()

    def _afford(self) -> bool:
        now = clocks.now()
        self._left = min(float(BURST), self._left + (now - self._counted_at) * A_SECOND)
        self._counted_at = now
        self._left -= 1
        return self._left >= 0


def _request(operation: int) -> bytes:
    """Return the message that begins or ends listening; kernels before 6.6 do not know the mask of events."""
    data = (
        struct.pack("=II", operation, EXEC) if operation == LISTEN and _knows_masks() else struct.pack("=I", operation)
    )
    body = _CONNECTOR.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, len(data), 0) + data
    return _NETLINK.pack(_NETLINK.size + len(body), NLMSG_DONE, 0, 0, os.getpid()) + body


def _knows_masks() -> bool:
    release = os.uname().release.split(".")
    try:
        return (int(release[0]), int(release[1])) >= (6, 6)
    except (IndexError, ValueError):
        return False


def executed_process(message: bytes) -> int | None:
    """Return the process that a message says has executed a program; None: it is about something else."""
    at = _NETLINK.size + _CONNECTOR.size
    if len(message) < at + _EVENT.size:
        return None
    what, _cpu, _time, _thread, process = _EVENT.unpack_from(message, at)
    return process if what == EXEC else None


@dataclass(frozen=True)
class Executed:
    """A process that has executed a program.

    ``line``: its arguments, empty where it has ended since; ``comm``: its name, empty where it was waited for, too.
    """

    pid: int
    comm: str = ""
    line: bytes = b""
    uid: int = -1


class Listener(Protocol):
    """Whom Executions tells."""

    def executed(self, process: Executed) -> None:
        """A program was executed."""

    def too_many(self) -> None:
        """More begin than can be looked at one by one: nothing is told any more until the listener is added again."""


class Executions:
    """One proc connector for all listeners, open while there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listeners: list[Listener] = []
        self._connector: ProcConnector | None = None

    def add(self, listener: Listener) -> None:
        """Tell it from now on. Raises OSError where that cannot be had."""
        if listener in self._listeners:
            return
        if self._connector is None:
            self._connector = ProcConnector(self._loop, self._executed, self._too_many)
        self._connector.listen()
        self._listeners.append(listener)

    def remove(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners and self._connector is not None:
            self._connector.ignore()

    def _executed(self, pid: int) -> None:
        process = look_at(pid)
        for listener in tuple(self._listeners):
            listener.executed(process)

    def _too_many(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.too_many()

    def close(self) -> None:
        self._listeners.clear()
        if self._connector is not None:
            self._connector.close()


def look_at(pid: int) -> Executed:
    """Return what can still be said of a process."""
    folder = f"{views.path('proc')}/{pid}"
    try:
        comm = proctable.comm(folder)
    except OSError:
        return Executed(pid)
    try:
        line, uid = proctable.command_line(folder)
    except OSError:
        return Executed(pid, comm)
    return Executed(pid, comm, line, uid)
