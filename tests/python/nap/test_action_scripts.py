# SPDX-License-Identifier: GPL-3.0-or-later
"""action.d: real scripts in a folder that stands for /; they belong to whoever runs the tests."""

from __future__ import annotations

import asyncio
import os

import pytest

from powernap.machine import outside
from powernap.nap.powersave.journal import Journal
from powernap.nap.powersave.scripts import Scripts, find

ETC, LIB = "etc/powernap/action.d", "usr/lib/powernap/action.d"


@pytest.fixture(autouse=True)
def without_systemd(monkeypatch, tmp_path):
    monkeypatch.setattr(outside, "SYSTEMD", tmp_path / "nothing")


@pytest.fixture
def root(tmp_path):
    for folder in (ETC, LIB):
        (tmp_path / "root" / folder).mkdir(parents=True)
        (tmp_path / "root" / folder).chmod(0o755)
    return tmp_path / "root"


@pytest.fixture
def make(root):
    def made(folder, name, text="", mode=0o755):
        path = root / folder / name
        path.write_text(f"#!/bin/sh\necho ${{0##*/}} $1 {folder} >> {root}/log\n{text}\n")
        path.chmod(mode)
        return path

    return made


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "state" / "powersave.journal", tmp_path / "root")


def begin(journal, root, seconds=5.0):
    return asyncio.run(Scripts(journal, seconds, root, os.geteuid()).begin())


def end(journal, root, seconds=5.0):
    """As a new process: it knows what the journal holds."""
    entries, _problems = journal.read()
    settled = set()
    problems = asyncio.run(Scripts(journal, seconds, root, os.geteuid()).end(entries, settled))
    assert settled == set(range(len(entries)))
    return problems


def log(root):
    return (root / "log").read_text().splitlines() if (root / "log").exists() else []


def test_they_are_called_in_the_order_of_their_names_and_back(root, make, journal):
    make(ETC, "20-second")
    make(LIB, "10-first")
    assert begin(journal, root) == []
    assert end(journal, root) == []
    assert [line.split()[:2] for line in log(root)] == [
        ["10-first", "true"],
        ["20-second", "true"],
        ["20-second", "false"],
        ["10-first", "false"],
    ]


def test_one_in_etc_masks_the_one_shipped_and_dev_null_masks_it_wholly(root, make, journal):
    make(LIB, "usb")
    make(ETC, "usb")
    make(LIB, "video")
    (root / ETC / "video").symlink_to("/dev/null")
    assert begin(journal, root) == []
    assert log(root) == [f"usb true {ETC}"]


def test_what_is_not_executable_or_an_editors_leftover_is_not_called(root, make, journal):
    make(ETC, "plain", mode=0o644)
    make(ETC, "usb~")
    make(ETC, ".hidden")
    make(ETC, "usb.dpkg-old")
    assert begin(journal, root) == []
    assert log(root) == []


def test_what_others_may_write_is_refused(root, make, journal):
    make(ETC, "open", mode=0o777)
    (problem,) = begin(journal, root)
    assert "open is refused: others may write to" in problem
    assert log(root) == []


def test_what_lies_in_a_folder_that_others_may_write_is_refused(root, make, journal):
    make(ETC, "usb")
    (root / ETC).chmod(0o775)
    (problem,) = begin(journal, root)
    assert "usb is refused: others may write to" in problem


def test_what_is_not_roots_is_refused(root, make):
    make(ETC, "usb")
    (script,) = find(root, owner=os.geteuid() + 1)
    assert "belongs to somebody else than root" in script.problem


def test_a_link_is_judged_by_what_it_leads_to(root, make, journal):
    folder = root / "opt"
    folder.mkdir(mode=0o755)
    target = make("opt", "tool", mode=0o757)
    (root / ETC / "link").symlink_to(target)
    (problem,) = begin(journal, root)
    assert "link is refused: others may write to" in problem
    (root / ETC / "link").unlink()
    (root / ETC / "link").symlink_to(root / "nowhere")
    (problem,) = begin(journal, root)
    assert "No such file" in problem


def test_pm_utils_own_script_against_wake_on_lan_is_refused(root, make, journal):
    folder = root / "usr/lib/pm-utils"
    folder.mkdir(parents=True)
    target = make("usr/lib/pm-utils", "disable_wol")
    (root / ETC / "90-network").symlink_to(target)
    (problem,) = begin(journal, root)
    assert "it turns Wake-on-LAN off" in problem
    assert log(root) == []


def test_one_that_fails_is_told_with_its_last_word_and_the_next_is_called(root, make, journal):
    make(ETC, "1-bad", "echo no such card >&2; exit 4")
    make(ETC, "2-good")
    (problem,) = begin(journal, root)
    assert problem.endswith("1-bad true ended with status 4: no such card")
    assert end(journal, root)[0].endswith("1-bad false ended with status 4: no such card")
    assert [line.split()[:2] for line in log(root)][1:3] == [["2-good", "true"], ["2-good", "false"]]


def test_scripts_written_for_pm_utils_find_its_words(root, make, journal):
    make(ETC, "pci", f'echo "$PM_FUNCTIONS" >> {root}/log; exit $NA')
    assert begin(journal, root) == [], "not applicable is no failure"
    assert log(root)[1] == "/usr/lib/pm-utils/functions"


def test_one_that_hangs_is_killed_and_the_next_is_called(root, make, journal):
    make(ETC, "1-hangs", "sleep 60")
    make(ETC, "2-good")
    (problem,) = begin(journal, root, seconds=0.3)
    assert "took longer than 0.3 s and was killed" in problem
    assert [line.split()[0] for line in log(root)] == ["1-hangs", "2-good"]


def test_only_those_that_were_called_with_true_are_called_with_false(root, make, journal):
    make(ETC, "old")
    begin(journal, root)
    make(ETC, "new")
    end(journal, root)
    assert [line.split()[:2] for line in log(root)] == [["old", "true"], ["old", "false"]]


def test_one_that_was_switched_off_or_spoilt_meanwhile_is_not_called(root, make, journal):
    off, spoilt = make(ETC, "off"), make(ETC, "spoilt")
    begin(journal, root)
    off.chmod(0o644)
    spoilt.chmod(0o777)
    (problem,) = end(journal, root)
    assert "spoilt is refused" in problem
    assert not [line for line in log(root) if "false" in line]


def test_without_a_journal_none_is_called(root, make, journal, tmp_path):
    make(ETC, "usb")
    (tmp_path / "state").write_text("a file where the directory should be")
    (problem,) = begin(journal, root)
    assert "is not called, as it cannot be written down" in problem
    assert log(root) == []
