# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as tests, the demo and the command line see it: bring it up, look, run things on hosts, take it down."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import re
import secrets
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

from . import image, inventory, keeper, topology
from .enter import Entrance
from .errors import LabError

DEFAULT_DIR = "/run/powernap-lab"
_PROGRAMS = {"ip": "iproute2", "nft": "nftables", "ssh-keygen": "openssh-client", "nsenter": "util-linux"}
_INOTIFY_PER_HOST = 8
_UP_SECONDS = 120.0  # six hosts take 2 s, and in an emulated machine on busy cores 50
OLDEST_KERNEL = (5, 16)  # nft egress hooks; cgroup.kill is older
_ROOT = pathlib.Path(__file__).resolve().parents[4]  # collections/, on which ansible_collections is found


def default_dir() -> pathlib.Path:
    return pathlib.Path(os.environ.get("POWERNAP_LAB_DIR") or DEFAULT_DIR)


def check_machine() -> None:
    """Raises LabError with the remedy where the lab cannot run."""
    if os.geteuid() != 0:
        raise LabError("scripts/lab needs root (network namespaces and mounts): run it with sudo")
    for program, package in _PROGRAMS.items():
        if not shutil.which(program):
            raise LabError(f"{program} is missing: run 'apt-get install {package}'.")
    limit = pathlib.Path("/proc/sys/user/max_user_namespaces")
    if not pathlib.Path("/proc/self/ns/user").exists() or (limit.exists() and int(limit.read_text()) < 1):
        raise LabError("this kernel allows no user namespace: run 'sysctl user.max_user_namespaces=1000'.")
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release and tuple(map(int, release.groups())) < OLDEST_KERNEL:
        raise LabError(
            f"the lab needs Linux {'.'.join(map(str, OLDEST_KERNEL))} or newer, and this is {os.uname().release}."
        )


def check_limits(hosts: int) -> None:
    """Raises LabError where the kernel gives fewer inotify instances than that many hosts with systemd need."""
    key = "fs.inotify.max_user_instances"
    limit, needed = int(pathlib.Path("/proc/sys", *key.split(".")).read_text()), hosts * _INOTIFY_PER_HOST
    if limit < needed:
        raise LabError(f"{hosts} hosts need {needed} inotify instances, and {key} is {limit}: 'sysctl {key}={needed}'.")


