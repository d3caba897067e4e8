# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powernap_config, with a fake powernapd that takes or refuses what it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powernap_config

NAP = {"nap": {"absent_seconds": 900, "mode": "observe"}}


@pytest.fixture
def fake_validator(tmp_path):
    """Return a function that makes a program which ends as told; in its words FILE stands for what it is given."""

    def make(status=0, output="", errors=""):
        program = tmp_path / f"fake-validator-{status}"
        program.with_suffix(".out").write_text(output, encoding="utf-8")
        program.with_suffix(".err").write_text(errors, encoding="utf-8")
        program.write_text(
            '#!/bin/sh\n[ "$1" = --check-config ] || exit 9\n'
            f'cat "${{2%.toml}}".d/*.toml >"{tmp_path}/drop-ins" 2>/dev/null\n'
            f'sed "s,FILE,$2," "{program}.out"; sed "s,FILE,$2," "{program}.err" >&2; exit {status}\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
        return str(program)

    return make


@pytest.fixture
def configure(run, fake_validator, tmp_path):
    """Return a function that runs the module on a file below tmp_path."""

    def go(check=False, **options):
        if "validator" not in options:
            options["validator"] = fake_validator()
        options.setdefault("path", str(tmp_path / "powernapd.toml"))
        return run(powernap_config.main, check=check, **options)

    return go


def written(tmp_path):
    lines = (tmp_path / "powernapd.toml").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_writes_the_configuration_and_then_leaves_it_alone(configure, tmp_path):
    first = configure(config=NAP)
    assert first["changed"] is True and first["validated"] is True
    assert written(tmp_path) == ["[nap]", "absent_seconds = 900", 'mode = "observe"']
    second = configure(config=NAP)
    assert second["changed"] is False and second["changes"] == [] and second["diff"] == []


def test_a_check_writes_nothing_and_says_what_would_be_written(configure, tmp_path):
    result = configure(check=True, config=NAP)
    assert result["changed"] is True and result["validated"] is True
    assert result["diff"][0]["after"] == 'nap.absent_seconds = 900\nnap.mode = "observe"\n'
    assert not (tmp_path / "powernapd.toml").exists()


def test_other_formatting_is_no_change(configure, tmp_path):
    text = '# mine\nnap = {mode = "observe", absent_seconds = 900.0}\n'
    (tmp_path / "powernapd.toml").write_text(text, encoding="utf-8")
    assert configure(config=NAP)["changed"] is False
    assert (tmp_path / "powernapd.toml").read_text(encoding="utf-8") == text


def test_other_values_are_put_right(configure, tmp_path):
    (tmp_path / "powernapd.toml").write_text('[nap]\nabsent_seconds = 60\naction = "suspend"\n', encoding="utf-8")
    result = configure(config=NAP)
    assert result["changes"] == [
        {"key": "nap.absent_seconds", "before": 60, "after": 900},
        {"key": "nap.action", "before": "suspend", "after": None},
        {"key": "nap.mode", "before": None, "after": "observe"},
    ]
    assert result["diff"][0]["before"] == 'nap.absent_seconds = 60\nnap.action = "suspend"\n'
    assert "absent_seconds = 900" in written(tmp_path)


def test_true_is_not_one(configure, tmp_path):
    (tmp_path / "powernapd.toml").write_text("[nap]\nnap_virtual = 1\n", encoding="utf-8")
    assert configure(config={"nap": {"nap_virtual": True}})["changed"] is True


def test_what_is_no_toml_is_put_right_and_shown_as_it_was(configure, tmp_path):
    (tmp_path / "powernapd.toml").write_text("[nap\n", encoding="utf-8")
    result = configure(config=NAP)
    assert result["changed"] is True and result["diff"][0]["before"] == "[nap\n"
    assert written(tmp_path)[0] == "[nap]"


def test_profiles_come_before_what_the_configuration_includes_and_null_is_left_out(configure, tmp_path):
    config = {"include": ["site"], "nap": {"absent_seconds": None, "mode": "observe"}}
    assert configure(profile="web-server", config=config)["config"] == {
        "include": ["web-server", "site"],
        "nap": {"mode": "observe"},
    }
    assert written(tmp_path) == ['include = ["web-server", "site"]', "", "[nap]", 'mode = "observe"']


def test_what_is_refused_is_not_written_and_is_told_by_option_and_key(configure, fake_validator, tmp_path):
    problem = "nap.absnt_seconds: no such key; did you mean absent_seconds?"
    result = configure(
        profile="web-servr",
        config={"nap": {"absnt_seconds": 9}},
        validator=fake_validator(2, errors=f"FILE: {problem}\nFILE: nap.x: no such key\n"),
    )
    assert result["failed"] is True
    assert result["problems"] == [f"config: {problem}", "config: nap.x: no such key"]
    assert result["msg"].splitlines() == result["problems"]
    assert not (tmp_path / "powernapd.toml").exists()


def test_a_wrong_profile_is_told_as_the_option(configure, fake_validator):
    fake = fake_validator(2, errors="FILE: include: no profile 'web-servr'; did you mean web-server?\n")
    assert configure(profile="web-servr", validator=fake)["msg"] == (
        "profile: no profile 'web-servr'; did you mean web-server?"
    )


def test_a_problem_of_a_drop_in_names_the_drop_in(configure, fake_validator, tmp_path):
    (tmp_path / "powernapd.d").mkdir()
    (tmp_path / "powernapd.d/mine.toml").write_text("[nap]\n", encoding="utf-8")
    fake = tmp_path / "refusing"
    fake.write_text('#!/bin/sh\necho "${2%.toml}.d/mine.toml: nap.x: no such key" >&2\nexit 2\n', encoding="utf-8")
    fake.chmod(0o755)
    assert configure(config=NAP, validator=str(fake))["msg"] == f"{tmp_path}/powernapd.d/mine.toml: nap.x: no such key"
    configure(config=NAP, validator=fake_validator())
    assert (tmp_path / "drop-ins").read_text(encoding="utf-8") == "[nap]\n"


def test_a_validator_that_breaks_is_named_with_what_it_said(configure, fake_validator, tmp_path):
    fake = fake_validator(1, errors="No module named jeepney")
    assert configure(config=NAP, validator=fake)["msg"] == (
        f"validator: {fake} --check-config ended with status 1: No module named jeepney"
    )
    assert not (tmp_path / "powernapd.toml").exists()


def test_without_a_validator_only_a_check_goes_on(configure, tmp_path):
    missing = str(tmp_path / "missing")
    checked = configure(check=True, config=NAP, validator=missing)
    assert checked["changed"] is True and checked["validated"] is False
    assert configure(config=NAP, validator=missing)["msg"].startswith(f"validator: {missing} is not there: install")
    assert not (tmp_path / "powernapd.toml").exists()


def test_remarks_of_the_validator_are_returned(configure, fake_validator):
    fake = fake_validator(0, output="nap.mode = 1\n# note: no monitor is enabled", errors="warning: x lacks y")
    assert configure(config=NAP, validator=fake)["notes"] == ["x lacks y", "no monitor is enabled"]


def test_the_mode_is_put_right_alone(configure, tmp_path):
    configure(config=NAP)
    checked = configure(check=True, config=NAP, mode="0600")
    assert checked["changed"] is True and checked["diff"] == [{"before": {"mode": "0644"}, "after": {"mode": "0600"}}]
    assert (tmp_path / "powernapd.toml").stat().st_mode & 0o777 == 0o644
    assert configure(config=NAP, mode="0600")["changed"] is True
    assert (tmp_path / "powernapd.toml").stat().st_mode & 0o777 == 0o600
    assert configure(config=NAP, mode="0600")["changed"] is False


def test_a_backup_is_what_was_there(configure):
    configure(config=NAP)
    assert "backup_file" not in configure(config=NAP, backup=True)
    copy = configure(config={}, backup=True)["backup_file"]
    assert "absent_seconds = 900" in Path(copy).read_text(encoding="utf-8")


def test_absent_removes_the_file_once(configure, tmp_path):
    configure(config=NAP)
    checked = configure(check=True, state="absent")
    assert checked["changed"] is True and Path(checked["path"]).exists()
    removed = configure(state="absent")
    assert removed["changed"] is True and not Path(removed["path"]).exists()
    assert removed["changes"][0] == {"key": "nap.absent_seconds", "before": 900, "after": None}
    assert configure(state="absent")["changed"] is False


def test_a_directory_that_is_missing_is_named(configure, tmp_path):
    path = str(tmp_path / "none" / "powernapd.toml")
    problem = f"path: the directory {tmp_path}/none does not exist: create it first"
    assert configure(config=NAP, path=path)["msg"] == problem
    assert configure(config=NAP, path=path, check=True)["changed"] is True


def test_what_toml_cannot_hold_is_named(configure):
    assert configure(config={"nap": {"interfaces": [None]}})["msg"].startswith("config: nap.interfaces: ")
