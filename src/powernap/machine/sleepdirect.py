# SPDX-License-Identifier: GPL-3.0-or-later
"""Sleep without logind: /sys/power/state and poweroff(8). Blocks until the machine runs again.

Sources: Documentation/admin-guide/pm/sleep-states.rst, Documentation/ABI/testing/sysfs-power.
"""

from __future__ import annotations

import os
from pathlib import Path

from powernap.machine import hands
from powernap.shared.errors import PowernapError

POWER = Path("sys/power")
POWEROFF_SECONDS = 30
#: Of the clock that stands still during a sleep.
HANDS_SECONDS = 300.0


class NotSlept(PowernapError):
    """The machine did not sleep."""


def sleep(action: str, mem_sleep: str = "", root: Path = Path("/")) -> None:
    """Carry out suspend, hibernate, hybrid-sleep or poweroff. Raises NotSlept."""
    if hands.needed():
        try:
            hands.ask("sleep", HANDS_SECONDS, action=action, mem_sleep=mem_sleep)
        except hands.HandsError as error:
            raise NotSlept(str(error)) from None
    elif action == "poweroff":
        _power_off()
    elif action == "suspend":
        if mem_sleep:
            _write(root, "mem_sleep", mem_sleep)
        _enter(root, "mem" if "mem" in _offered(root, "state") else "freeze")
    elif action == "hibernate":
        _enter(root, "disk")
    elif action == "hybrid-sleep":
        before = _chosen(root, "disk")
        _write(root, "disk", "suspend")
        try:
            _enter(root, "disk")
        finally:
            if before:
                _write(root, "disk", before)
    else:
        raise NotSlept(f"{action} needs systemd-logind: choose another action")


def failure(root: Path = Path("/")) -> str:
    """Return what the kernel noted of the last suspend that failed, or ""."""
    stats = root / POWER / "suspend_stats"
    device, step, number = (
        _text(stats / name) for name in ("last_failed_dev", "last_failed_step", "last_failed_errno")
    )
    if not step:
        return ""
    said = os.strerror(abs(int(number))) if number.lstrip("-").isdigit() and int(number) else "no reason given"
    return f"{device or 'the kernel'} refused to {step}: {said}"


def _enter(root: Path, state: str) -> None:
    if state not in _offered(root, "state"):
        raise NotSlept(
            f"this machine has no sleep state {state!r} (/sys/power/state offers "
            f"{' '.join(_offered(root, 'state')) or 'none'}): choose another action"
        )
    sleep_count = _text(root / POWER / "suspend_stats/fail")
    try:
        _write(root, "state", state)
    except NotSlept as error:
        why = failure(root) if _text(root / POWER / "suspend_stats/fail") != sleep_count else ""
        raise NotSlept(f"{error}{f' ({why})' if why else ''}") from None


def _write(root: Path, name: str, value: str) -> None:
    file = root / POWER / name
    if not file.exists():  # a write must never make a file
        raise NotSlept(f"this kernel has no /sys/power/{name}: choose another action")
    try:
        with file.open("r+") as stream:
            stream.write(value)
    except OSError as error:
        raise NotSlept(f"/sys/power/{name} cannot be set to {value!r}: {error.strerror}") from error


def _offered(root: Path, name: str) -> list[str]:
    return _text(root / POWER / name).replace("[", "").replace("]", "").split()


def _chosen(root: Path, name: str) -> str:
    chosen = [word for word in _text(root / POWER / name).split() if word.startswith("[")]
    return chosen[0].strip("[]") if chosen else ""


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _power_off() -> None:
    import subprocess

    try:
        done = subprocess.run(["poweroff"], capture_output=True, text=True, timeout=POWEROFF_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotSlept(f"poweroff cannot be run: {error}") from error
    if done.returncode:
        raise NotSlept(f"poweroff failed: {(done.stderr or done.stdout).strip() or done.returncode}")
