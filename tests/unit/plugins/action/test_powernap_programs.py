# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin powernap_programs: what it brings to a host, what packages are called there, what it refuses."""

from __future__ import annotations

import getpass
import subprocess
import sys

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.powernap.powernap.plugins.action import powernap_programs
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError

FOUND = {"family": "RedHat", "major": "9", "name": "AlmaLinux 9", "version": "3.12", "python": "/usr/bin/python3.12"}


@pytest.fixture
def plugin():
    """As it is for the host web1, before it has asked it anything."""
    made = powernap_programs.ActionModule.__new__(powernap_programs.ActionModule)
    made._loader, made._vars, made._interpreter = DataLoader(), {"inventory_hostname": "web1"}, "/usr/bin/python3"
    return made


def test_python_3_10_is_new_enough():
    old = [
        version for version in ("0", "2.7", "3.9", "3.10", "3.12") if powernap_programs.too_old({"version": version})
    ]
    assert old == ["0", "2.7", "3.9"]


def test_a_release_that_is_named_comes_before_its_family(plugin):
    assert plugin._here(FOUND)["__programs_interpreter_package"] == "python3.12"
    assert "__programs_interpreter_package" not in plugin._here(dict(FOUND, major="10"))
    assert plugin._here(dict(FOUND, major="10"))["__programs_packages_of"]["python3-prometheus-client"]
    assert plugin._here(dict(FOUND, family="Debian", major="12"))["__programs_listing"][0] == "dpkg-query"
    assert plugin._here(dict(FOUND, family="Plan9")) == {}


@pytest.mark.parametrize(("version", "what"), [("3.9", "Python 3.9"), ("0", "not there")])
def test_an_interpreter_that_is_too_old_or_not_there_is_refused(plugin, version, what):
    with pytest.raises(PowernapError, match=f"^powernap_python: /usr/bin/python3 is {what} on web1; PowerNap needs"):
        plugin._refuse_old(dict(FOUND, version=version))
    plugin._refuse_old(FOUND)


def test_modules_that_the_distribution_has_for_another_python_alone_are_refused_with_the_command(plugin):
    with pytest.raises(PowernapError, match=r"/usr/bin/python3.12 on web1 lacks aiohttp, .* pip3.12 install aiohttp$"):
        plugin._refuse_without_packages(dict(FOUND, modules=["aiohttp"]))
    plugin._refuse_without_packages(dict(FOUND, modules=[]))
    plugin._refuse_without_packages(dict(FOUND, modules=["aiohttp"], python="/usr/bin/python3"))
    plugin._refuse_without_packages(dict(FOUND, modules=["aiohttp"], major="10"))


@pytest.fixture
def place(act, tmp_path):
    """Return a function that puts the programs below one folder, for the interpreter of the tests or another."""

    def placed(keywords=None, **options):
        given = {
            "interpreter": sys.executable,
            "dest": str(tmp_path / "lib/powernap.pyz"),
            "compiled": str(tmp_path / "lib/programs"),
            "folder": str(tmp_path / "notes"),
            "links": [str(tmp_path / "powernap")],
            "owner": getpass.getuser(),
        }
        return act("powernap_programs", keywords, **dict(given, **options))

    return placed


def test_the_programs_are_brought_once_and_run(place, tmp_path):
    foretold = place({"check_mode": True})
    assert foretold["changed"] and not (tmp_path / "lib").exists()
    placed = place({"diff": True})
    assert placed["changed"] and placed["changes"] == foretold["changes"] and placed["wants"] == ""
    assert "powernap/__main__.py" in placed["diff"][0]["after"]
    assert (tmp_path / "powernap").readlink() == tmp_path / "lib/programs/__main__.py"
    done = subprocess.run([str(tmp_path / "powernap"), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("powernap ")
    again = place()
    assert (again["changed"], again["changes"]) == (False, [])


def test_what_the_module_refuses_is_the_result(place, tmp_path):
    (tmp_path / "powernap").write_text("somebody else's", encoding="utf-8")
    told = place()
    assert told["failed"] and told["msg"].endswith("is there, and is none of PowerNap's: move it away")


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_interpreter_that_is_not_there_is_refused_before_anything_is_changed(place, tmp_path, check_mode):
    told = place({"check_mode": check_mode}, interpreter=str(tmp_path / "python3"))
    assert told["failed"] and f"powernap_python: {tmp_path}/python3 is not there on web1" in told["msg"]
    assert not (tmp_path / "lib").exists()
