# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides of the documentation site, followed to the letter on hosts of the lab, one after the other."""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import sys

import pytest
from ansible_collections.powernap.lab.plugins.module_utils import inventory
from conftest import ROOT
from guidebook import Command, Elsewhere, File, prints, runs, steps

GUIDES = ROOT / "docs" / "docsite" / "rst"
ORDER = ("first_site", "profiles", "waking", "security", "troubleshooting")
#: The names of all hosts, as a name server would know them; seen by the reader's commands alone.
IN_PLACE = 'mount --bind "$0" /etc/hosts; exec "$@"'


class Reader:
    """Somebody at the host desk, with a folder of files, who does as the guides say."""

    def __init__(self, lab, folder: pathlib.Path) -> None:
        self.lab, self.folder = lab, folder
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
        hosts = "".join(f"{host['ipv4']} {name}\n" for name, host in lab.hosts().items())
        (folder / "names").write_text(f"127.0.0.1 localhost\n{hosts}")
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
            path.write_text(f"---\n{step.text}")
            return
        if step.host:
            done = self.lab.run(step.host, step.words, check=False, timeout=90)
        else:
            done = self._run(step.words)
            self._hang_up()
        output = done.stdout + done.stderr
        assert (done.returncode != 0) is step.fails, f"{step.words}\n{output}"
        for line in step.prints:
            assert prints(output, line), f"{step.words}\nshould print {line!r}:\n{output}"
        assert "UNREACHABLE" not in output and "Traceback" not in output, output

    def _run(self, words: str) -> subprocess.CompletedProcess[str]:
        net = f"--net=/proc/{self.lab.host('desk')['pid']}/ns/net"
        inside = ["nsenter", net, "--", "unshare", "--mount", "sh", "-c", IN_PLACE, self.folder / "names"]
        return subprocess.run(
            [*inside, "bash", "-c", words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def _hang_up(self) -> None:
        """End the ssh connections that Ansible keeps: their end is traffic, and wakes who sleeps by then."""
        for control in (self.folder / "cp").glob("*"):
            command = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab"]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=10)


@pytest.fixture(scope="module")
def reader(start_lab, tmp_path_factory):
    with start_lab("guides") as lab:
        yield Reader(lab, tmp_path_factory.mktemp("reader"))


def test_each_guide_is_here():
    assert {path.name for path in GUIDES.glob("*.rst")} == {f"{name}_guide.rst" for name in ORDER}


@pytest.mark.parametrize("name", ORDER)
def test_what_a_guide_says_works(reader, name):
    for step in steps(GUIDES / f"{name}_guide.rst"):
        if isinstance(step, (File, Command)):
            reader.does(step)


@pytest.mark.parametrize("name", ORDER)
def test_what_a_guide_leaves_to_another_test_is_run_there(name):
    for step in steps(GUIDES / f"{name}_guide.rst"):
        if isinstance(step, Elsewhere):
            assert runs((ROOT / step.test).read_text(), step.words), f"{step.test} does not run {step.words}"


def test_a_command_is_not_taken_for_run_where_its_words_are_in_other_commands():
    words = "powerwake canary web1"
    assert runs('said = powerwake(lab, "canary web1").stdout', words)
    assert runs('powerwake(lan, "canary", "web1", check=False)', words)
    assert not runs('powerwake(lab, "canary --clear web1")', words)
    assert not runs('powerwake(lab, "status web1")\nnap(lab, "canary web1")', words)
    assert not runs('powerwake(lab, "canary web10")', words)
