# SPDX-License-Identifier: GPL-3.0-or-later
"""A fork storm: PER_SECOND short processes a second until SIGTERM; then how many there were, and their CPU seconds."""

import os
import resource
import signal
import sys
import time


def main() -> None:
    per_second = int(sys.argv[1])
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    print("ready", flush=True)
    begun, count = time.monotonic(), 0
    while not ended:
        behind = int((time.monotonic() - begun) * per_second) - count
        for _turn in range(min(behind, 100)):
            os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
            count += 1
        time.sleep(0.005)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(count / (time.monotonic() - begun), used.ru_utime + used.ru_stime)


main()
