# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody would try who has taken over powernapd. Runs on a host of the lab in the sandbox of powernapd's unit.

Says as JSON what came of each try: "" where it succeeded, else why not.
"""

import json
import os
import pathlib
import socket
import stat
import subprocess


def opened(path, flags=os.O_RDONLY):
    os.close(os.open(path, flags))


def asked(**request):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect("/run/powernap-hands.sock")
        sock.sendall(json.dumps(request).encode() + b"\n")
        said = json.loads(sock.makefile().readline())
    if "error" in said:
        raise OSError(said["error"])


def called(*words):
    done = subprocess.run(["busctl", "call", *words], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())


def a_disk():
    disks = [path for path in pathlib.Path("/dev").iterdir() if path.is_block_device()]
    if not disks:
        os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    opened(disks[0] if disks else "/tmp/disk")


def processes_of_others():
    processes = [path for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
    if all(path.stat().st_uid == os.getuid() for path in processes):
        raise OSError("none is there")


SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
LOGIN = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
TRIES = {
    "a knob": lambda: opened("/proc/sys/vm/laptop_mode", os.O_WRONLY),
    "sleep": lambda: opened("/sys/power/state", os.O_WRONLY),
    "passwords": lambda: opened("/etc/shadow"),
    "its own key by file": lambda: opened("/etc/powernap/client.key"),
    "the configuration": lambda: opened("/etc/powernap/powernapd.toml", os.O_WRONLY),
    "hands' journal": lambda: opened("/var/lib/powernap-hands/new", os.O_WRONLY | os.O_CREAT),
    "homes": lambda: list(pathlib.Path("/root").iterdir()),
    "a disk": a_disk,
    "a terminal": lambda: opened("/dev/tty1"),
    "keys": lambda: list(pathlib.Path("/dev/input").iterdir()),
    "processes of others": processes_of_others,
    "to become root": lambda: os.setuid(0),
    "to stop systemd": lambda: os.kill(1, 15),
    "a program as root": lambda: called(*SYSTEMD, "StartUnit", "ss", "nginx.service", "replace"),
    "logind's poweroff": lambda: called(*LOGIN, "PowerOff", "b", "false"),
    "hands: a program": lambda: asked(verb="act", kind="exec", command="/bin/sh"),
    "hands: a monitor's program": lambda: asked(verb="extra", monitor="backup"),
    "hands: any file": lambda: asked(verb="read", what="/etc/shadow"),
    "hands: no switch": lambda: asked(verb="wake-switch", path="/sys/devices/../../etc/passwd/power/wakeup"),
    "hands: keys": lambda: asked(verb="input", node="event0"),
    "hands: processes": lambda: asked(verb="folder", name="proc"),
    "hands: any folder": lambda: asked(verb="folder", name="etc"),
    "hands: a warning": lambda: asked(verb="warn", warning="wall", notice={"event": "warning", "text": "x"}),
    "hands: a key that is none": lambda: asked(verb="keep", what="server.key_file", text="root::0:0\n"),
    "hands: powersave": lambda: asked(verb="act", kind="powersave"),
    "hands: an unknown verb": lambda: asked(verb="run", command="id"),
    # what it must be able to do, so that the rest proves something
    "allowed: hands": lambda: asked(verb="jobs"),
    "allowed: its state": lambda: opened("/var/lib/powernapd/probe", os.O_WRONLY | os.O_CREAT),
    "allowed: the network": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
}


def tried(what):
    try:
        what()
    except (OSError, subprocess.SubprocessError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


print(json.dumps({name: tried(what) for name, what in TRIES.items()}))
