# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done once for a batch of machines does not depend on which of them is the first.

The hosts are this machine, in check mode, and no wake server runs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
ONES_OWN = {"powernap_config": {"nap": {"virtualization": "none"}}}
OUTSIDE = {"powernap_config": {"nap": {"virtualization": "none"}, "server": {"url": "https://wake9.example.org:20709"}}}
GUEST = {"powernap_config": {"nap": {"virtualization": "vm"}}}


def register(folder: Path, **clients: Any) -> str:
    """Return what site.yml says of registering these, the first of which is the first of the batch."""
    file = folder / "inventory.yml"
    hosts = {name: {**HERE, **variables} for name, variables in clients.items()}
    file.write_text(json.dumps({"wake_servers": {"hosts": {"wake1": HERE}}, "clients": {"hosts": hosts}}))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(folder / "ansible")}
    options = ["--check", "--limit", "clients", "--tags", "register", "-e", '{"powernap_serial": ["100%"]}']
    command = [PLAYBOOK, "powernap.powernap.site", "-i", file, *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    found = re.search(r"TASK \[[^\n]*Register the machines[^\n]*\n(.*?)\n\n", done.stdout, re.DOTALL)
    assert found, done.stdout + done.stderr
    return found.group(1)


def test_whoever_is_first_in_a_batch_keeps_none_from_being_registered(tmp_path: Path) -> None:
    assert "wake1" in register(tmp_path, guest1=GUEST, web1=OUTSIDE, web2=ONES_OWN)
