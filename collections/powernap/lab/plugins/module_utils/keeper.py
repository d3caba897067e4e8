# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only part of the lab that is root of the machine. It prepares what needs that, starts the supervisor in a user
namespace of its own, waits for the end, and removes everything.

    python -m ...keeper FOLDER TOPOLOGY IMAGES READY_FD

IMAGES: JSON, distribution -> path.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import sys
import traceback

from . import cgroup, first_boot, image, kernel, topology
from .supervisor import Supervisor

STATE = "lab.json"
LOCK = "lock"


class Keeper:
    def __init__(self, folder: pathlib.Path, topology_path: str, bases: dict):
        self.folder, self.bases = folder, bases
        self.topology = topology.load(topology_path)
        self.group = None
        self.child = 0
        self.lock = (folder / LOCK).open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def prepare(self) -> dict:
        """Everything that the supervisor may not do itself. Returns the files of each host."""
        os.chown(self.folder, image.SHIFT, image.SHIFT)
        self.image_fds = [image.use(base) for base in self.bases.values()]
        first_boot.make_keys(self.folder)
        kernel.unshare(kernel.NEWNS)
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        cgroup.mount(self.folder / "cgroup")
        relative = f"{cgroup.own().rstrip('/')}/powernap-lab-{os.getpid()}"
        self.group = self.folder / "cgroup" / relative.lstrip("/")
        cgroup.create(self.group, image.SHIFT)
        cgroup.create(self.group / "supervisor", image.SHIFT)
        (self.folder / STATE).write_text(
            json.dumps({"keeper": os.getpid(), "cgroup": relative, "topology": str(self.topology.path)})
        )
        (self.folder / "hosts").mkdir()
        for name, spec in self.topology.hosts.items():
            cgroup.create(self.group / name, image.SHIFT)
            top = self.folder / "hosts" / name
            for part in ("", "upper", "work", "root"):
                (top / part).mkdir()
                os.chown(top / part, image.SHIFT, image.SHIFT)
            layers = f"lowerdir={self.bases[spec.distribution]},upperdir={top}/upper,workdir={top}/work"
            kernel.mount("lab-" + name, top / "root", "overlay", 0, layers)
        return {name: first_boot.files(spec, self.topology, self.folder) for name, spec in self.topology.hosts.items()}

    def start(self, files: dict, ready_fd: int) -> None:
        keeper = os.getpid()
        asked, asking = os.pipe()
        mapped, mapping = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            self._be_supervisor(files, ready_fd, asking, mapped, keeper)
        os.close(asking)
        os.close(mapped)
        if os.read(asked, 1) != b"x":
            raise OSError("the supervisor did not start")
        for kind in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{self.child}/{kind}").write_text(f"0 {image.SHIFT} {image.RANGE}\n")
        cgroup.join(self.group / "supervisor", self.child)
        os.write(mapping, b"x")
        os.close(asked)
        os.close(mapping)

    def _be_supervisor(self, files: dict, ready_fd: int, asking: int, mapped: int, keeper: int) -> None:
        """Never returns. From unshare on this is nobody outside: whatever must be read there has been read."""
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            supervisor = Supervisor(self.topology, self.folder, self.group, files)
            kernel.new_user_namespace(image.SHIFT + 1 + keeper % (image.RANGE - 1), kernel.NEWNS | kernel.NEWNET)
            os.write(asking, b"x")
            os.read(mapped, 1)
            os.setresgid(0, 0, 0)
            os.setgroups([])
            os.setresuid(0, 0, 0)
            kernel.die_with_parent()
            if os.getppid() != keeper:  # it died before it could take this one along
                os._exit(1)
            os.umask(0o022)

            def ready() -> None:
                os.write(ready_fd, b"ready")
                os.close(ready_fd)

            supervisor.run(ready)
        except BaseException:  # noqa: BLE001 - nothing is above this in the new process
            with contextlib.suppress(OSError):
                os.write(ready_fd, traceback.format_exc().encode())
            traceback.print_exc()
        finally:
            os._exit(1)

    def wait(self) -> None:
        """Until the supervisor ends or this process is told to (SIGTERM)."""
        os.waitpid(self.child, 0)

    def clean(self) -> None:
        """End what is left, and remove it; the log stays where somebody has to read it."""
        if self.group is not None:
            cgroup.kill(self.group)
            if self.child:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.child, 0)
            cgroup.wait_empty(self.group)
            cgroup.remove(self.group)


def main(arguments) -> int:
    folder, topology_path, bases, ready_fd = pathlib.Path(arguments[0]), arguments[1], arguments[2], int(arguments[3])
    stopped = []

    def stop(*_) -> None:
        stopped.append(True)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    keeper = Keeper(folder, topology_path, json.loads(bases))
    try:
        files = keeper.prepare()
        keeper.start(files, ready_fd)
        os.close(ready_fd)
        keeper.wait()
    except Exception:  # noqa: BLE001 - whoever asked for the lab shows it
        with contextlib.suppress(OSError):
            os.write(ready_fd, traceback.format_exc().encode())
        traceback.print_exc()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keeper.clean()
    return 0 if stopped else 1


def remove(folder: pathlib.Path) -> None:
    """Remove a lab's folder once nothing runs in it; what a killed keeper left of its cgroup goes too."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        relative = json.loads((folder / STATE).read_text())["cgroup"]
        for mounted in _cgroup_mounts():
            # The hosts end with their keeper, but not in the same instant.
            cgroup.wait_empty(pathlib.Path(mounted + relative))
            cgroup.remove(pathlib.Path(mounted + relative))
    if folder.exists():
        shutil.rmtree(folder / "ssh", ignore_errors=True)  # of connections of Ansible, which end just now
        shutil.rmtree(folder)


def _cgroup_mounts() -> list:
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[2] == "cgroup2"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
