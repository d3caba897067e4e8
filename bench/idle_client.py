# SPDX-License-Identifier: GPL-3.0-or-later
"""An idle powernapd against a 1 Hz psutil poller with the same monitors: CPU and wakeups per second, memory.

Both run at the same time for SECONDS (environment POWERNAP_BENCH_SECONDS, default 120) on a machine with OTHERS idle
processes; CPU is the time that the scheduler gave, wakeups are voluntary context switches, both of all
threads (schedstat and status in proc(5)).
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.table import table
from bench.until import until

SECONDS = float(os.environ.get("POWERNAP_BENCH_SECONDS", "120"))
OTHERS = 300
ABSENT_SECONDS = 300
CONFIG = f"""
[nap]
mode = "observe"
virtualization = "none"
absent_seconds = {ABSENT_SECONDS}
require_wake_on_lan = false
[monitors.terminals]
kind = "console"
[monitors.load]
kind = "load"
threshold = "n"
[monitors.jobs]
kind = "process"
pattern = '(^|/)(apt|dpkg|dnf|borg|restic)(\\s|$)'
[monitors.services]
kind = "tcp"
ports = [22, 80, 443]
[monitors.quic]
kind = "udp"
ports = [443]
"""


def cost(pid: int) -> tuple[float, int, float]:
    """Return CPU seconds, voluntary context switches and resident megabytes of all threads of a process."""
    cpu, switches = 0.0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text().split()[0]) / 1e9
        switches += int((task / "status").read_text().partition("voluntary_ctxt_switches:")[2].split()[0])
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return cpu, switches, resident


def own_terminals() -> None:
    """Leave the terminals of whoever runs this out of it: an idle machine has none that come and go."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "devpts", "-o", "newinstance", "devpts", "/dev/pts"], check=True)


def main() -> None:
    own_terminals()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "powernapd.toml").write_text(CONFIG)
        daemon_log = stack.enter_context((folder / "log").open("w"))
        idle = [subprocess.Popen(["sleep", "3600"]) for _ in range(OTHERS)]
        control = folder / "control.sock"
        daemon = subprocess.Popen(
            [sys.executable, "-m", "powernap", "powernapd", "--config", str(folder / "powernapd.toml"),
             "--state-dir", str(folder), "--control-socket", str(control)],
            stderr=daemon_log,
        )  # fmt: skip
        poller = subprocess.Popen([sys.executable, "-m", "bench.baselines.psutil_poller"], stdout=subprocess.PIPE)
        stack.callback(lambda: [process.kill() for process in (daemon, poller, *idle)])
        until(control.exists, f"control socket of powernapd ({(folder / 'log').read_text()})")
        poller.stdout.readline()
        time.sleep(3)  # past the start
        names = {"psutil at 1 Hz": poller.pid, "powernapd": daemon.pid}
        before = {name: cost(pid) for name, pid in names.items()}
        time.sleep(SECONDS)
        figures = {}
        for name, pid in names.items():
            after = cost(pid)
            figures[name] = {
                "CPU ms per s": (after[0] - before[name][0]) * 1000 / SECONDS,
                "wakeups per s": (after[1] - before[name][1]) / SECONDS,
                "RSS MB": after[2],
            }
    others = f"{OTHERS} other processes, absent_seconds = {ABSENT_SECONDS}, {SECONDS:g} s"
    print(table(f"Idle client ({others})", figures, "psutil at 1 Hz"))


main()
