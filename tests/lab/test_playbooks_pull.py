# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that pulls, with the playbook and the command line of docs/scale.md, until it asks to be known.

ansible-core and git are the test's: by a variable in the repository the machine that it would run on is reached by ssh.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import time

from channel import asked
from conftest import ROOT
from napping import install

TOPOLOGY = pathlib.Path(__file__).with_name("playbooks.toml")
PLAYBOOK = re.search(r"```yaml\n# site-pull\.yml.*?\n(.*?)```", (ROOT / "docs/scale.md").read_text(), re.DOTALL)[1]
UNIT = re.search(r"ansible-pull (.*) -U \S+ (.*)\n", (ROOT / "docs/scale.md").read_text())


def git(folder, *words):
    identity = ["-c", "user.name=Site", "-c", "user.email=site@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def pull(folder, options, rest):
    """(Exit status, what it printed) of the command line of the unit, for a repository below that folder."""
    environment = dict(
        os.environ,
        ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
        ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"),
        ANSIBLE_HOME=str(folder / "ansible"),
        ANSIBLE_SSH_CONTROL_PATH_DIR=str(folder / "cp"),
        ANSIBLE_NOCOLOR="1",
        PYTHONDONTWRITEBYTECODE="1",
    )
    program = pathlib.Path(sys.executable).parent / "ansible-pull"
    command = [program, *options.split(), "-U", f"file://{folder}/site.git", "-d", folder / "here", *rest.split()]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_machine_that_pulls_is_set_up_asks_to_be_known_and_pulls_no_more_until_something_changes(start_lab, tmp_path):
    with start_lab("pull", TOPOLOGY) as lab:
        install(lab, "wake1", "powerwaked", "powerwake")
        lab.run("wake1", "printf '[listen]\\n' >/etc/powernap/powerwaked.toml; systemctl start powerwaked", timeout=60)
        inventory = json.loads((lab.folder / "inventory.yml").read_text().removeprefix("---\n"))["all"]
        reached = {
            **inventory["vars"],
            **inventory["children"]["clients"]["hosts"]["web1"],
            "ansible_connection": "ssh",
        }
        site = tmp_path / "site"
        (site / "host_vars").mkdir(parents=True)
        (site / "site-pull.yml").write_text(PLAYBOOK.replace("wake1.example.org", "198.18.0.2"))
        (site / "host_vars" / "localhost.yml").write_text(json.dumps(reached))
        git(site, "init", "-q")
        git(site, "add", ".")
        git(site, "commit", "-q", "-m", "The site")
        git(tmp_path, "clone", "-q", "--bare", site, tmp_path / "site.git")

        status, said = pull(tmp_path, UNIT[1], UNIT[2])
        assert status == 0 and "failed=0" in said, said
        end = time.monotonic() + 60
        while not (pending := asked(lab, "pending")["pending"]) and time.monotonic() < end:
            time.sleep(0.5)
        assert [each["name"] for each in pending] == ["web1"]
        status, said = pull(tmp_path, UNIT[1], UNIT[2])
        assert status == 0 and "Repository has not changed" in said, said
