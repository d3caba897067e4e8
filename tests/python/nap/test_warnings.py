# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told, by each way, and by all at once."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import pwd
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from powernap.nap.warnings import KINDS
from powernap.nap.warnings.base import Notice
from powernap.nap.warnings.crier import Crier
from powernap.nap.warnings.desktop import Desktop
from powernap.nap.warnings.execute import Execute
from powernap.nap.warnings.http import Http
from powernap.nap.warnings.syslog import Syslog
from powernap.nap.warnings.wall import Wall
from powernap.shared.errors import PowernapError

WARNING = Notice("warning", "web1", 59.7, "suspend", "idle for 240 s", "14:05")
CANCELLED = Notice("cancelled", "web1", 0.0, "suspend", "tcp monitor ssh: data")


def program(folder: Path, script: str, name: str = "wall") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def tell(method, notice=WARNING):
    asyncio.run(method.tell(method.worded(notice)))


# --- texts


def test_the_message_is_the_sites_own():
    wall = Wall("wall", {"message": "{host} schläft um {at}, in {seconds} s", "cancelled": "{host} bleibt wach"})
    assert wall.worded(WARNING).text == "web1 schläft um 14:05, in 60 s"
    assert wall.worded(CANCELLED).text == "web1 bleibt wach"


@pytest.mark.parametrize("message", ["{hots}", "{0}", "{}", "{host.__class__}"])
def test_a_field_that_does_not_exist_is_told(message):
    with pytest.raises(PowernapError, match=r"message: there is no .*: use \{host\}, \{seconds\}"):
        Wall("wall", {"message": message})


def test_a_lonely_brace_is_told():
    with pytest.raises(PowernapError, match="for braces that are meant as such"):
        Wall("wall", {"message": "in { seconds"})


# --- wall


def test_the_text_reaches_wall(tmp_path):
    tell(Wall("wall", {}, program(tmp_path, f"cat > {tmp_path}/heard")))
    assert (tmp_path / "heard").read_text() == (
        "web1: suspend in 60 seconds, as it was idle for 240 s. Press a key to keep it awake.\n"
    )


#: struct utmp of glibc on Linux (utmp(5)): type, pid, line, id, user, host, exit, session, seconds, microseconds, IPv6.
UTMP = struct.Struct("=h2xi32s4s32s256shhiii16s20x")
USER_PROCESS = 7


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("wall"), reason="needs wall, and root for a mount namespace")
def test_the_real_wall_writes_the_text_on_the_terminal_of_a_session(tmp_path):
    main, terminal = pty.openpty()
    name = os.ttyname(terminal).removeprefix("/dev/").encode()
    entry = UTMP.pack(USER_PROCESS, os.getpid(), name, name[-4:], b"root", b"", 0, 0, 0, 1, 0, bytes(16))
    (tmp_path / "utmp").write_bytes(entry)
    inside = f"mount -t tmpfs none /run && cp {tmp_path}/utmp /run/utmp && exec wall"
    wall = program(tmp_path, f"exec unshare -m sh -c '{inside}'", "real-wall")
    try:
        tell(Wall("wall", {}, wall))
        assert select.select([main], [], [], 5)[0], "nothing reached the terminal"
        heard = os.read(main, 10_000).decode()
        assert "web1: suspend in 60 seconds, as it was idle for 240 s." in " ".join(heard.split())
    finally:
        os.close(main)
        os.close(terminal)


def test_a_hanging_wall_is_ended_and_the_event_loop_goes_on(tmp_path):
    wall = Wall("wall", {"limit_seconds": 0.5}, program(tmp_path, "exec sleep 30"))

    async def run():
        ticks = 0
        telling = asyncio.ensure_future(wall.tell(wall.worded(WARNING)))
        begun = time.monotonic()
        while not telling.done():
            await asyncio.sleep(0.05)
            ticks += 1
        assert time.monotonic() - begun < 5
        assert ticks >= 5
        with pytest.raises(PowernapError, match="took longer"):
            telling.result()

    asyncio.run(run())


