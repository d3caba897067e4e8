# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files the patterns of the console monitor mean: the same as for glob, with each folder read but once."""

from __future__ import annotations

import glob
import os

import pytest

from powernap.nap.monitors.console import PATHS, finder


@pytest.mark.parametrize("pattern", ["tty[0-9]*", "tty*", "ttyS?", "console", "sub/*", "*/1", "nowhere/*", "none"])
def test_patterns_mean_what_they_mean_to_glob(tmp_path, pattern):
    for name in ("tty1", "tty12", "ttyS0", "ttyS10", "console", "consoles", "sub/1", "sub/2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    text = f"{tmp_path}/{pattern}"
    assert sorted(finder((text,))()) == sorted(glob.glob(text))


def test_the_default_finds_all_terminals_of_this_machine_and_reads_two_folders(monkeypatch):
    read, real = [], os.listdir
    find = finder(PATHS)
    monkeypatch.setattr(os, "listdir", lambda folder: (read.append(folder), real(folder))[1])
    found = set(find())
    assert found == {path for pattern in PATHS for path in glob.glob(pattern)}
    assert read == ["/dev/pts/", "/dev/"]
