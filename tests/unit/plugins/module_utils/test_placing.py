# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and directories are put in place whole, and what is changed is told."""

from __future__ import annotations

import getpass
import stat

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.powernap.powernap.plugins.module_utils._placing import Placing

NOBODY = "no-such-user-here"


@pytest.fixture
def place(run):
    """Return a function that runs ``work(placing)`` in a module, and returns its result."""

    def go(work, check=False, owner=None):
        def main():
            module = AnsibleModule(argument_spec={}, supports_check_mode=True)
            placing = Placing(module, owner or getpass.getuser())
            returned = work(placing)
            module.exit_json(returned=returned, changes=placing.changes, diff=placing.diff)

        return run(main, check=check)

    return go


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_with_its_mode_and_then_left_alone(place, tmp_path):
    file = tmp_path / "key"
    first = place(lambda placing: placing.file(str(file), "a\n", "0600"))
    assert (first["returned"], first["changes"]) == (True, [str(file)])
    assert (file.read_text(encoding="utf-8"), mode(file)) == ("a\n", 0o600)
    assert [(each["before"], each["after"]) for each in first["diff"]] == [("", "a\n")]
    again = place(lambda placing: placing.file(str(file), "a\n", "0600"))
    assert (again["returned"], again["changes"], again["diff"]) == (False, [], [])


def test_a_check_tells_the_same_and_writes_nothing(place, tmp_path):
    folder, file = tmp_path / "etc", tmp_path / "etc/settings"

    def work(placing):
        placing.directory(str(folder))
        return placing.file(str(file), "a\n", "0644")

    told = place(work, check=True)
    assert told["returned"] and not folder.exists()
    real = place(work)
    assert (told["changes"], told["diff"]) == (real["changes"], real["diff"]) and file.exists()


def test_a_mode_alone_is_put_right_and_told_as_such(place, tmp_path):
    file = tmp_path / "settings"
    file.write_text("a\n", encoding="utf-8")
    file.chmod(0o666)
    told = place(lambda placing: placing.file(str(file), "a\n", "0644"))
    assert (told["returned"], told["changes"], mode(file)) == (True, [str(file)], 0o644)
    assert told["diff"] == [{"before": {"mode": "0666"}, "after": {"mode": "0644"}}]


def test_what_is_not_to_be_shown_is_in_no_diff(place, tmp_path):
    file = tmp_path / "key"
    file.write_text("old secret\n", encoding="utf-8")
    (told,) = place(lambda placing: placing.file(str(file), "new secret\n", "0600", shown=False))["diff"]
    assert "secret" not in told["before"] + told["after"]


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(place, tmp_path):
    other, file = tmp_path / "other", tmp_path / "settings"
    other.write_text("not ours\n", encoding="utf-8")
    file.symlink_to(other)
    place(lambda placing: placing.file(str(file), "a\n", "0644"))
    assert other.read_text(encoding="utf-8") == "not ours\n" and not file.is_symlink()


def test_where_it_fails_the_file_stays_as_it_was_and_nothing_lies_beside_it(place, tmp_path):
    file = tmp_path / "key"
    file.write_text("old\n", encoding="utf-8")
    failed = place(lambda placing: placing.file(str(file), "new\n", "0600"), owner=NOBODY)
    assert failed["failed"] and NOBODY in failed["msg"]
    assert file.read_text(encoding="utf-8") == "old\n" and list(tmp_path.iterdir()) == [file]
