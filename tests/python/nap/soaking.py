# SPDX-License-Identifier: GPL-3.0-or-later
"""Random real activity against the real daemon: when it was, when the machine napped, and whether that fits.

Run by hand for as long as you like: python tests/python/nap/soaking.py SECONDS DAEMONS
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import itertools

from real_machine import Machine, Segment

ABSENT = 1.0
#: What a loaded machine with two cores may add to a nap that is due.
SLACK = 2.0
#: A failed try costs a wait of 1 s, and then there is the whole grace time.
FAILED = 1.5

CONFIG = """
[monitors.ssh]
kind = "tcp"
ports = [22]
[monitors.syslog]
kind = "udp"
ports = [514]
[monitors.work]
kind = "process"
pattern = "{work}"
[warnings.wall]
kind = "wall"
"""


class Timed(list):
    """Remembers when each was appended (CLOCK_MONOTONIC)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, item: str) -> None:
        self.times.append(time.monotonic())
        super().append(item)

    def when(self, wanted: str) -> list[float]:
        return [at for at, item in zip(self.times, self, strict=True) if item == wanted]


@dataclass
class Soak:
    """``busy``: (begin, end, what) of all that keeps the machine awake; ``naps``, ``wakes``: when it did."""

    machine: Machine
    chance: random.Random
    busy: list[tuple[float, float, str]] = field(default_factory=list)
    begun: float = 0.0
    ended: float = 0.0

    def prepare(self) -> None:
        folder = self.machine.folder
        # a name of its own: the kernel's ledger of short processes is machine-wide, and knows nothing but names
        self._work = folder / "bin" / f"w-{self.machine.segment.names['here']}"
        self._work.symlink_to("/bin/sleep")
        self.machine.logind.history = Timed()
        self.machine.logind.sleep_seconds = 0.05
        self.machine.write(
            nap="looks_per_period = 5\nbackoff_max_seconds = 1\n", more=CONFIG.format(work=self._work), absent=ABSENT
        )
        with self.machine.segment.on("here"):
            self._listener = socket.create_server(("0.0.0.0", 22))
            self._listener.settimeout(5)
        with self.machine.segment.on("there"):
            self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def run(self, seconds: float, pause: float = 5.0) -> None:
        """``pause``: the long ones; longer than the idle time, the grace time and the slack."""
        self.begun = time.monotonic()
        threading.Thread(target=self._stamp, daemon=True).start()
        deadline = self.begun + seconds
        kinds = [self._connection, self._connection, self._datagram, self._datagram, self._process]
        kinds += [self._process, self._inhibitor, self._refusal]
        while time.monotonic() < deadline:
            begun = time.monotonic()
            what = self.chance.choice(kinds)
            what()
            self.busy.append((begun, time.monotonic(), what.__name__.strip("_")))
            last = self.chance.choice([self.chance.uniform(0, 0.9), self.chance.uniform(0.9, 1.1), pause])
            time.sleep(last)
        # so long that the last, too, must be followed by a nap
        time.sleep(max(0.0, pause + FAILED - last))
        self.ended = time.monotonic()
        self._listener.close()
        self._datagrams.close()

    def _stamp(self) -> None:
        """Keep the log with the time of each line, for whoever looks for the cause."""
        with self.machine.log.open() as log, (self.machine.folder / "log.stamped").open("w", buffering=1) as stamped:
            while not self.ended:
                for line in log:
                    stamped.write(f"{time.monotonic() - self.begun:.2f} {line}")
                time.sleep(0.05)

    def _connection(self) -> None:
        """20 ms, or as long as it takes."""
        with self.machine.segment.on("there"):
            client = socket.create_connection(("198.18.0.1", 22), timeout=5)
        server, _address = self._listener.accept()
        client.sendall(b"x")
        server.recv(1)
        client.close()
        server.close()

    def _datagram(self) -> None:
        self._datagrams.sendto(b"x", ("198.18.0.1", 514))

    def _process(self) -> None:
        """Longer than the idle time: then a look falls into it, whether or not short ones are noted."""
        seconds = self.chance.uniform(ABSENT + 0.1, ABSENT + 1.5)
        subprocess.run([str(self._work), f"{seconds:.2f}"], check=True, timeout=30)

    def _inhibitor(self) -> None:
        self.machine.logind.block("sleep", "Backup", "copying disks")
        time.sleep(self.chance.uniform(0.1, 2.0))
        self.machine.logind.unblock()

    def _refusal(self) -> None:
        self.machine.server.status = 503
        time.sleep(self.chance.uniform(0.5, 2.5))
        self.machine.server.status = 200

    @property
    def naps(self) -> list[float]:
        return self.machine.logind.history.when("asleep")

    def early(self) -> list[str]:
        """Naps that began while something held, or sooner than ABSENT after an activity."""
        said = []
        for nap in self.naps:
            for begin, end, what in self.busy:
                rest = 0.0 if what in ("inhibitor", "refusal") else ABSENT
                # what begins just as the sleep is ordered comes too late to be seen
                if begin + 0.3 < nap < end + rest - 0.1:
                    said.append(f"a nap at {nap - self.begun:.2f} s, {what} from {begin - self.begun:.2f}")
        return said

    def missed(self) -> list[str]:
        """Times in which nothing kept it awake and it did not nap."""
        said = []
        spans = [*self.busy, (self.ended, self.ended, "the end")]
        for (_begin, end, what), (following, _end, _what) in itertools.pairwise(spans):
            bound = ABSENT + SLACK + (FAILED if what in ("refusal", "inhibitor") else 0.0)
            if following - end > bound and not any(end - 0.3 < nap < end + bound for nap in self.naps):
                then = next((nap for nap in self.naps if nap > end), self.ended)
                said.append(
                    f"no nap after {what} until {end - self.begun:.2f} s, but at {then - self.begun:.2f} "
                    f"(next activity: {following - self.begun:.2f})"
                )
        return said

    def late(self) -> list[float]:
        """Seconds from when a nap was due until it came."""
        wakes = self.machine.logind.history.when("awake")
        found = []
        for nap in self.naps:
            before = [end for _begin, end, _what in self.busy if end < nap] + [wake for wake in wakes if wake < nap]
            found.append(nap - max([self.begun, *before]) - ABSENT)
        return found


