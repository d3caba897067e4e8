# SPDX-License-Identifier: GPL-3.0-or-later
"""The design of the original powernapd, re-created with psutil: once a second it looks at everything.

Terminals, load, processes whose command line holds PROGRAM, connections on PORT. Prints "ready" after the first look,
and from then on what it sees, with the time (seconds of CLOCK_MONOTONIC).
"""

import os
import re
import sys
import time
from pathlib import Path

import psutil

PROGRAM, PORT = re.compile(rf"(^|/){re.escape(sys.argv[1])}(\s|$)"), int(sys.argv[2])


def seen() -> list[str]:
    """Return the kinds of activity that there are now."""
    terminals = max((path.stat().st_atime for path in Path("/dev/pts").iterdir()), default=0)
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    connections = psutil.net_connections("inet")
    found = {
        "terminal": time.time() - terminals < 1,
        "load": os.getloadavg()[0] > (os.cpu_count() or 1),
        "process": any(PROGRAM.search(line) for line in lines),
        "connection": any(
            item.laddr and item.laddr.port == PORT and item.status == psutil.CONN_ESTABLISHED for item in connections
        ),
    }
    return [kind for kind, there in found.items() if there]


seen()
print("ready", flush=True)
while True:
    for kind in seen():
        print(kind, time.monotonic(), flush=True)
    time.sleep(1)
