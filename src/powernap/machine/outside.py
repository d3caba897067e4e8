# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a site's own program outside of powernapd's sandbox: as a transient unit of systemd, where systemd runs.

Without systemd there is no sandbox either: then the program is a child with a process group of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powernap.shared.errors import PowernapError

#: sd_booted(3): systemd runs as the first process.
SYSTEMD = Path("/run/systemd/system")
#: What the default of systemd's services is, systemd.exec(5).
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What a program says beyond this is thrown away, in bytes.
OUTPUT_LIMIT = 64 * 1024
#: Between SIGTERM and SIGKILL; and how long output may come after the end, from children that left the group.
KILL_SECONDS = 1.0
#: systemd-run's and the shell's own time.
EXTRA_SECONDS = 3.0
KILLED = 255
CANNOT_RUN = (126, 127)
_number = itertools.count(1)


class ProgramError(PowernapError):
    """A program that was not run, or did not end in time."""


@dataclass(frozen=True)
class Finished:
    """``status``: the exit status, 255 after a signal; ``output``: what it said, errors included, 64 KiB at most."""

    status: int
    output: str

    def complaint(self) -> str:
        """Return "" for success, else how it ended and the last line that it said."""
        if self.status == 0:
            return ""
        last = (self.output.strip().splitlines() or [""])[-1]
        return f"ended with status {self.status}" + (f": {last[:200]}" if last else "")


async def run(
    argv: Sequence[str],
    *,
    seconds: float,
    user: str = "",
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end and kill all that it started. Raises ProgramError.

    It is killed after ``seconds``, or when the wait is cancelled. Without ``user`` it runs as root does.
    """
    environment = environment or {}
    if systemd_runs():
        unit = f"powernap-{os.getpid()}-{next(_number)}.service"
        words = _as_unit(argv, unit, seconds, user, environment)
        return await _child(argv[0], words, seconds, EXTRA_SECONDS, stdin, {}, unit)
    account = _account(user) if user else {}
    home = {name: account.pop(name) for name in ("HOME", "USER", "LOGNAME") if name in account}
    account["env"] = {"PATH": PATH, "LANG": "C.UTF-8", **home, **environment}
    return await _child(argv[0], argv, seconds, 0.0, stdin, account)


async def run_child(
    argv: Sequence[str], *, seconds: float, stdin: str = "", environment: Mapping[str, str] | None = None
) -> Finished:
    """The same, as a plain child: with this process' own rights and in its own sandbox. Raises ProgramError."""
    given = {"PATH": PATH, "LANG": "C.UTF-8", **(environment or {})}
    return await _child(argv[0], argv, seconds, 0.0, stdin, {"env": given})


def systemd_runs() -> bool:
    return SYSTEMD.is_dir()


def _as_unit(
    argv: Sequence[str], unit: str, seconds: float, user: str, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """systemd-run(1). The shell finds the program outside: in here /tmp is another, and drop-ins may hide /home."""
    options = ["--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}", "--description=Run by powernapd"]
    options += [f"--property=RuntimeMaxSec={seconds:.3f}", f"--property=TimeoutStopSec={KILL_SECONDS}"]
    options += [f"--uid={user}"] if user else []
    options += [f"--setenv={name}={value}" for name, value in environment.items()]
    words = ["/bin/sh", "-c", 'exec "$@"', "sh", *argv]
    return ("systemd-run", *options, "--", *(word.replace("$", "$$") for word in words))  # systemd.service(5)


def _account(user: str) -> dict[str, Any]:
    """Return what subprocess needs to become that user."""
    import pwd

    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise ProgramError(f"there is no user {user!r}") from error
    become: dict[str, Any] = {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user}
    if entry.pw_uid != os.geteuid():
        groups = os.getgrouplist(user, entry.pw_gid)
        become |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
    return become


async def _child(
    name: str, argv: Sequence[str], seconds: float, extra: float, stdin: str, more: dict[str, Any], unit: str = ""
) -> Finished:
    loop = asyncio.get_running_loop()
    output = _Output(loop)
    try:
        with os.fdopen(os.memfd_create("input"), "w+") as given:
            given.write(stdin)
            given.seek(0)
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=given, stdout=output.end, stderr=output.end, start_new_session=True, cwd="/", **more
            )
    except (OSError, ValueError) as error:
        output.close()
        reason = getattr(error, "strerror", None) or error
        raise ProgramError(f"{argv[0] if unit else name} cannot be run: {reason}") from error
    begun = loop.time()
    try:
        output.begin()
        await asyncio.wait_for(process.wait(), seconds + extra)
        late = bool(unit) and loop.time() - begun >= seconds
        _signal(process.pid, signal.SIGKILL)
        await asyncio.wait((output.ended,), timeout=KILL_SECONDS)
    except asyncio.TimeoutError:
        late = True
        await _kill(process, unit)
    except asyncio.CancelledError:
        await _kill(process, unit)
        raise
    finally:
        output.close()
    if late:
        raise ProgramError(f"{name} took longer than {seconds:g} s and was killed")
    status, text = process.returncode, output.content.decode(errors="replace")
    if unit and status in CANNOT_RUN and text.startswith("sh: "):
        raise ProgramError(f"{name} cannot be run: {text.splitlines()[0].rpartition(': ')[2]}")
    return Finished(KILLED if status is None or status < 0 else status, text)


class _Output:
    """Both outputs of a program. A pipe of our own: asyncio's would be waited for as long as any child holds it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pipe, self.end = os.pipe()
        os.set_blocking(self._pipe, False)
        self.content = bytearray()
        self.ended: asyncio.Future[None] = loop.create_future()

    def begin(self) -> None:
        os.close(self.end)
        self.end = -1
        self._loop.add_reader(self._pipe, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._pipe, OUTPUT_LIMIT)
        except BlockingIOError:
            return
        self.content += chunk[: OUTPUT_LIMIT - len(self.content)]
        if not chunk:
            self._loop.remove_reader(self._pipe)
            if not self.ended.done():
                self.ended.set_result(None)

    def close(self) -> None:
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        if self.end >= 0:
            os.close(self.end)


async def _kill(process: asyncio.subprocess.Process, unit: str) -> None:
    if unit:
        with suppress(OSError, asyncio.TimeoutError):
            killer = await asyncio.create_subprocess_exec("systemctl", "kill", "--signal=KILL", unit)
            await asyncio.wait_for(killer.wait(), EXTRA_SECONDS)
    else:
        _signal(process.pid, signal.SIGTERM)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), KILL_SECONDS)
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
