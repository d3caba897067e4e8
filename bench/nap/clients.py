# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that are compared, each started to watch the same things and to put nothing to sleep."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bench.nap.machine import PORT
from bench.process import Client, started

PROGRAM = "nightly-backup"
ORIGINAL = "psutil at 1 Hz (the original's design)"
AUTOSUSPEND = "autosuspend at 1 Hz"
OURS = "powernapd"
OURS_EVENTS = "powernapd, pressure instead of load"

POWERNAPD = f"""
[nap]
mode = "observe"
virtualization = "none"
absent_seconds = {{absent}}
require_wake_on_lan = false
[monitors.jobs]
kind = "process"
pattern = '(^|/){PROGRAM}(\\s|$)'
[monitors.service]
kind = "tcp"
ports = [{{port}}]
loopback = true
"""
WHOLE = """
[monitors.terminals]
kind = "console"
[monitors.load]
kind = "load"
threshold = "n"
"""
#: Nothing in it has to be looked at between deadlines: the kernel remembers contention as it does the rest.
EVENTS = """
[monitors.terminals]
kind = "console"
[monitors.pressure]
kind = "pressure"
resource = "cpu"
"""
AUTOSUSPEND_CONFIG = f"""
[general]
interval = 1
idle_time = 100000
suspend_cmd = /bin/true
wakeup_cmd = /bin/true
woke_up_file = {{folder}}/woken
lock_file = {{folder}}/lock
[check.Processes]
enabled = true
processes = {PROGRAM}
[check.ActiveConnection]
enabled = true
ports = {{port}}
[check.Load]
enabled = true
threshold = {os.cpu_count()}
[check.Users]
enabled = true
name = .*
terminal = .*
host = .*
"""
#: As Debian's, but with the time as a number.
AUTOSUSPEND_LOGGING = """
[loggers]
keys=root
[handlers]
keys=console
[formatters]
keys=timed
[logger_root]
level=DEBUG
handlers=console
[handler_console]
class=StreamHandler
formatter=timed
args=(sys.stdout,)
[formatter_timed]
format=%(created)f %(message)s
"""


def powernapd(
    folder: Path, port: int = PORT, absent: float = 120, more: str = WHOLE
) -> contextlib.AbstractContextManager[Client]:
    """Start powernapd unpacked and compiled, as the role installs it; ready when it answers on its control socket."""
    folder.mkdir(exist_ok=True)
    (folder / "powernapd.toml").write_text(POWERNAPD.format(absent=absent, port=port) + more)
    command = [sys.executable, os.environ["POWERNAP_PROGRAMS"], "powernapd", "--config", str(folder / "powernapd.toml")]
    command += ["--state-dir", str(folder), "--control-socket", str(folder / "control.sock")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return started(command, folder, (folder / "control.sock").exists, env=environment)


def autosuspend(folder: Path, port: int = PORT, verbose: bool = False) -> contextlib.AbstractContextManager[Client]:
    """Start Debian's autosuspend, unpacked, not installed. Verbose, it is ready when its first checks are over."""
    folder.mkdir(exist_ok=True)
    (folder / "autosuspend.conf").write_text(AUTOSUSPEND_CONFIG.format(folder=folder, port=port))
    command = ["/usr/bin/python3", f"{os.environ['AUTOSUSPEND']}/usr/bin/autosuspend"]
    if verbose:
        (folder / "logging.conf").write_text(AUTOSUSPEND_LOGGING)
        command += ["-l", str(folder / "logging.conf")]
    command += ["-c", str(folder / "autosuspend.conf"), "daemon"]
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['AUTOSUSPEND']}/usr/lib/python3/dist-packages"}
    return started(
        command, folder, lambda: not verbose or "have been executed" in (folder / "log").read_text(), env=environment
    )


def original(folder: Path, port: int = PORT) -> contextlib.AbstractContextManager[Client]:
    """Start the original's design; ready when it has looked for the first time."""
    return module("bench.baselines.psutil_poller", folder, PROGRAM, str(port))


def module(name: str, folder: Path, *arguments: str) -> contextlib.AbstractContextManager[Client]:
    """Start a module that prints "ready"."""
    command = [sys.executable, "-m", name, *arguments]
    return started(command, folder, lambda: "ready" in (folder / "log").read_text())


def clients(absent: float) -> dict[str, Callable[[Path], contextlib.AbstractContextManager[Client]]]:
    """Return what starts each of those that are compared."""
    return {
        ORIGINAL: original,
        AUTOSUSPEND: autosuspend,
        OURS: lambda folder: powernapd(folder, absent=absent),
        OURS_EVENTS: lambda folder: powernapd(folder, absent=absent, more=EVENTS),
    }
