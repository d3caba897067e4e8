# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root sees of this machine, for what the configuration has a monitor, and no more of it than that needs."""

from __future__ import annotations

import os
import re
import time
from dataclasses import asdict
from typing import Any

from powernap.machine import clocks
from powernap.machine.inotify import Inotify
from powernap.nap import monitors
from powernap.nap.background import beside
from powernap.nap.hands.means import Means, Refused
from powernap.nap.watch import sentence_of

#: Monitors that look at files alone, and need none of what they saw before.
LOOKED = ("lock", "guest", "print", "jobs")
NODE = re.compile(r"event\d{1,6}")
#: What a monitor's kind needs to see of a folder that the unit of powernapd hides.
FOLDERS = {"proc": ("process",), "dev": ("console", "input")}


async def jobs(means: Means, _asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Crontabs and at's spool: when they run next."""
    from powernap.nap import jobs as gathering

    found, problems = await beside(lambda: gathering.of_files(time.time(), means.root))
    return {"jobs": [asdict(job) for job in found], "problems": list(problems)}


async def threats(means: Means, _asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """What turns Wake-on-LAN off; some of it is in files of root's."""
    from powernap.machine import wolthreats

    return {"threats": list(await beside(lambda: wolthreats.find(means.root)))}


async def look(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """One look of a monitor."""
    section = means.monitor(asked.get("monitor"), *LOOKED)
    monitor = monitors.KINDS[section.kind](section.name, section.values)
    try:
        await monitor.ask()
        return {"reading": asdict(monitor.look(clocks.now()))}
    except OSError as error:
        return {"reading": {"name": section.name, "kind": section.kind, "error": sentence_of(error)}}
    finally:
        monitor.close()


async def extra(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Run a monitor's program."""
    from powernap.machine import outside

    values = means.monitor(asked.get("monitor"), "extra").values
    finished = await outside.run(values["command"], seconds=values["seconds"], user=values["user"])
    return {"status": finished.status, "output": finished.output}


async def io(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """What matching processes read and wrote so far."""
    from powernap.nap.monitors.io import IoMonitor

    section = means.monitor(asked.get("monitor"), "io")
    monitor = IoMonitor(section.name, section.values)
    await monitor.ask()
    try:
        return {"moved": monitor.moved()}
    except OSError as error:
        return {"failed": sentence_of(error)}


async def standby(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """Which drives stand still; a list is an OSError."""
    from powernap.nap.monitors.disk import DiskMonitor

    section = means.monitor(asked.get("monitor"), "disk")
    monitor = DiskMonitor(section.name, section.values)
    await monitor.ask()
    return {
        "standby": {
            name: [sentence_of(said)] if isinstance(said, OSError) else said for name, said in monitor.standby.items()
        }
    }


async def containers(means: Means, _asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """The names that people gave their containers."""
    from powernap.machine import containers as engines

    means.has_monitor("container")
    return {"names": await beside(lambda: engines.names(means.root))}


async def process(means: Means, asked: dict[str, Any], _files: list[int]) -> dict[str, Any]:
    """When a process began, in ticks since the boot, "" where it has gone; and whose it is, -1 where nobody's."""
    from powernap.nap.leases import owner_of, start_of

    pid = asked.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool):
        raise Refused("pid: give a number")
    proc = means.root / "proc"
    return {"started": start_of(pid, proc), "owner": owner_of(pid, proc)}


async def input_device(means: Means, asked: dict[str, Any], files: list[int]) -> dict[str, Any]:
    """A keyboard or the like, to be held open."""
    means.has_monitor("input")
    node = str(asked.get("node", ""))
    if not NODE.fullmatch(node):
        raise Refused("node: give one such as event3")
    try:
        files.append(os.open(means.root / "dev/input" / node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror}
    return {}


async def terminals(means: Means, asked: dict[str, Any], files: list[int]) -> dict[str, Any]:
    """To be called when somebody types: that, not what."""
    from powernap.nap.monitors.console import ConsoleMonitor

    section = means.monitor(asked.get("monitor"), "console")
    keys = Inotify()
    try:
        ConsoleMonitor(section.name, section.values).watch_keys(keys)
    except OSError as error:
        keys.close()
        return {"errno": error.errno, "strerror": error.strerror}
    files.append(keys.fd)
    return {}


async def folder(means: Means, asked: dict[str, Any], files: list[int]) -> dict[str, Any]:
    """All processes, or the names of all devices: what everybody sees who is in no sandbox."""
    name = str(asked.get("name", ""))
    if name not in FOLDERS:
        raise Refused(f"name: it is one of {', '.join(FOLDERS)}")
    means.has_monitor(*FOLDERS[name])
    files.append(os.open(means.root / name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    return {}
