# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings by programs and the log daemon of this machine: wall, exec, syslog."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import shutil
import socket
import struct
import time
from contextlib import suppress

import pytest
from noticing import WARNING, program, tell

from powernap.nap.warnings.execute import Execute
from powernap.nap.warnings.syslog import Syslog
from powernap.nap.warnings.wall import Wall
from powernap.shared.errors import PowernapError

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
