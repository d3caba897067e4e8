# SPDX-License-Identifier: GPL-3.0-or-later
"""From the ARP request on the wire to the magic packet on the wire: powerwaked against the original's design.

HOSTS sleeping hosts, each asked for once, among CHATTER requests for addresses that nobody has. Time from just before
the request is sent to the kernel's receive time stamp of the magic packet (SO_TIMESTAMPNS).
"""

import contextlib
import http.client
import json
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import segment
from bench.table import table
from bench.until import until
from powernap.shared import signing
from powernap.shared.wakeapi import Admin

HOSTS, CHATTER, RATE = 60, 600, 200
PORT = 20709
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
CONFIG = """
[listen]
port = {port}
admin_socket = "{folder}/admin.sock"
[registry]
path = "{folder}/registry.sqlite"
[wake]
wake_on = "arp"
probe_seconds = 0.05
"""
ADDRESSES = {f"198.18.1.{number}": f"02:4c:00:00:01:{number:02x}" for number in range(1, HOSTS + 1)}


class Asker:
    """Sends ARP requests at the asker's end and hears the magic packets."""

    def __init__(self) -> None:
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self.out.bind(("asker", 0x0806))
        self.mac = self.out.getsockname()[4]
        self.ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0842))
        self.ear.bind(("asker", 0x0842))
        self.ear.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)  # every repeated volley fits
        self.ear.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.ear.setblocking(False)

    def ask(self, address: str) -> float:
        request = struct.pack("!6s6sHHHBBH", b"\xff" * 6, self.mac, 0x0806, 1, 0x0800, 6, 4, 1)
        request += self.mac + socket.inet_aton(segment.ASKER_ADDRESS) + bytes(6) + socket.inet_aton(address)
        now = time.time()
        self.out.send(request)
        return now

    def heard(self) -> dict[str, float]:
        """Return the first magic packet for each MAC: when the kernel received it."""
        first: dict[str, float] = {}
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, control, _flags, _address = self.ear.recvmsg(256, 64)
                seconds, nanoseconds = struct.unpack("ll", control[0][2])
                mac = ":".join(f"{byte:02x}" for byte in frame[20:26])
                first.setdefault(mac, seconds + nanoseconds / 1e9)
        return first


def measure() -> dict[str, float]:
    """Ask for every host once, among the chatter; return the figures."""
    asker = Asker()
    order = [*ADDRESSES] + [f"198.18.{random.randrange(2, 200)}.{random.randrange(1, 250)}" for _ in range(CHATTER)]
    random.Random(1).shuffle(order)
    asked = {}
    for address in order:
        asked[address] = asker.ask(address)
        time.sleep(1 / RATE)
    time.sleep(1)
    heard = asker.heard()
    delays = sorted((heard[mac] - asked[address]) * 1e6 for address, mac in ADDRESSES.items() if mac in heard)
    if not delays:
        sys.exit("bench: no magic packet was heard")
    return {
        "p50 µs": statistics.median(delays),
        "p99 µs": delays[min(len(delays) - 1, round(0.99 * len(delays)))],
        "missed": HOSTS - len(delays),
    }


def scapy() -> dict[str, float]:
    pairs = [f"{address}={mac}" for address, mac in ADDRESSES.items()]
    command = segment.inside(sys.executable, "-m", "bench.baselines.scapy_powerwake", "eth0", *pairs)
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        server.stdout.readline()
        time.sleep(0.5)
        return measure()
    finally:
        server.kill()
        server.wait()


def powerwaked(folder: Path) -> dict[str, float]:
    (folder / "powerwaked.toml").write_text(CONFIG.format(port=PORT, folder=folder))
    command = [sys.executable, "-m", "powernap", "powerwaked", "--config", str(folder / "powerwaked.toml")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(segment.inside(*command), stderr=log)
    try:
        admin = Admin(str(folder / "admin.sock"))
        until(lambda: (folder / "admin.sock").exists(), f"powerwaked's start: see {folder}/log")
        for number, (address, mac) in enumerate(ADDRESSES.items()):
            name = f"host{number}"
            key = admin.put(f"/v1/hosts/{name}", {"macs": [mac], "addresses": [address]})["key"]
            fall_asleep(name, key, address, mac)
        until(
            lambda: all(host["state"] == "proxied" for host in admin.get("/v1/hosts")["hosts"]), "sleep of every host"
        )
        return measure()
    finally:
        server.kill()
        server.wait()


def fall_asleep(name: str, key: str, address: str, mac: str) -> None:
    body = json.dumps({
        "action": "suspend", "interfaces": [{"name": "eth0", "mac": mac, "addresses": [f"{address}/16"]}],
        "tcp_ports": "22", "udp_ports": "", "lease_seconds": 3600, "password": None,
    }).encode()  # fmt: skip
    path, sequence = f"/v1/hosts/{name}/asleep", time.time_ns()
    headers = {
        signing.SEQUENCE_HEADER: str(sequence),
        signing.SIGNATURE_HEADER: signing.sign(key, "POST", path, name, sequence, body),
    }
    connection = http.client.HTTPConnection(segment.SERVER_ADDRESS, PORT, timeout=5)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    if answer.status != 200:
        sys.exit(f"bench: {name} was not acknowledged: {answer.read().decode()}")


def main() -> None:
    segment.make()
    baseline = "scapy sniff and sendp (the original's design)"
    figures = {baseline: scapy()}
    with tempfile.TemporaryDirectory() as folder:
        figures["powerwaked"] = powerwaked(Path(folder))
    title = f"ARP request to magic packet ({HOSTS} sleeping hosts, {CHATTER} other requests, {RATE} requests/s)"
    print(table(title, figures, baseline))


main()
