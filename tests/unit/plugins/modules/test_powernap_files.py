# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap_files, with a fake powernapd that takes or refuses a configuration."""

from __future__ import annotations

import getpass
import json
import stat

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powernap_files

SECRET = "0123456789abcdef"
MADE = ["notes/role.json", "etc", "etc/profiles", "etc/profiles/base.toml", "etc/nap.toml", "etc/key", "etc/unit"]


class Place:
    def __init__(self, folder, run):
        self.folder, self._run = folder, run
        self.takes(True)

    def takes(self, whether, *problems):
        """A fake powernapd, which takes every configuration or none."""
        program = self.folder / "fake-powernapd"
        said = problems or ["nap.absnt_seconds: no such key"]
        refuses = "".join(f'echo "$2: {problem}" >&2; ' for problem in said) + "exit 2"
        program.write_text("#!/bin/sh\n" + ("exit 0" if whether else refuses) + "\n", encoding="utf-8")
        program.chmod(0o755)

    def path(self, name):
        return str(self.folder / name)

    def mode(self, name):
        return stat.S_IMODE((self.folder / name).stat().st_mode)

    def read(self, name):
        return (self.folder / name).read_text(encoding="utf-8")

    def put(self, check=False, **options):
        common = {"owner": getpass.getuser(), "folder": self.path("notes"), "validator": self.path("fake-powernapd")}
        return self._run(powernap_files.main, check=check, config_path=self.path("etc/nap.toml"), **common, **options)


@pytest.fixture
def place(run, tmp_path):
    return Place(tmp_path, run)


def whole(place):
    """Options of everything that needs neither a card nor a user."""
    return {
        "before": {"name": "role", "paths": [place.path("etc"), place.path("etc/nap.toml")]},
        "directories": [place.path("etc"), place.path("etc/profiles")],
        "config": {"include": ["base"], "nap": {"absent_seconds": 300}},
        "files": [
            {"path": place.path("etc/profiles/base.toml"), "content": "# base\n", "early": True},
            {"path": place.path("etc/key"), "content": SECRET + "\n", "mode": "0600", "shown": False},
            {"path": place.path("etc/unit"), "content": "[Unit]\n", "restart": True},
        ],
    }


def test_all_of_it_is_put_in_place_and_the_second_run_changes_nothing(place):
    first = place.put(**whole(place))
    assert first["changed"] and first["restart"]
    assert first["changes"] == [place.path(name) for name in MADE]
    assert place.read("etc/unit") == "[Unit]\n"
    assert "absent_seconds = 300" in place.read("etc/nap.toml")
    assert place.mode("etc/key") == 0o600
    again = place.put(**whole(place))
    assert (again["changed"], again["changes"], again["diff"], again["restart"]) == (False, [], [], False)


def test_a_check_tells_the_same_and_changes_nothing(place):
    told = place.put(check=True, **whole(place))
    assert told["changes"] == [place.path(name) for name in MADE]
    assert [path.name for path in place.folder.iterdir()] == ["fake-powernapd"]


def test_what_was_there_is_noted_before_it_is_changed(place):
    (place.folder / "etc").mkdir()
    (place.folder / "etc/nap.toml").write_text("was here\n", encoding="utf-8")
    place.put(**whole(place))
    paths = json.loads(place.read("notes/role.json"))["paths"]
    assert paths[place.path("etc/nap.toml")]["kind"] == "file"


def test_a_configuration_that_is_refused_leaves_what_comes_after_it_alone(place):
    place.put(**whole(place))
    was = place.read("etc/nap.toml")
    place.takes(False)
    options = whole(place)
    options["config"]["nap"] = {"absnt_seconds": 5}
    options["files"][2]["content"] = "[Unit]\nDescription=new\n"
    refused = place.put(**options)
    assert refused["failed"]
    assert refused["problems"] == ["config: nap.absnt_seconds: no such key"]
    assert place.read("etc/nap.toml") == was
    assert place.read("etc/unit") == "[Unit]\n"


