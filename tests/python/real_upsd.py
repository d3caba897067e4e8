# SPDX-License-Identifier: GPL-3.0-or-later
"""A real upsd (NUT) with its own simulated UPS, dummy-ups."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from powernap.machine import nut

DRIVER = next((path for path in ("/lib/nut/dummy-ups", "/usr/libexec/nut-driver/dummy-ups") if Path(path).exists()), "")
#: Debian's /sbin/upsd is a script that refuses where nobody has set NUT up.
UPSD = next((path for path in ("/lib/nut/upsd", "/usr/sbin/upsd") if Path(path).exists()), "")


@pytest.fixture(name="upsd")
def upsd_fixture(tmp_path):
    """A UPS whose state is a file; returns (its address, a function that changes it, the processes)."""
    if not DRIVER or not UPSD:
        pytest.skip("there is no upsd with dummy-ups: install nut-server")
    if os.geteuid() != 0:
        pytest.skip("upsd starts as root only")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path / "ups.dev"

    def change(status, **more):
        values = {"ups.status": status, **{key.replace("_", "."): value for key, value in more.items()}}
        new = tmp_path / "ups.new"
        new.write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
        new.rename(state)

    change("OL CHRG", battery_charge=87.5, battery_runtime=1200)
    (tmp_path / "ups.conf").write_text(f"[rack1]\n driver = dummy-ups\n port = {state}\n mode = dummy-once\n")
    (tmp_path / "upsd.conf").write_text(f"LISTEN 127.0.0.1 {port}\nSTATEPATH {tmp_path}\n")
    (tmp_path / "upsd.users").touch()
    environment = {**os.environ, "NUT_CONFPATH": str(tmp_path), "NUT_STATEPATH": str(tmp_path)}
    for file in tmp_path.iterdir():
        file.chmod(0o640)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    processes = [
        subprocess.Popen([DRIVER, "-F", "-a", "rack1", "-u", "root"], **quiet),
        subprocess.Popen([UPSD, "-F", "-u", "root"], **quiet),
    ]
    address = f"rack1@127.0.0.1:{port}"
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if asyncio.run(nut.ask(address)).on_battery is not None:
                break
        except nut.UpsError:
            pass
        time.sleep(0.1)
    try:
        yield address, change, processes
    finally:
        for process in processes:
            process.terminate()
            process.wait(5)


def wait_for(address, condition):
    """Ask until the driver has seen the change: it reads its file every 2 s."""
    deadline = time.monotonic() + 50
    while True:
        found = asyncio.run(nut.ask(address))
        if condition(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
