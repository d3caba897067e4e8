# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap_programs, with a fake interpreter that has or lacks what is needed."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import os
import zipfile

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powernap_programs

#: What a real one prints for _needs.INSIDE, and for -m powernap.compiled.
FAKE = """#!/bin/sh
case $1 in
-c) echo '{said}' ;;
-m) [ -e {compiled}/done ] && echo unchanged && exit
    echo changed; [ "$5" = --check ] || {{ mkdir -p {compiled}; touch {compiled}/done; }} ;;
esac
"""


def archive(text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("__main__.py", text)
    return b"#!/bin/sh\n" + buffer.getvalue()


class Host:
    def __init__(self, folder, run):
        self.folder, self._run = folder, run
        self.has("3.11")
        self.bring("new")

    def path(self, name):
        return str(self.folder / name)

    def has(self, version, *missing):
        said = json.dumps({"version": version, "missing": missing})
        program = self.folder / "fake-python"
        program.write_text(FAKE.format(said=said, compiled=self.path("lib/programs")), encoding="utf-8")
        program.chmod(0o755)

    def bring(self, text):
        self.archive = archive(text)
        (self.folder / "brought").write_bytes(self.archive)

    def put(self, brought=True, check=False, **more):
        options = {
            "imports": {"jeepney": "python3-jeepney"},
            "links": [self.path("powernapd")],
            "interpreter": self.path("fake-python"),
            "before": [{"name": "role", "paths": [self.path("powernapd")], "trees": [], "sysctls": []}],
            "dest": self.path("lib/powernap.pyz"),
            "compiled": self.path("lib/programs"),
            "owner": getpass.getuser(),
            "folder": self.path("notes"),
            "sum": hashlib.sha256(self.archive).hexdigest(),
        }
        if brought:
            options["archive"] = self.path("brought")
        return self._run(powernap_programs.main, check=check, **{**options, **more})

    def changes(self, told):
        return [os.path.relpath(path, str(self.folder)) for path in told["changes"]]


@pytest.fixture
def host(run, tmp_path):
    return Host(tmp_path, run)


ALL = ["notes/role.json", "lib", "lib/powernap.pyz", "lib/programs", "powernapd"]


def test_everything_is_put_in_place_and_the_second_run_changes_nothing(host):
    first = host.put()
    assert (host.changes(first), first["wants"]) == (ALL, "")
    assert (host.folder / "lib/powernap.pyz").read_bytes() == host.archive
    assert os.access(host.path("lib/powernap.pyz"), os.X_OK)
    assert (host.folder / "powernapd").readlink() == host.folder / "lib/programs/__main__.py"
    again = host.put(brought=False)
    assert (again["changed"], again["changes"], again["diff"], again["wants"]) == (False, [], [], "")


def test_the_archive_is_wanted_where_it_is_missing_or_another(host):
    assert host.put(brought=False)["wants"] == "archive"
    host.put()
    host.bring("newer")
    assert host.put(brought=False)["wants"] == "archive"
    assert host.changes(host.put()) == ["lib/powernap.pyz"]


def test_a_check_tells_the_same_and_changes_nothing(host):
    before = sorted(host.folder.iterdir())
    told = host.put(brought=False, check=True)
    assert (host.changes(told), told["wants"]) == (ALL, "")
    assert sorted(host.folder.iterdir()) == before


def test_a_diff_lists_what_the_old_archive_held(host):
    host.put()
    host.bring("newer")
    (diff,) = host.put(check=True)["diff"]
    assert diff["before"].splitlines()[1].endswith("  __main__.py")


def test_packages_are_wanted_before_anything_is_changed(host):
    host.has("3.11", "jeepney")
    told = host.put()
    assert (told["wants"], told["changed"], told["found"]["missing"]) == ("packages", False, ["python3-jeepney"])
    assert told["found"]["modules"] == ["jeepney"]


def test_an_old_interpreter_is_told_with_its_version(host):
    host.has("3.9")
    told = host.put()
    assert (told["wants"], told["changed"], told["found"]["version"]) == ("packages", False, "3.9")


def test_an_interpreter_that_is_not_there_has_version_0(host):
    assert host.put(interpreter=host.path("none"))["found"]["version"] == "0"


def test_a_command_that_is_missing_is_told_by_its_package(host):
    told = host.put(commands={"no-such-command": "no-such-package", "sh": "dash"})
    assert told["found"]["missing"] == ["no-such-package"]


def test_somebody_elses_program_of_that_name_is_left_alone(host):
    (host.folder / "powernapd").write_text("somebody else's", encoding="utf-8")
    told = host.put()
    assert told["failed"]
    assert told["msg"] == f"{host.path('powernapd')} is there, and is none of PowerNap's: move it away"
    assert (host.folder / "powernapd").read_text(encoding="utf-8") == "somebody else's"


def test_a_link_that_leads_elsewhere_is_turned(host):
    (host.folder / "powernapd").symlink_to("/nowhere")
    host.put()
    assert (host.folder / "powernapd").readlink() == host.folder / "lib/programs/__main__.py"