def soak(folder: Path, name: str, seconds: float, seed: int) -> Soak:
    """Make a machine, soak it, take it down."""
    folder.mkdir(parents=True, exist_ok=True)
    segment = Segment(name)
    try:
        machine = Machine(folder, segment)
        try:
            done = Soak(machine, random.Random(seed))
            done.prepare()
            machine.start()
            done.run(seconds)
            machine.stop()
            return done
        finally:
            machine.close()
    finally:
        segment.close()


def main(seconds: float, daemons: int) -> int:
    base = Path(tempfile.mkdtemp(prefix="soak"))
    results: list[Soak] = []
    # each daemon's namespaces are entered by the thread that drives it
    work = [
        threading.Thread(target=lambda n=number: results.append(soak(base / str(n), f"p{os.getpid()}x{n}", seconds, n)))
        for number in range(daemons)
    ]
    for thread in work:
        thread.start()
        time.sleep(0.5)
    for thread in work:
        thread.join()
    naps = sum(len(result.naps) for result in results)
    late = sorted(lateness for result in results for lateness in result.late())
    wrong = [sentence for result in results for sentence in (*result.early(), *result.missed())]
    print(f"{len(results)} daemons, {seconds:g} s each, {naps} naps, {len(wrong)} wrong", *wrong, sep="\n")
    print(f"late: median {late[len(late) // 2]:.3f} s, 99 % {late[len(late) * 99 // 100]:.3f} s, logs in {base}")
    return 1 if wrong or len(results) < daemons else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
