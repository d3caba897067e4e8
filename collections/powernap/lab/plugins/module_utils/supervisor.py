# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that is the lab's hardware: it owns the hosts and the switch, and answers on the control socket.

It runs as root of the lab's user namespace, so it can do nothing to the machine that its keeper has not given it.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import selectors
import signal
import socket
import time

from . import network
from .errors import LabError
from .host import Host

_KEPT_EVENTS = 10000


class Supervisor:
    def __init__(self, topology, folder: pathlib.Path, group: pathlib.Path, first_boot: dict):
        self.folder = folder
        self.selector = selectors.DefaultSelector()
        self.timers: list = []
        self.events: collections.deque = collections.deque(maxlen=_KEPT_EVENTS)
        self.next_event = 1
        self.waiting: list = []
        self.topology = topology
        self.hosts = {name: Host(self, spec, folder, group, first_boot[name]) for name, spec in topology.hosts.items()}

    def run(self, ready) -> None:
        """Never returns; ready() is called when the hosts have been started and the control socket answers."""
        self._catch_signals()
        network.build(self.folder / "netns", self.topology.hosts.values())
        for host in self.hosts.values():
            host.prepare()
            host.start()
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        control.bind(str(self.folder / "control.sock"))
        control.listen(64)
        self.watch(control, lambda: self._accept(control))
        ready()
        while True:
            self._turn()

    def _turn(self) -> None:
        now = time.monotonic()
        due = [call for when, call in self.timers if when <= now]
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for call in due:
            call()
        next_timer = min((when for when, _call in self.timers), default=None)
        timeout = None if next_timer is None else max(0.0, next_timer - time.monotonic())
        for key, _mask in self.selector.select(timeout):
            if key.fileobj in self.selector.get_map():  # an earlier one of this round may have closed it
                key.data()

    def later(self, seconds: float, call) -> None:
        self.timers.append((time.monotonic() + seconds, call))

    def watch(self, fileobj, call) -> None:
        self.selector.register(fileobj, selectors.EVENT_READ, call)

    def unwatch(self, fileobj) -> None:
        self.selector.unregister(fileobj)

    def note(self, host: str, event: str, detail: str = "", when: float = 0.0) -> None:
        record = {
            "id": self.next_event,
            "time": round(when or time.time(), 4),
            "host": host,
            "event": event,
            "detail": detail,
        }
        self.next_event += 1
        self.events.append(record)
        for waiter in list(self.waiting):
            waiter()

    def _catch_signals(self) -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGIO, signal.SIGCHLD):  # a lease is broken; an init has ended
            signal.signal(number, lambda *_: None)
        self.watch(reading, lambda: self._signalled(reading))

    def _signalled(self, reading: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(reading, 512):
                pass
        for host in self.hosts.values():
            if host.pid:
                pid, status = os.waitpid(host.pid, os.WNOHANG)
                if pid:
                    host.exited(os.waitstatus_to_exitcode(status))
        for host in self.hosts.values():
            host.look()

    def _accept(self, control: socket.socket) -> None:
        connection, _address = control.accept()
        connection.settimeout(1.0)
        try:
            request = json.loads(connection.makefile("rb").readline())
            answer = self._answer(request, connection)
        except LabError as error:
            answer = {"error": str(error)}
        except (OSError, ValueError) as error:
            answer = {"error": f"the lab's supervisor could not do that: {error}."}
        if answer is not None:
            _send(connection, answer)

    def _answer(self, request: dict, connection: socket.socket):
        """None: the answer comes later."""
        command = request.get("command")
        if command == "status":
            return {"pid": os.getpid(), "hosts": {name: host.describe() for name, host in self.hosts.items()}}
        if command == "events":
            return {"events": [event for event in self.events if event["id"] > request.get("since", 0)]}
        if command == "wait":
            return self._wait(request["hosts"], request["state"], request["timeout"], connection)
        if command in ("cut", "button", "set"):
            host = self._host(request["host"])
            getattr(host, command)(*request.get("arguments", ()))
            return {"host": host.describe()}
        raise LabError(f"the lab knows no command {command!r}.")

    def _host(self, name: str) -> Host:
        if name not in self.hosts:
            raise LabError("this lab has no host {}; it has {}.".format(name, ", ".join(self.hosts)))
        return self.hosts[name]

    def _wait(self, names, state: str, timeout: float, connection: socket.socket):
        """Answer when all the hosts are in that state, or say who is not after timeout seconds."""
        hosts = [self._host(name) for name in names]

        def missing() -> list:
            return [f"{host.name} is {host.state}" for host in hosts if host.state != state]

        if not missing():
            return {}

        def look(final: bool = False) -> None:
            left = missing()
            if look in self.waiting and (final or not left):
                self.waiting.remove(look)
                words = "after {:g} s {}, not {}.".format(timeout, ", ".join(left), state)
                _send(connection, {"error": words} if left else {})

        self.waiting.append(look)
        self.later(timeout, lambda: look(final=True))
        return None


def _send(connection: socket.socket, answer: dict) -> None:
    with connection, contextlib.suppress(OSError):
        connection.sendall(json.dumps(answer).encode() + b"\n")
