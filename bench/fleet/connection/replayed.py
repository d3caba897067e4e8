# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to one host of the lab that is recorded, and to any number of hosts that answer as that one did.

To the controller nothing differs but that no ssh runs: it packs every module for every host, and judges every answer.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from bench.fleet import names

DOCUMENTATION = """
name: replayed
author: The PowerNap authors
short_description: A recorded host, or one that answers as it did
description: For bench/run fleet.
options:
  folder:
    description: Where the answers are kept.
    required: true
    vars: [{name: replayed_folder}]
  lab:
    description: The folder of a lab; the host of this name in it is recorded. Empty where answers are replayed.
    default: ""
    vars: [{name: replayed_lab}]
  seconds:
    description: How long a module takes on the host.
    type: float
    default: 0.3
    vars: [{name: replayed_seconds}]
  host:
    description: Its name. That of the inventory would be another's where a task is delegated.
    required: true
    vars: [{name: replayed_host}]
"""

_TEMPORARY = re.compile(r"ansible-tmp-[0-9.]+-[0-9]+-[0-9]+|tmp[a-z0-9_]{8}|\\.source[.a-z0-9_]*")
_IGNORED = {"checksum", "content", "_original_basename", "src", "owner", "group"}
_SHELL_SECONDS = 0.05  # what is no module: a directory made, a file sent


class Connection(ConnectionBase):
    transport = "replayed"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def close(self):
        self._connected = False

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._folder = Path(self.get_option("folder"))
        self._own = names.own("" if self.get_option("lab") else _given(in_data), self.get_option("host"))
        key, module, args = self._key(cmd, in_data or b"")
        if self.get_option("lab"):
            return self._record(key, cmd, in_data)
        return self._replay(key, module, args, cmd)

    def put_file(self, in_path, out_path):
        if self.get_option("lab"):
            done = self._on_lab(f"cat > {out_path}", Path(in_path).read_bytes())
            if done.returncode:
                raise AnsibleConnectionFailure(done.stderr.decode())
        else:
            time.sleep(_SHELL_SECONDS)

    def fetch_file(self, in_path, out_path):
        raise AnsibleConnectionFailure("replayed: no file is fetched in this benchmark")

    def _key(self, cmd, in_data):
        """What is asked, the same for all hosts and runs: (key, module, its arguments)."""
        found = re.search(rb"^module_fqn='([^']+)',$", in_data, re.M)
        given = _given(in_data)
        if not found or not given:
            words = self._common(cmd)
            return "shell " + hashlib.sha256(words.encode()).hexdigest()[:16], "", words
        args = json.loads(ast.literal_eval(given))["ANSIBLE_MODULE_ARGS"]
        kept = {k: v for k, v in args.items() if not k.startswith("_ansible") and k not in _IGNORED}
        module = found.group(1).decode().rpartition(".")[2]
        text = self._common(json.dumps(kept, sort_keys=True))
        return f"{module} {hashlib.sha256(text.encode()).hexdigest()[:16]}", module, args

    def _common(self, text):
        """As the recorded host would be asked."""
        for theirs, mine in self._own.items():
            text = text.replace(mine, theirs)
        return _TEMPORARY.sub("TEMPORARY", text)

    def _on_lab(self, command, data):
        sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))
        from ansible_collections.powernap.lab.plugins.module_utils.client import Lab

        entrance = Lab(Path(self.get_option("lab"))).entrance(self.get_option("host"))
        inside = entrance.wrap(["sh", "-c", command])
        more = {"preexec_fn": entrance.enter, "env": entrance.environment, "input": data or b""}
        return subprocess.run(inside, capture_output=True, check=False, **more)

    def _record(self, key, cmd, in_data):
        begun = time.monotonic()
        done = self._on_lab(cmd, in_data)
        kept = {"rc": done.returncode, "out": done.stdout.decode(), "seconds": round(time.monotonic() - begun, 3)}
        with (self._folder / "answers.jsonl").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps({"key": key, **kept}) + "\n")
        return done.returncode, done.stdout, done.stderr

    def _replay(self, key, module, args, cmd):
        time.sleep(self.get_option("seconds") if module else _SHELL_SECONDS)
        made = re.search(r'echo "?(ansible-tmp-[0-9.-]+)=', cmd.replace("` echo ", ""))
        if made:
            name = made.group(1)
            return 0, f"{name}=/root/.ansible/tmp/{name}\n".encode(), b""
        if module == "powerwake_client" and args.get("hosts"):
            return 0, _registered(args["hosts"], self._folder), b""
        answer = _answers(self._folder).get(key)
        if answer is None:
            if not module:  # permissions of what was sent, and its removal
                return 0, b"", b""
            return 1, b"", f"replayed: the recorded host was never asked this: {module} {args}".encode()
        out = answer["out"]
        for theirs, mine in self._own.items():
            out = out.replace(theirs, mine)
        return answer["rc"], self._as_left(module, args, out).encode(), b""

    def _as_left(self, module, args, out):
        """The sum of a file is that of what was written to this host, not to the recorded one."""
        state = self._folder.parent / "state" / self.get_option("host")
        if module == "copy" and args.get("checksum"):
            left = json.loads(state.read_text()) if state.exists() else {}
            state.parent.mkdir(exist_ok=True)
            state.write_text(json.dumps({**left, args["dest"]: args["checksum"]}))
        if module == "stat" and state.exists() and '"checksum"' in out:
            mine = json.loads(state.read_text()).get(args["path"])
            if mine:
                return re.sub(r'"checksum": "[0-9a-f]+"', f'"checksum": "{mine}"', out)
        return out


def _registered(hosts, folder):
    """As the wake server answered for one host. For 10,000 it needs 4 s (bench/run wake)."""
    for key, answer in _answers(folder).items():
        if key.startswith("powerwake_client "):
            told = json.loads(answer["out"])
            told["hosts"] = [dict(told["hosts"][0], name=host["name"]) for host in hosts]
            return json.dumps(told).encode()
    return b""


def _given(in_data):
    """The arguments of a module, as its wrapper has them; empty for what is no module."""
    found = re.search(rb"^params=(.+),$", in_data or b"", re.M)
    return found.group(1).decode() if found else ""


_cache: dict = {}


def _answers(folder):
    if folder not in _cache:
        lines = (folder / "answers.jsonl").read_text().splitlines()
        _cache[folder] = {each["key"]: each for each in map(json.loads, lines)}
    return _cache[folder]