class Lab:
    """A running lab. Use Lab.up() or Lab.attach(); as a context manager it goes down at the end."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    @classmethod
    def up(cls, topology_path=None, folder=None, say=lambda text: None, wait=True) -> Lab:
        """Start the hosts of a topology (a TOML file, the datacenter if None) and wait until all have booted.
        Raises LabError."""
        check_machine()
        topology_path = pathlib.Path(topology_path or topology.DEFAULT).resolve()
        specs = topology.load(topology_path).hosts
        hosts = list(specs)
        check_limits(len(hosts))
        lab = cls(pathlib.Path(folder or default_dir()).resolve())
        bases = image.ensure(say, {spec.distribution for spec in specs.values()})
        lab._make_folder()
        say(f"starting {len(hosts)} hosts: {' '.join(hosts)}")
        try:
            lab._start(topology_path, bases)
            if wait:
                lab.wait_state(hosts, "awake", _UP_SECONDS)
        except BaseException:
            lab.down(keep_log=True)
            raise
        (lab.folder / "inventory.yml").write_text(inventory.render(lab))
        return lab

    @classmethod
    def attach(cls, folder=None) -> Lab:
        """A lab that is up already; raises LabError."""
        if os.geteuid() != 0:
            raise LabError("scripts/lab needs root (network namespaces and mounts): run it with sudo")
        lab = cls(pathlib.Path(folder or default_dir()).resolve())
        lab.ask("status")
        return lab

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_error) -> None:
        self.down()

    def _make_folder(self) -> None:
        if self.folder.exists():
            if not self._is_lab():
                raise LabError(f"{self.folder} exists and is no lab's folder: choose another with --dir.")
            if self._is_kept():
                raise LabError(f"a lab is up in {self.folder} already: 'scripts/lab down' first, or another --dir.")
            keeper.remove(self.folder)
        self.folder.mkdir(parents=True, mode=0o755)
        self.folder.chmod(0o755)
        for parent in self.folder.parents:
            if not parent.stat().st_mode & stat.S_IXOTH:
                self.folder.rmdir()
                raise LabError(
                    f"{parent} cannot be entered by the lab's user namespace: choose a --dir elsewhere, such as "
                    f"{DEFAULT_DIR}."
                )

    def _is_lab(self) -> bool:
        names = {entry.name for entry in self.folder.iterdir()}
        return not names or bool(names & {keeper.LOCK, "lab.log"})

    def _is_kept(self) -> bool:
        """Its keeper lives."""
        with contextlib.suppress(FileNotFoundError), (self.folder / keeper.LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _start(self, topology_path: pathlib.Path, bases: dict) -> None:
        reading, writing = os.pipe()
        module = "ansible_collections.powernap.lab.plugins.module_utils.keeper"
        given = [str(self.folder), str(topology_path), json.dumps(bases, default=str), str(writing)]
        command = [sys.executable, "-S", "-m", module, *given]
        if pathlib.Path("/run/systemd/system").is_dir():  # a part of the machine's tree that its systemd leaves to us
            scope = ["systemd-run", "--scope", "--quiet", "--collect", "-p", "Delegate=yes"]
            command = [*scope, f"--unit=powernap-lab-{secrets.token_hex(4)}", *command]
        with (self.folder / "lab.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writing], start_new_session=True,
                cwd="/", env=dict(os.environ, PYTHONPATH=str(_ROOT), PYTHONDONTWRITEBYTECODE="1"),
            )  # fmt: skip
        os.close(writing)
        self._keeper = process
        with os.fdopen(reading, "rb") as answer:
            text = answer.read().decode()
        if text != "ready":
            process.wait(30)
            last = (text or (self.folder / "lab.log").read_text()).strip().splitlines()
            raise LabError(
                "the lab did not start: {} (all of it: {}).".format(last[-1] if last else "no reason", self._log())
            )

    def _log(self) -> pathlib.Path:
        return image.cache() / "failed.log"

    def down(self, keep_log: bool = False) -> None:
        """End everything and remove it. No error where nothing is up."""
        if not self.folder.exists():
            return
        if not self._is_lab():
            raise LabError(f"{self.folder} is no lab's folder.")
        if keep_log and (self.folder / "lab.log").exists():
            shutil.copyfile(self.folder / "lab.log", self._log())
        until = time.monotonic() + 30
        while self._is_kept():
            with contextlib.suppress(OSError, ValueError, KeyError):
                os.kill(json.loads((self.folder / keeper.STATE).read_text())["keeper"], signal.SIGTERM)
            if time.monotonic() > until:
                raise LabError(f"the lab in {self.folder} does not end: see its lab.log.")
            time.sleep(0.02)
        if getattr(self, "_keeper", None):
            self._keeper.wait(30)
        keeper.remove(self.folder)

    def ask(self, command: str, within: float = 30.0, **fields) -> dict:
        """One command to the supervisor, answered within so many seconds; raises LabError."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(within)
                connection.connect(str(self.folder / "control.sock"))
                connection.sendall(json.dumps(dict(fields, command=command)).encode() + b"\n")
                text = connection.makefile("rb").read()
            if not text:
                raise LabError(f"the lab in {self.folder} ended meanwhile: somebody took it down, or see its lab.log.")
            answer = json.loads(text)
        except FileNotFoundError:
            raise LabError(f"no lab is up in {self.folder}: 'scripts/lab up' first.") from None
        except (OSError, ValueError) as error:
            raise LabError(f"the lab in {self.folder} does not answer ({error}): see its lab.log.") from None
        if "error" in answer:
            raise LabError(answer["error"])
        return answer

    def hosts(self) -> dict:
        """Name -> {"state", "since", "ipv4", "ipv6", "mac", "pid", "groups", "virtual", "settings", ...}."""
        return self.ask("status")["hosts"]

    def host(self, name: str) -> dict:
        hosts = self.hosts()
        if name not in hosts:
            raise LabError("this lab has no host {}; it has {}.".format(name, ", ".join(hosts)))
        return hosts[name]

    def state(self, name: str) -> str:
        """off, booting, awake or asleep."""
        return self.host(name)["state"]

    def wait_state(self, names, state: str, timeout: float = 30.0) -> None:
        """names: one or several. Raises LabError when one is in another state still after timeout seconds."""
        names = [names] if isinstance(names, str) else list(names)
        self.ask("wait", within=timeout + 10, hosts=names, state=state, timeout=timeout)

    def events(self, since: int = 0) -> list:
        """[{"id", "time" (unix, seconds), "host", "event", "detail"}], oldest first, those with id > since."""
        return self.ask("events", since=since)["events"]

    def set(self, name: str, key: str, value) -> None:
        """resume_delay SECONDS, deaf_to_magic N, suspend ok|fail, loadavg N, ac on|off. Raises LabError."""
        self.ask("set", host=name, arguments=[key, str(value)])

    def cut(self, name: str) -> None:
        """Pull the plug: it is off at once, and no magic packet wakes it before button()."""
        self.ask("cut", host=name)
        self.wait_state(name, "off", 10)

    def button(self, name: str) -> None:
        """Plug in, and press the power button."""
        self.ask("button", host=name)

    def entrance(self, name: str) -> Entrance:
        """How to run something on a host, or, with the name ctl, on its network only."""
        return Entrance(self, name)

    def run(self, name: str, command, check: bool = True, timeout: float = 30.0, input: str | None = None):
        """Run a command (a list, or a string for sh) on an awake host, or beside the switch with the name ctl.
        Returns CompletedProcess with text; raises LabError when it fails (check) or takes longer than timeout."""
        process = self._start_command(name, command, input is not None)
        with process:
            try:
                out, err = process.communicate(input, timeout)
            except subprocess.TimeoutExpired:
                raise LabError(f"{name}: no end after {timeout:g} s: {shlex.join(process.args)}") from None
            finally:
                _end(process)
        return self._done(name, process, out, err, check)

    def order(self, name: str, command, check: bool = True, timeout: float = 30.0):
        """As run, for a command that sends its host to sleep or off: one that is caught by that has done its work, and
        has returncode 0."""
        process = self._start_command(name, command, False)
        until = time.monotonic() + timeout
        with process:
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        out, err = process.communicate(timeout=0.1)
                        return self._done(name, process, out, err, check)
                    if self.state(name) in ("asleep", "off"):
                        return subprocess.CompletedProcess(process.args, 0, "", "")
                    if time.monotonic() > until:
                        raise LabError(f"{name}: no end after {timeout:g} s: {shlex.join(process.args)}")
            finally:
                _end(process)

    def _start_command(self, name: str, command, has_input: bool) -> subprocess.Popen:
        command = ["sh", "-c", command] if isinstance(command, str) else [str(part) for part in command]
        entrance = self.entrance(name)
        process = subprocess.Popen(
            entrance.wrap(command), preexec_fn=entrance.enter, start_new_session=True, env=entrance.environment,
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        process.args = command
        return process

    @staticmethod
    def _done(name: str, process, out: str, err: str, check: bool) -> subprocess.CompletedProcess:
        if check and process.returncode:
            words = (err.strip() or out.strip() or "no output")[-2000:]
            raise LabError(f"{name}: exit status {process.returncode} of {shlex.join(process.args)}: {words}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _end(process) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)  # nsenter's child is in its session too
