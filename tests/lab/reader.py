# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody at the host desk, who does what the documentation says with the programs of this checkout."""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import sys

from ansible_collections.powernap.lab.plugins.module_utils import inventory
from conftest import ROOT
from guidebook import Command, File, prints

#: Files of the reader's own in /etc, which nobody else sees.
IN_PLACE = 'mount -t overlay -o "lowerdir=$0:/etc" etc /etc && exec "$@"'


class Reader:
    """With a folder of files. The names of all hosts are known, as by a name server; ``names``: others, for a host."""

    def __init__(self, lab, folder: pathlib.Path, names: dict[str, str] | None = None) -> None:
        self.lab, self.folder, self.etc = lab, folder, folder / "etc"
        programs = folder / "bin"
        programs.mkdir()
        tree = subprocess.run([ROOT / "scripts/tree"], check=True, capture_output=True, text=True).stdout.strip()
        by_name = [f"-oUserKnownHostsFile={folder}/known_hosts", "-oStrictHostKeyChecking=accept-new"]
        by_name.append("-oLogLevel=ERROR")
        ssh = shlex.join(["/usr/bin/ssh", *by_name, *inventory.ssh_options(lab)[2:]])
        for name, command in {
            "ssh": ssh,
            "powerwake": f"env PYTHONPATH={tree} {sys.executable} -m powernap powerwake",
        }.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (programs / name).chmod(0o755)
        called = {**{name: name for name in lab.hosts()}, **(names or {})}
        hosts = "".join(f"{lab.host(host)['ipv4']} {name}\n" for name, host in called.items())
        self.etc.mkdir()
        (self.etc / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
        (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\nforks = 10\n")
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
            "ANSIBLE_PIPELINING": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def does(self, step: File | Command) -> None:
        if isinstance(step, File):
            path = self.folder / step.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"---\n{step.text}" if path.suffix == ".yml" else step.text)
            return
        if step.host:
            done = self.lab.run(step.host, step.words, check=False, timeout=90)
        else:
            done = self.run(step.words)
            self.hang_up()
        output = done.stdout + done.stderr
        assert (done.returncode != 0) is step.fails, f"{step.words}\n{output}"
        for line in step.prints:
            assert prints(output, line), f"{step.words}\nshould print {line!r}:\n{output}"
        assert "UNREACHABLE" not in output and "Traceback" not in output, output

    @property
    def inside(self) -> list[str]:
        """Words before a command, which so runs at the desk."""
        net = f"--net=/proc/{self.lab.host('desk')['pid']}/ns/net"
        return ["nsenter", net, "--", "unshare", "--mount", "sh", "-c", IN_PLACE, str(self.etc)]

    def run(self, words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.inside, "bash", "-c", words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def hang_up(self) -> None:
        """End the ssh connections that Ansible keeps: their end is traffic, and wakes who sleeps by then."""
        for control in (self.folder / "cp").glob("*"):
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab"]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)
