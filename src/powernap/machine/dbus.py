# SPDX-License-Identifier: GPL-3.0-or-later
"""The system bus on asyncio, file descriptors included: jeepney's own asyncio module passes none.

jeepney's blocking connection does the talking; the event loop says when there is something to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from powernap.shared.errors import PowernapError

CALL_SECONDS = 10.0


class BusError(PowernapError):
    """The bus, or who was called on it, did not do what was asked."""


class Bus:
    """One connection to the system bus. Idle it costs no wakeup."""

    def __init__(self, lost: Callable[[], None] = lambda: None) -> None:
        """Connect; blocks for about a millisecond, a second at most. Raises BusError."""
        try:
            from jeepney.io.blocking import open_dbus_connection
        except ImportError as error:
            raise BusError("D-Bus cannot be used without jeepney: install the package python3-jeepney") from error
        try:
            self._connection = open_dbus_connection("SYSTEM", enable_fds=True)
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BusError(f"D-Bus cannot be reached ({reason}): try 'systemctl start dbus.socket'") from error
        self._lost = lost
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._handlers: dict[tuple[str, str], Callable[[tuple[Any, ...]], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._connection.sock.fileno(), self._readable)
        self._loop.call_soon(self._readable)  # what came together with the answer to Hello

    async def call(self, to: tuple[str, str, str], method: str, signature: str = "", body: tuple[Any, ...] = ()) -> Any:
        """Call a method of (bus name, object path, interface); return the tuple of its answers. Raises BusError."""
        from jeepney import DBusAddress, MessageType, new_method_call

        name, path, interface = to
        message = new_method_call(DBusAddress(path, name, interface), method, signature or None, body)
        serial = next(self._connection.outgoing_serial)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[serial] = answer
        try:
            self._connection.send(message, serial=serial)
            reply = await asyncio.wait_for(answer, CALL_SECONDS)
        except asyncio.TimeoutError as error:
            raise BusError(f"{name} does not answer on D-Bus ({method})") from error
        except OSError as error:
            raise BusError(f"the D-Bus system bus was lost ({error})") from error
        finally:
            self._waiting.pop(serial, None)
        if reply.header.message_type is MessageType.error:
            text = reply.body[0] if reply.body else _field(reply, "error_name")
            raise BusError(f"{name} refuses {method}: {text}")
        return reply.body

    async def get(self, to: tuple[str, str, str], prop: str) -> Any:
        """Return a property. Raises BusError."""
        name, path, interface = to
        answer = await self.call((name, path, "org.freedesktop.DBus.Properties"), "Get", "ss", (interface, prop))
        return answer[0][1]

    async def on_signal(
        self, interface: str, member: str, path: str, then: Callable[[tuple[Any, ...]], None], arg0: str = ""
    ) -> None:
        """Call ``then`` with the body of each such signal, whose first argument is ``arg0``. Raises BusError."""
        self._handlers[interface, member] = then
        rule = f"type='signal',interface='{interface}',member='{member}',path='{path}'"
        if arg0:
            rule += f",arg0='{arg0}'"
        await self.call(
            ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"), "AddMatch", "s", (rule,)
        )

    def _readable(self) -> None:
        while True:
            try:
                message = self._connection.receive(timeout=0)
            except TimeoutError:
                return
            except (OSError, RuntimeError, ValueError) as error:
                self.close(BusError(f"the D-Bus system bus was lost ({error})"))
                self._lost()
                return
            self._dispatch(message)

    def _dispatch(self, message: Any) -> None:
        from jeepney import MessageType

        kind = message.header.message_type
        if kind in (MessageType.method_return, MessageType.error):
            answer = self._waiting.pop(_field(message, "reply_serial"), None)
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif kind is MessageType.signal:
            then = self._handlers.get((_field(message, "interface"), _field(message, "member")))
            if then is not None:
                then(message.body)

    def close(self, error: BusError | None = None) -> None:
        """Close; who waits for an answer gets the error."""
        if self._connection.sock.fileno() < 0:
            return
        self._loop.remove_reader(self._connection.sock.fileno())
        self._connection.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error or BusError("the D-Bus connection was closed"))
        self._waiting.clear()


def _field(message: Any, name: str) -> Any:
    from jeepney import HeaderFields

    return message.header.fields.get(HeaderFields[name])
