# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings on desktops: a real session bus of another user, and a notification service on it."""

from __future__ import annotations

import json
import os
import pwd
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from noticing import CANCELLED, tell

from powernap.nap.warnings.desktop import Desktop

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
