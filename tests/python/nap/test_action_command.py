# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap action, on a folder that stands for /."""

from __future__ import annotations

import argparse
import json

import pytest

from powernap.cli.commands import action
from powernap.cli.commands.base import NotDone
from powernap.nap.powersave.scripts import find

ETC, LIB = "etc/powernap/action.d", "usr/lib/powernap/action.d"


@pytest.fixture
def root(tmp_path):
    for folder, name in ((ETC, "own"), (LIB, "shipped")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_text("#!/bin/sh\n")
        (tmp_path / folder / name).chmod(0o755)
    return tmp_path


def run(root, *words, json=False):
    parser = argparse.ArgumentParser()
    action.arguments(parser)
    options = parser.parse_args([*words, "--root", str(root)])
    options.json = json
    return action.run(options)


def enabled(root):
    return [script.name for script in find(root) if script.enabled]


def test_a_script_is_disabled_and_enabled_again(root, capsys):
    for name in ("own", "shipped"):
        run(root, "disable", name)
        assert name not in enabled(root)
        run(root, "disable", name)  # once more does no harm
        run(root, "enable", name)
        assert enabled(root) == ["own", "shipped"]
    assert "is called from the next nap on" in capsys.readouterr().out


def test_what_the_package_shipped_is_not_changed(root):
    before = (root / LIB / "shipped").stat()
    run(root, "disable", "shipped")
    assert (root / LIB / "shipped").stat() == before


def test_the_list_names_knobs_and_scripts(root, capsys):
    (root / "proc/sys/vm").mkdir(parents=True)
    (root / "proc/sys/vm/laptop_mode").write_text("0\n")
    run(root, json=True)
    said = json.loads(capsys.readouterr().out)
    here = [knob["name"] for knob in said["knobs"] if knob["present"]]
    assert here == ["laptop-mode"]
    assert [script["name"] for script in said["scripts"]] == ["own", "shipped"]
    run(root)
    text = capsys.readouterr().out
    assert "laptop-mode" in text
    assert "shipped" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("disable", "governor"), "governor is a knob"),
        (("enable", "nothing"), "there is no script nothing"),
        (("enable",), "which script"),
    ],
)
def test_what_cannot_be_is_said(root, words, sentence):
    with pytest.raises(NotDone, match=sentence):
        run(root, *words)
