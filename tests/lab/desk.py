# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator's desk in the lab: Ansible, ssh and powerwake of this checkout, in the network of the host desk."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from ansible_collections.powernap.lab.plugins.module_utils import inventory
from channel import asked
from napping import authority

ROOT = Path(__file__).resolve().parents[2]


class Desk:
    """`more`: hosts of the group clients that are none of the lab's, and their addresses."""

    def __init__(self, lab, folder, more=()) -> None:
        self.lab, self.folder = lab, folder
        self.token, self.ca = folder / "token", folder / "ca.pem"
        self.token.write_text(asked(lab, "token create --role operator --name alice")["token"])
        self.token.chmod(0o600)
        self.ca.write_text(authority(lab))
        self.ssh = inventory.ssh_options(lab)[2:]  # straight, not by the lab's own way in
        hosts = inventory.data(lab)
        hosts["all"]["vars"]["ansible_ssh_common_args"] = " ".join(self.ssh)
        # Longer than a nap is in coming: a play finds the connections of the one before, to machines that sleep by now.
        hosts["all"]["vars"]["ansible_ssh_args"] = "-o ControlMaster=auto -o ControlPersist=300s"
        hosts["all"]["vars"]["ansible_control_path"] = "%(directory)s/%%h"
        hosts["all"]["children"]["clients"]["hosts"].update({name: {"ansible_host": where} for name, where in more})
        hosts["all"]["children"]["clients"]["vars"] = {"powernap_wake_server": "wake1"}
        self.sockets = Path(hosts["all"]["vars"]["ansible_control_path_dir"])
        (folder / "hosts.yml").write_text(json.dumps(hosts))
        (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\nforks = 10\n")

    def command(self, *words):
        """How it is run there."""
        return ["nsenter", f"--net=/proc/{self.lab.host('desk')['pid']}/ns/net", "--", *map(str, words)]

    def environment(self, **more):
        reach = {"POWERWAKE_TOKEN_FILE": str(self.token), "POWERWAKE_CA_FILE": str(self.ca)}
        tree = subprocess.run([ROOT / "scripts/tree"], check=True, capture_output=True, text=True).stdout.strip()
        return {**os.environ, **reach, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "PYTHONPATH": tree, **more}

    def run(self, *words, timeout=200, **more):
        """The completed process."""
        env = self.environment(**more)
        return subprocess.run(
            self.command(*words), check=False, capture_output=True, text=True, timeout=timeout, env=env
        )

    def playbook(self, hosts, *words, **more):
        """ansible-playbook with that inventory; (its exit status, what it has printed). Nobody is unreachable."""
        words = [sys.executable, "-m", "ansible", "playbook", "-i", hosts, *words]
        done = self.run(*words, ANSIBLE_NOCOLOR="1", **more)
        out = done.stdout + done.stderr
        assert "UNREACHABLE" not in out and "unreachable=0 " in out and "Traceback" not in out, out
        return done.returncode, out

    def play(self, *tasks, limit="clients", defaults=None, **more):
        """Run a play; (its exit status, what it has printed, what the first task returned by host)."""
        shown = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ here | to_json }}"}}
        first = {"name": "Be awake", "register": "here", **tasks[0]}
        play = {"name": "Work", "hosts": limit, "gather_facts": False, "module_defaults": defaults or {}}
        play["tasks"] = [first, shown, *tasks[1:]]
        file = self.folder / "play.yml"
        file.write_text(json.dumps([play]))
        status, out = self.playbook(self.folder / "hosts.yml", file, **more)
        said = re.findall(r'ok: \[(\w+)\] => \{\n    "msg": ("\{.*")\n\}', out)
        return status, out, {name: json.loads(json.loads(text)) for name, text in said}

    def powerwake(self):
        """The program, as a file."""
        program = self.folder / "powerwake"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m powernap powerwake "$@"\n')
        program.chmod(0o755)
        return program

    def connected(self, name):
        """Whether a connection to that machine is kept open."""
        return (self.sockets / self.lab.host(name)["ipv4"]).is_socket()

    def hang_up(self):
        for control in self.sockets.glob("*"):
            self.run("ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab")
