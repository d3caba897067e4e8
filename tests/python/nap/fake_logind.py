# SPDX-License-Identifier: GPL-3.0-or-later
"""FakeLogind: speaks logind's D-Bus interface, as far as powernapd uses it, on a private bus; nothing ever sleeps.

It is for what the real logind of the lab does not do on order: failures, refusals, a lost connection.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from jeepney import DBusAddress, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.fds import FileDescriptor
from jeepney.io.blocking import open_dbus_connection
from jeepney.low_level import HeaderFields

MANAGER = DBusAddress("/org/freedesktop/login1", "org.freedesktop.login1", "org.freedesktop.login1.Manager")
PROPERTIES = DBusAddress("/org/freedesktop/login1", "org.freedesktop.login1", "org.freedesktop.DBus.Properties")
CONFIG = """<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"""


class FakeLogind:
    """``calls``: what was ordered; ``sleep_seconds``: how long it pretends to sleep; ``result``: of the unit."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder}/bus"
        self._folder = folder
        (folder / "bus.conf").write_text(CONFIG.format(path=folder / "bus"))
        self.calls: list[str] = []
        self.can = "yes"
        self.result = "success"
        self.sleep_seconds = 0.2
        self.ignores_orders = False
        self.refusal = ""
        self.flags = False  # True: as from systemd 257 on
        self.preparing = False
        self.blocks: list[tuple[str, str, str, str]] = []
        self.delays: list[tuple[int, tuple[str, ...]]] = []
        self._delaying = threading.Lock()
        self.asleep_since: float | None = None
        self.history: list[str] = []
        self._outbox: queue.Queue = queue.Queue()
        self._wakeup = os.pipe()
        self._stop = threading.Event()
        self.ending = ""  # "poweroff" or "reboot": what systemd is on its way to
        self.idle_action, self.idle_action_seconds = "ignore", 1800
        self.properties: dict[str, bool] = {"OnExternalPower": True, "LidClosed": False, "Docked": False}
        self.timers: dict[str, dict] = {}
        self._start_bus()
        self._start()

    def _start_bus(self) -> None:
        path = self._folder / "bus"
        path.unlink(missing_ok=True)
        config = self._folder / "bus.conf"
        self.bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with (
                socket.socket(socket.AF_UNIX) as probe,
                suppress(OSError),
            ):  # the file is there before it is listened on
                probe.connect(str(path))
                return
            time.sleep(0.01)

    def _start(self) -> None:
        self._stop.clear()
        self._connection = self._connect()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self._stop.set()
        os.write(self._wakeup[1], b"x")
        self._thread.join(5)
        self._connection.close()

    def _forget_delays(self) -> None:
        with self._delaying:
            while self.delays:
                os.close(self.delays.pop()[0])

    def restart(self) -> None:
        """As `systemctl restart systemd-logind`: it forgets the delays here, which the real one keeps in files."""
        self._end()
        self._forget_delays()
        self._start()

    def restart_bus(self) -> None:
        """What no distribution supports, and happens: everybody loses the bus."""
        self.bus.kill()
        self.bus.wait(5)
        self._end()
        self._forget_delays()
        self._start_bus()
        self._start()

    def _connect(self):
        before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self.address
        try:
            connection = open_dbus_connection("SYSTEM", enable_fds=True)
        finally:
            if before is None:
                del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
            else:
                os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before
        # logind's name last: what is asked of it at once must not be lost among the answers to us
        for name in ("org.freedesktop.systemd1", "org.freedesktop.login1"):
            connection.send_and_get_reply(message_bus.RequestName(name))
        return connection

    def block(self, what: str, who: str, why: str) -> None:
        self.blocks.append((what, who, why, "block"))
        self._changed()

    def unblock(self) -> None:
        self.blocks.clear()
        self._changed()

    def somebody_suspends(self) -> None:
        """What `systemctl suspend` or a lid does."""
        threading.Thread(target=self._sleep, daemon=True).start()

    def somebody_stops(self) -> None:
        threading.Thread(target=self._shut_down, daemon=True).start()

    def close(self) -> None:
        self._end()
        self.bus.terminate()
        self.bus.wait(5)

    def _changed(self) -> None:
        what = ":".join(block[0] for block in self.blocks)
        body = ("org.freedesktop.login1.Manager", {"BlockInhibited": ("s", what)}, [])
        self._send(new_signal(PROPERTIES, "PropertiesChanged", "sa{sv}as", body))

    def _signal(self, name: str, value: bool) -> None:
        self._send(new_signal(MANAGER, name, "b", (value,)))

    def _send(self, message) -> None:
        self._outbox.put(message)
        os.write(self._wakeup[1], b"x")

    def _sleep(self) -> None:
        self.preparing = True
        self._signal("PrepareForSleep", True)
        self._await_delays()
        self.history.append("asleep")
        self.asleep_since = time.monotonic()
        time.sleep(self.sleep_seconds)
        self.history.append("awake")
        self.preparing = False
        self._signal("PrepareForSleep", False)

    def _shut_down(self) -> None:
        self.preparing = True
        self._signal("PrepareForShutdown", True)
        self._await_delays()
        self.history.append("off")

    def held(self) -> int:
        """How many hold sleeps up now: those who have not closed their end."""
        with self._delaying:
            return sum(not select.select([end], [], [], 0)[0] for end, _body in self.delays)

    def _await_delays(self) -> None:
        """As logind: until whoever delays has closed its end, 5 s at most."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with self._delaying:
                if not self.delays:
                    return
                if select.select([self.delays[0][0]], [], [], 0)[0]:
                    os.close(self.delays.pop(0)[0])
            time.sleep(0.01)

    def _serve(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._connection.sock, self._wakeup[0]], [], [], 1)
            if self._wakeup[0] in ready:
                os.read(self._wakeup[0], 100)
            while not self._outbox.empty():
                self._connection.send(self._outbox.get())
            while True:
                try:
                    message = self._connection.receive(timeout=0)
                except TimeoutError:
                    break
                except OSError:
                    return
                if message.header.message_type is MessageType.method_call:
                    self._answer(message)

    def _answer(self, message) -> None:
        member = message.header.fields[HeaderFields.member]
        if member == "Get":
            reply = self._property(message)
        elif member == "Inhibit" and self.preparing:  # too late for a delay, as with the real one
            reply = new_error(message, "org.freedesktop.login1.OperationInProgress", "s", ("It is already running",))
        elif member == "Inhibit":
            read_end, write_end = os.pipe()
            self.delays.append((read_end, message.body))
            with FileDescriptor(write_end) as descriptor:
                self._connection.send(new_method_return(message, "h", (descriptor,)))
            return
        elif member == "ListInhibitors":
            entries = [(*block, 0, 1) for block in self.blocks]
            entries += [(body[0], body[1], body[2], body[3], 0, 1) for _fd, body in self.delays]
            reply = new_method_return(message, "a(ssssuu)", (entries,))
        elif member == "ListUnitsByPatterns":
            units = [
                (name, "", "loaded", "active", "waiting", "", f"/timer/{i}", 0, "", "/")
                for i, name in enumerate(self.timers)
            ]
            reply = new_method_return(message, "a(ssssssouso)", (units,))
        elif member == "GetAll":
            values = list(self.timers.values())[int(message.header.fields[HeaderFields.path].rpartition("/")[2])]
            reply = new_method_return(message, "a{sv}", (values,))
        elif member.startswith("Can"):
            reply = new_method_return(message, "s", (self.can,))
        elif member.endswith("WithFlags") and not self.flags:
            reply = new_error(message, "org.freedesktop.DBus.Error.InvalidArgs", "s", ("Invalid flags",))
        elif self.refusal:
            reply = new_error(message, "org.freedesktop.DBus.Error.Failed", "s", (self.refusal,))
        else:
            self.calls.append(member)
            reply = new_method_return(message)
            if not self.ignores_orders:
                work = self._shut_down if member.startswith("PowerOff") else self._sleep
                threading.Thread(target=work, daemon=True).start()
        self._connection.send(reply)

    def _job(self, message) -> int:
        path = message.header.fields[HeaderFields.path]
        return 7 if self.ending and path.endswith(f"/{self.ending}_2etarget") else 0

    def _property(self, message):
        name = message.body[1]
        value = {
            "PreparingForSleep": ("b", self.preparing),
            "PreparingForShutdown": ("b", False),
            "Result": ("s", self.result),
            "Job": ("(uo)", (self._job(message), "/")),
            "IdleAction": ("s", self.idle_action),
            "IdleActionUSec": ("t", self.idle_action_seconds * 1_000_000),
            **{key: ("b", said) for key, said in self.properties.items()},
        }[name]
        return new_method_return(message, "v", (value,))
