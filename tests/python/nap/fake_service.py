# SPDX-License-Identifier: GPL-3.0-or-later
"""FakeService: answers D-Bus calls on a private bus, as systemd, logind or machined would, from a function."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from pathlib import Path

from fake_logind import CONFIG
from jeepney import MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
from jeepney.low_level import HeaderFields


def connected(address: str, seconds: float = 10.0):
    """Connect to a bus that is just being started: for a moment its socket is there and refuses."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return open_dbus_connection(address)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class FakeService:
    """``answer(path, member, body)`` returns (signature, body) or raises LookupError with a reason."""

    def __init__(self, folder: Path, name: str, answer) -> None:
        self.address = f"unix:path={folder}/bus"
        config = folder / "bus.conf"
        config.write_text(CONFIG.format(path=folder / "bus"))
        self.bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
        self._answer = answer
        self._connection = connected(self.address)
        self._connection.send_and_get_reply(message_bus.RequestName(name))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._connection.sock], [], [], 0.1)[0]:
                continue
            while True:
                try:
                    message = self._connection.receive(timeout=0)
                except TimeoutError:
                    break
                except (OSError, RuntimeError):
                    return
                if message.header.message_type is MessageType.method_call:
                    self._connection.send(self._reply(message))

    def _reply(self, message):
        fields = message.header.fields
        try:
            signature, body = self._answer(fields[HeaderFields.path], fields[HeaderFields.member], message.body)
        except LookupError as error:
            return new_error(message, "org.freedesktop.DBus.Error.Failed", "s", (str(error),))
        return new_method_return(message, signature, body)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._connection.close()
        self.bus.terminate()
        self.bus.wait(5)


def nobody(monkeypatch, tmp_path) -> None:
    """A system bus that cannot be reached."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/{os.getpid()}-nobody")