LACKING = "include: no profile 'lab'; profiles here: base"


def with_profile(place):
    """Options of a configuration that uses a profile which comes with it."""
    options = whole(place)
    options["config"] = {"include": ["lab"]}
    options["files"][0]["path"] = place.path("etc/profiles/lab.toml")
    return options


def test_a_check_takes_a_profile_that_the_same_run_would_write(place):
    place.takes(False, LACKING)
    told = place.put(check=True, **with_profile(place))
    assert not told.get("failed"), told
    assert told["notes"] == [f"{place.path('etc/profiles/lab.toml')} would be written by this run, and is not checked"]
    assert place.path("etc/nap.toml") in told["changes"]
    refused = place.put(**with_profile(place))
    assert refused["failed"] and refused["problems"] == [f"config: {LACKING}"], "there by now, it is no excuse"


def test_a_check_refuses_what_is_wrong_beside_it_and_a_profile_that_nobody_writes(place):
    place.takes(False, LACKING, "nap.absnt_seconds: no such key")
    assert place.put(check=True, **with_profile(place))["problems"] == ["config: nap.absnt_seconds: no such key"]
    place.takes(False, "include: no profile 'labs'; did you mean lab?")
    assert "no profile 'labs'" in place.put(check=True, **with_profile(place))["msg"]


def test_a_secret_is_in_no_diff_and_in_no_result(place):
    told = json.dumps(place.put(**whole(place)))
    assert SECRET not in told
    options = whole(place)
    options["files"][1]["content"] = "another\n"
    told = json.dumps(place.put(**options))
    assert SECRET not in told and "another" not in told


def test_a_diff_shows_what_changes_in_a_file_and_each_key_of_the_configuration(place):
    place.put(**whole(place))
    options = whole(place)
    options["config"]["nap"] = {"absent_seconds": 600}
    options["files"][2]["content"] = "[Unit]\nDescription=new\n"
    diff = {each["after_header"]: (each["before"], each["after"]) for each in place.put(check=True, **options)["diff"]}
    assert diff[place.path("etc/unit")] == ("[Unit]\n", "[Unit]\nDescription=new\n")
    before, after = diff[place.path("etc/nap.toml")]
    assert set(after.splitlines()) - set(before.splitlines()) == {"nap.absent_seconds = 600"}
    assert set(diff) == {place.path("etc/unit"), place.path("etc/nap.toml")}


def test_a_mode_that_somebody_changed_is_set_again(place):
    place.put(**whole(place))
    (place.folder / "etc/key").chmod(0o644)
    (place.folder / "etc").chmod(0o700)
    assert place.put(**whole(place))["changes"] == [place.path("etc"), place.path("etc/key")]
    assert place.mode("etc/key") == 0o600
    assert place.mode("etc") == 0o755


def test_a_command_follows_a_change_and_nothing_else(place):
    ran = place.path("ran")
    file = {"path": place.path("settings"), "content": "a = 1\n", "then": ["sh", "-c", f"echo ran >>{ran}"]}
    place.put(check=True, files=[file])
    assert not (place.folder / "ran").exists()
    place.put(files=[file])
    place.put(files=[file])
    assert place.read("ran") == "ran\n"


def test_a_command_that_fails_is_told_with_the_file(place):
    fails = ["sh", "-c", "echo no such setting >&2; exit 1"]
    failed = place.put(files=[{"path": place.path("settings"), "content": "a = 1\n", "then": fails}])
    assert failed["failed"]
    assert failed["msg"].startswith(place.path("settings")) and failed["msg"].endswith("no such setting")


def test_a_value_that_toml_cannot_hold_is_named(place):
    (place.folder / "etc").mkdir()
    refused = place.put(config={"nap": {"absent_seconds": [None]}})
    assert refused["failed"] and refused["msg"].startswith("config: nap")


def test_a_file_without_content_is_named(place):
    refused = place.put(files=[{"path": place.path("empty")}])
    assert (refused["failed"], refused["msg"]) == (True, f"files: {place.path('empty')} has no content")
