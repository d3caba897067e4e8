# SPDX-License-Identifier: GPL-3.0-or-later
"""FakePolkit: a process on the bus of DBUS_SYSTEM_BUS_ADDRESS that allows root everything, as the real one does."""

from __future__ import annotations

from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

PROPERTIES = {"BackendName": ("s", "fake"), "BackendVersion": ("s", "1"), "BackendFeatures": ("u", 0)}


def answer(message):
    member = message.header.fields[HeaderFields.member]
    if member == "CheckAuthorization":
        return new_method_return(message, "(bba{ss})", ((True, False, {}),))
    if member == "GetAll":
        return new_method_return(message, "a{sv}", (PROPERTIES,))
    return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "s", (member,))


def main() -> None:
    connection = open_dbus_connection("SYSTEM")
    connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.PolicyKit1"))
    while True:
        message = connection.receive()
        if message.header.message_type is MessageType.method_call:
            connection.send(answer(message))


if __name__ == "__main__":
    main()