def test_a_missing_wall_is_told(tmp_path):
    with pytest.raises(PowernapError, match="is missing"):
        tell(Wall("wall", {}, str(tmp_path / "nowhere")))


def test_a_failing_wall_is_told(tmp_path):
    with pytest.raises(PowernapError, match="failed"):
        tell(Wall("wall", {}, program(tmp_path, "exit 3")))


# --- exec


def test_a_program_of_the_site_gets_the_text_and_the_fields(tmp_path):
    command = program(tmp_path, f'{{ cat; env | grep ^POWERNAP_ | sort; echo "$1"; }} > {tmp_path}/heard', "tell")
    tell(Execute("x", {"command": (command, "ops")}))
    heard = (tmp_path / "heard").read_text().splitlines()
    assert heard[0].startswith("web1: suspend in 60 seconds")
    assert heard[1:] == [
        "POWERNAP_ACTION=suspend",
        "POWERNAP_AT=14:05",
        "POWERNAP_EVENT=warning",
        "POWERNAP_HOST=web1",
        "POWERNAP_REASON=idle for 240 s",
        "POWERNAP_SECONDS=60",
        "ops",
    ]


def test_a_program_that_fails_is_quoted(tmp_path):
    command = program(tmp_path, "echo no such room >&2; exit 4", "tell")
    with pytest.raises(PowernapError, match="ended with status 4: no such room"):
        tell(Execute("x", {"command": (command,)}))


def test_a_program_without_a_path_is_refused():
    with pytest.raises(PowernapError, match=r"command: .* absolute path"):
        Execute("x", {"command": ("tell",)})


# --- syslog


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_the_log_daemon_is_told(tmp_path, kind):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(path)
        sock.settimeout(5)
        if kind is socket.SOCK_STREAM:
            sock.listen()
        tell(Syslog("x", {"socket": path, "facility": "local3", "priority": "warning"}))
        heard = (sock.accept()[0] if kind is socket.SOCK_STREAM else sock).recv(1000).decode()
    found = re.match(r"<156>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d powernapd\[\d+\]: web1: suspend in 60 s", heard)
    assert found, heard
    assert heard.endswith("\0") is (kind is socket.SOCK_STREAM)


