# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides of the documentation site, followed to the letter on hosts of the lab, one after the other."""

from __future__ import annotations

import pytest
from conftest import ROOT
from guidebook import Command, Elsewhere, File, runs, steps
from reader import Reader

GUIDES = ROOT / "docs" / "docsite" / "rst"
ORDER = ("first_site", "profiles", "waking", "security", "troubleshooting")


@pytest.fixture(scope="module")
def reader(start_lab, tmp_path_factory):
    with start_lab("guides") as lab:
        yield Reader(lab, tmp_path_factory.mktemp("reader"), {"web1.example.org": "web1"})


def test_each_guide_is_here():
    assert {path.name for path in GUIDES.glob("*.rst")} == {f"{name}_guide.rst" for name in ORDER}


@pytest.mark.parametrize("name", ORDER)
def test_what_a_guide_says_works(reader, name):
    for step in steps(GUIDES / f"{name}_guide.rst"):
        if isinstance(step, (File, Command)):
            reader.does(step)


@pytest.mark.parametrize("name", ORDER)
def test_what_a_guide_leaves_to_another_test_is_run_there(name):
    for step in steps(GUIDES / f"{name}_guide.rst"):
        if isinstance(step, Elsewhere):
            assert runs((ROOT / step.test).read_text(), step.words), f"{step.test} does not run {step.words}"


def test_a_command_is_not_taken_for_run_where_its_words_are_in_other_commands():
    words = "powerwake canary web1"
    assert runs('said = powerwake(lab, "canary web1").stdout', words)
    assert runs('powerwake(lan, "canary", "web1", check=False)', words)
    assert not runs('powerwake(lab, "canary --clear web1")', words)
    assert not runs('powerwake(lab, "status web1")\nnap(lab, "canary web1")', words)
    assert not runs('powerwake(lab, "canary web10")', words)
