# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from powernap.machine.procnames import ProgramNames, words


@pytest.mark.parametrize(
    ("pattern", "comm"),
    [
        (r"(^|/)rsync\b", "rsync"),
        (r"^rsync --daemon", "rsync"),
        (r"\bbackup\.py$", "backup.py"),
        (r"python3 .*backup\.py", "python3"),
        (r"a-very-long-program-name", "a-very-long-pro"),
        (r"/usr/bin/(borg|restic) ", "restic"),
        (r"^cc1(plus)?$", "cc1"),
        (r"make", "cmake"),
        (r".", "anything"),
    ],
)
def test_a_name_that_may_be_meant_counts(pattern, comm):
    assert ProgramNames(pattern).may_be(comm)


@pytest.mark.parametrize(
    ("pattern", "comm"),
    [
        (r"(^|/)rsync\b", "rsyslogd"),
        (r"^rsync --daemon", "bash"),
        (r"python3 .*backup\.py", "perl"),
        (r"a-very-long-program-name", "a-very-long"),
        (r"[0-9]+", "bash"),
    ],
)
def test_a_name_that_is_not_meant_does_not(pattern, comm):
    assert not ProgramNames(pattern).may_be(comm)


def test_given_names_decide_alone_and_are_cut_as_the_kernel_does():
    names = ProgramNames(r"python3 .*backup", ("backup.py", "a-very-long-program-name"))
    assert names.may_be("backup.py") and names.may_be("a-very-long-pro")
    assert not names.may_be("python3")


def test_words_are_what_stands_between_operators():
    assert words(r"(^|/)my\.prog\b [a-z]{2,3}(?:x|yy)+ --all") == ["my.prog", "x", "yy", "--all"]