def test_a_log_daemon_that_reads_nothing_is_given_up(tmp_path):
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.bind(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            filler.connect(path)
            with suppress(BlockingIOError):
                while True:
                    filler.send(b"x")
        method = Syslog("x", {"socket": path, "limit_seconds": 0.3})
        with pytest.raises(PowernapError, match="takes no message"):
            tell(method)


def test_no_log_daemon_is_told(tmp_path):
    with pytest.raises(PowernapError, match="is a log daemon running"):
        tell(Syslog("x", {"socket": str(tmp_path / "nowhere")}))


# --- HTTP


class Hook:
    """A real HTTP server that notes what it is sent; ``delay``: seconds before it answers."""

    def __init__(self, status=200, delay=0.0):
        self.heard: list = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.heard.append((self.path, dict(self.headers), json.loads(body)))
                time.sleep(delay)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/ops?x=1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
        self._server.server_close()


def test_a_hook_gets_json_and_the_header_of_the_file(tmp_path):
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer secret\n\n")
    with Hook() as hook:
        method = Http("x", {"url": hook.url, "header_file": str(headers)})
        tell(method)
        tell(method, CANCELLED)
    path, sent, content = hook.heard[0]
    assert path == "/hooks/ops?x=1"
    assert sent["Authorization"] == "Bearer secret" and sent["Content-Type"] == "application/json"
    assert content == {
        "event": "warning",
        "text": "web1: suspend in 60 seconds, as it was idle for 240 s. Press a key to keep it awake.",
        "host": "web1",
        "seconds": 59.7,
        "action": "suspend",
        "reason": "idle for 240 s",
    }
    assert hook.heard[1][2]["event"] == "cancelled" and hook.heard[1][2]["seconds"] is None


def test_a_hook_that_refuses_or_hangs_or_is_not_there_is_told():
    with Hook(status=403) as hook, pytest.raises(PowernapError, match="refuses the message: 403"):
        tell(Http("x", {"url": hook.url}))
    with Hook(delay=1.5) as hook:
        begun = time.monotonic()
        with pytest.raises(PowernapError, match=r"did not answer within 0\.3 s|timed out"):
            tell(Http("x", {"url": hook.url, "limit_seconds": 0.3}))
        assert time.monotonic() - begun < 1.2
    with pytest.raises(PowernapError, match="refused"):
        tell(Http("x", {"url": hook.url}))


@pytest.mark.parametrize("url", ["", "chat.example.com", "ftp://x/y", "http://a b/"])
def test_a_bad_address_of_a_hook_is_told(url):
    with pytest.raises(PowernapError, match=r"url: .* is no address such as"):
        Http("x", {"url": url})


def test_a_password_in_the_address_of_a_hook_is_refused_and_not_repeated():
    with pytest.raises(PowernapError, match=r"write .* to a header_file") as caught:
        Http("x", {"url": "https://user:s3cret@host/x"})
    assert "s3cret" not in str(caught.value)


def test_a_line_that_is_no_header_is_told(tmp_path):
    headers = tmp_path / "headers"
    headers.write_text("Bearer secret\n")
    with pytest.raises(PowernapError, match=r"header_file: .*/headers: line 1 is no header"):
        tell(Http("x", {"url": "http://127.0.0.1:1/", "header_file": str(headers)}))


# --- desktop

NOTIFICATIONS = """
import json, os, sys
from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1]))
bus = open_dbus_connection(sys.argv[3])
bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"))
print("ready", flush=True)
number = 6
while True:
    message = bus.receive()
    if message.header.message_type is MessageType.method_call:
        number += 1
        print(json.dumps(message.body), flush=True)
        bus.send(new_method_return(message, "u", (message.body[1] or number,)))
"""


@pytest.fixture
def session(tmp_path):
    """A session bus of another user, and a notification service on it that prints what it is asked to show."""
    if os.geteuid() != 0 or not shutil.which("dbus-daemon") or not shutil.which("busctl"):
        pytest.skip("needs root, dbus-daemon and busctl")
    user = pwd.getpwnam("daemon")
    folder = Path("/tmp", f"pn-bus-{os.getpid()}")  # pytest's own folders are closed to other users
    folder.mkdir(mode=0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    address = f"unix:path={folder}/bus"
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"]
    bus = subprocess.Popen(
        command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], stdout=subprocess.PIPE, text=True
    )
    bus.stdout.readline()
    service = subprocess.Popen(
        [sys.executable, "-c", NOTIFICATIONS, str(user.pw_uid), str(user.pw_gid), address],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert service.stdout.readline() == "ready\n"
        yield user, folder, service
    finally:
        for process in (service, bus):
            process.kill()
            process.wait()
        shutil.rmtree(folder)


def desktop(user, folder, values=None):
    async def users():
        return {user.pw_name: user.pw_uid}

    return Desktop("x", values or {}, users, str(folder / "bus"))


def test_a_desktop_shows_the_warning_and_the_cancellation_in_its_place(session):
    user, folder, service = session
    method = desktop(user, folder, {"message": "{host} <b>& {reason}"})
    tell(method)
    tell(method, CANCELLED)
    app, replaces, _icon, summary, body, actions, hints, milliseconds = json.loads(service.stdout.readline())
    assert (app, replaces, summary, actions, milliseconds) == ("PowerNap", 0, "PowerNap on web1", [], 59700)
    assert body == "web1 &lt;b&gt;&amp; idle for 240 s"
    assert hints["urgency"] == ["y", 2]
    second = json.loads(service.stdout.readline())
    assert second[1] == 7, "the number by which the service knows the warning"
    assert second[4] == "web1 stays awake: tcp monitor ssh: data."


def test_a_session_without_notifications_is_nobody_to_tell(session):
    user, folder, service = session
    service.kill()
    service.wait()
    tell(desktop(user, folder))


def test_a_session_that_has_ended_is_nobody_to_tell(session):
    user, folder, _service = session
    tell(desktop(user, folder / "nowhere"))


def test_only_the_wanted_users_are_told(session):
    user, folder, service = session
    tell(desktop(user, folder, {"users": ("ann",)}))
    tell(desktop(user, folder))
    assert json.loads(service.stdout.readline())[1] == 0
    assert not select.select([service.stdout], [], [], 0.2)[0]


# --- all at once


class Slow(Wall):
    """A way of the test: notes what it says, ``delay`` seconds after it was asked to."""

    def __init__(self, name, delay=0.0, limit=5.0, fails=False):
        super().__init__(name, {"limit_seconds": limit})
        self.delay, self.fails, self.heard = delay, fails, []

    async def tell(self, notice):
        await asyncio.sleep(self.delay)
        if self.fails:
            raise ValueError("a defect")
        self.heard.append(notice.event)


def cry(methods, script):
    async def run():
        tasks = set()
        crier = Crier(methods, lambda work: tasks.add(asyncio.ensure_future(work)))
        await script(crier)
        await asyncio.gather(*tasks)
        return crier

    return asyncio.run(run())


def test_one_that_hangs_or_fails_delays_no_other():
    quick, hanging, failing = Slow("quick"), Slow("hanging", delay=60, limit=-1.5), Slow("failing", fails=True)

    async def script(crier):
        crier.warn("web1", 60, "suspend", "idle")
        await asyncio.sleep(0.05)
        assert quick.heard == ["warning"]

    crier = cry([hanging, failing, quick], script)
    assert [each["error"] for each in crier.as_list()] == ["it took longer than -1.5 s", "ValueError: a defect", ""]


def test_a_cancellation_never_overtakes_its_warning():
    slow = Slow("slow", delay=0.2)

    async def script(crier):
        crier.warn("web1", 60, "suspend", "idle")
        await asyncio.sleep(0.05)
        slow.delay = 0.0
        crier.cancel("web1", "a key")

    cry([slow], script)
    assert slow.heard == ["warning", "cancelled"]


def test_what_nobody_heard_yet_is_not_cancelled_aloud():
    slow = Slow("slow", delay=0.1)

    async def script(crier):
        for _ in range(50):
            crier.warn("web1", 60, "suspend", "idle")
            await asyncio.sleep(0)
            crier.cancel("web1", "a key")

    cry([slow], script)
    assert slow.heard == ["warning", "cancelled"]


def test_a_warning_that_waited_past_its_nap_is_not_told():
    slow = Slow("slow", delay=0.3)

    async def script(crier):
        crier.warn("web1", 60, "suspend", "idle")
        await asyncio.sleep(0.01)
        crier.warn("web1", -3, "suspend", "idle")

    crier = cry([slow], script)
    assert slow.heard == ["warning"]
    assert "too late" in crier.as_list()[0]["error"]


def test_a_cancellation_names_what_was_cancelled():
    wall = Wall("x", {"cancelled": "no {action}: {reason}"})
    said = []

    async def note(notice):
        said.append(notice.text)

    wall.tell = note

    async def script(crier):
        crier.warn("web1", 60, "hibernate", "idle")
        await asyncio.sleep(0.01)
        crier.cancel("web1", "a key")

    cry([wall], script)
    assert said[1] == "no hibernate: a key"


def test_every_kind_is_made_from_its_defaults_and_what_it_requires():
    required = {"to": ("ops@example.com",), "command": ("/bin/true",), "url": "http://hook/"}
    for kind, cls in KINDS.items():
        values = {option.name: required[option.name] for option in cls.options if option.required}
        assert cls("x", values).kind == kind


def test_who_waits_for_the_last_words_waits_only_so_long():
    quick, hanging = Slow("quick", delay=0.1), Slow("hanging", delay=3, limit=-1.0)

    async def script(crier):
        crier.cancel("web1", "powernapd is stopped")
        begun = time.monotonic()
        await crier.settled(0.4)
        assert 0.3 < time.monotonic() - begun < 0.9
        assert quick.heard == ["cancelled"]
        await crier.settled(5)

    cry([quick, hanging], script)
