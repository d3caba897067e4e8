# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of cron and at are read only where one changed or a job was due, and always then."""

from __future__ import annotations

import asyncio
import os
import shutil
import time

import pytest

from powernap.nap import jobs
from powernap.nap.jobs import JobFiles


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A machine with one job, to which nothing has happened for long."""
    for name in ("etc/cron.d", "var/spool/cron/atjobs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    (tmp_path / "etc/crontab").write_text("0 0 1 1 * root yearly\n")
    (tmp_path / "etc/cron.d/other").write_text("")
    monkeypatch.setattr(jobs, "FRESH_SECONDS", -1e9)
    return tmp_path


@pytest.fixture
def names(root, monkeypatch):
    """What returns the names of the jobs, and notes how often they were read from the files."""
    files, reads, read = JobFiles(root), [], jobs._read
    monkeypatch.setattr(jobs, "_read", lambda *how: (reads.append(how), read(*how))[1])

    def look(after=0.0):
        found, problems = asyncio.run(files.read(time.time() + after))
        assert not problems
        return [job.name for job in found]

    look.reads = reads
    return look


def test_files_that_stay_as_they_are_are_read_once(names):
    assert [names() for _turn in range(3)] == [["cron /etc/crontab: yearly"]] * 3
    assert len(names.reads) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "etc/crontab").write_text("0 0 1 1 * root yearlY\n"),
        lambda root: (root / "etc/cron.d/other").write_text("0 0 1 1 * root other\n"),
        lambda root: (root / "etc/cron.d/new").write_text(""),
        lambda root: (root / "etc/cron.d/other").unlink(),
        lambda root: (root / "etc/crontab").unlink(),
        lambda root: os.utime(root / "etc/crontab"),
        lambda root: (root / "etc/crontab").chmod(0o600),
        lambda root: (root / "var/spool/cron/atjobs/a0000a01c2f3b8").write_text(""),
        lambda root: shutil.rmtree(root / "var/spool/cron/atjobs"),
        lambda root: (root / "var/spool/cron/crontabs").mkdir(),
        lambda root: (root / "etc/localtime").unlink(),
    ],
)
def test_whatever_changes_they_are_read_again(root, names, change):
    names()
    time.sleep(0.02)  # the kernel's times of files are as coarse as its tick
    change(root)
    names()
    assert len(names.reads) == 2


def test_they_are_read_again_once_a_job_was_due_and_where_the_clock_was_set_back(root, names):
    (root / "etc/cron.d/other").write_text("*/10 * * * * root often\n")
    assert len(names()) == 2
    names(after=601)
    assert len(names.reads) == 2
    names(after=602)
    assert len(names.reads) == 2
    names()
    assert len(names.reads) == 3


def test_what_changed_just_now_may_change_again_unseen(names, monkeypatch):
    monkeypatch.setattr(jobs, "FRESH_SECONDS", 2.0)
    names()
    names()
    assert len(names.reads) == 2
    names(after=30)
    names(after=31)
    assert len(names.reads) == 3


def test_a_file_that_could_not_be_read_is_tried_again(root, monkeypatch):
    (root / "etc/crontab").unlink()
    (root / "etc/crontab").symlink_to("crontab")
    files, reads, read = JobFiles(root), [], jobs._read
    monkeypatch.setattr(jobs, "_read", lambda *how: (reads.append(how), read(*how))[1])
    for _turn in range(2):
        found, problems = asyncio.run(files.read(time.time()))
        assert not found and "etc/crontab cannot be read" in problems[0]
    assert len(reads) == 2
