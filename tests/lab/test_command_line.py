# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/lab and the topology file say in one sentence what is wrong. No lab is needed."""

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.powernap.lab.plugins.module_utils import topology
from ansible_collections.powernap.lab.plugins.module_utils.errors import LabError

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "lab"


def run(*arguments, **options):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **options)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which needs root")
@pytest.mark.parametrize("command", [["up"], ["status"], ["down"]])
def test_without_root_it_says_so(command):
    code = f"import os, sys; sys.path.insert(0, {str(ROOT / 'collections')!r}); "
    code += "from ansible_collections.powernap.lab.plugins.module_utils import cli; os.setuid(65534); "
    code += f"sys.exit(cli.main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "lab: scripts/lab needs root (network namespaces and mounts): run it with sudo\n"
    assert done.returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="gets as far as this only as root")
def test_a_missing_program_is_named_with_its_package(tmp_path):
    done = run("--dir", "/run/powernap-lab-none", "up", env={"PATH": str(tmp_path)})
    assert done.stderr == "lab: ip is missing: run 'apt-get install iproute2'.\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="gets as far as this only as root")
def test_without_a_lab_it_says_so_and_down_is_no_error():
    done = run("--dir", "/run/powernap-lab-none", "status")
    assert done.stderr == "lab: no lab is up in /run/powernap-lab-none: 'scripts/lab up' first.\n"
    assert run("--dir", "/run/powernap-lab-none", "down").returncode == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[hosts.web1", "two.toml: is not TOML: "),
        ("", "two.toml: has no host; add a table [hosts.NAME]."),
        ("[host.web1]\nnumber = 3", "two.toml: unknown key host; a topology has only [hosts.NAME] tables."),
        ("[hosts.web1]\nnumbr = 3", "two.toml: hosts.web1.numbr: unknown key; known are number, "),
        ("[hosts.web1]", "two.toml: hosts.web1.number: must be given, from 1 to 250."),
        ("[hosts.web1]\nnumber = 251", "two.toml: hosts.web1.number: must be given, from 1 to 250."),
        ("[hosts.web1]\nnumber = true", "two.toml: hosts.web1.number: True is of the wrong type."),
        ("[hosts.a]\nnumber = 3\n[hosts.b]\nnumber = 3", "two.toml: hosts.b.number: 3 is a's already."),
        ("[hosts.WEB_1]\nnumber = 3", "two.toml: hosts.WEB_1: not a host name; "),
        ("[hosts.web1]\nnumber = 3\nwol = 'x'", "two.toml: hosts.web1.wol: 'x' is none of g, d, none."),
        (
            "[hosts.web1]\nnumber = 3\ndistribution = 'hurd'",
            "two.toml: hosts.web1.distribution: 'hurd' is none of debian-12, ",
        ),
        ("[hosts.web1]\nnumber = 3\nresume_delay = -1", "two.toml: hosts.web1.resume_delay: must not be negative."),
        (
            "[hosts.web1]\nnumber = 3\nfiles = {'etc/x' = 'y'}",
            "two.toml: hosts.web1.files: 'etc/x' must be an absolute",
        ),
    ],
)
def test_a_wrong_topology_is_explained(tmp_path, text, says):
    path = tmp_path / "two.toml"
    path.write_text(text)
    with pytest.raises(LabError) as caught:
        topology.load(path)
    assert str(caught.value).startswith(str(tmp_path) + "/" + says)


def test_a_topology_that_is_not_there_is_named():
    with pytest.raises(LabError, match=r"/none\.toml: cannot be read: No such file"):
        topology.load("/none.toml")
