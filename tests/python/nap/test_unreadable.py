# SPDX-License-Identifier: GPL-3.0-or-later
"""--check-config, run by root, tells which files the user as which powernapd runs cannot read."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from powernap.cli import powernapd
from powernap.nap import setup, unreadable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what another user may")
HOOK = '[warnings.ops]\nkind = "http"\nurl = "http://chat/"\nheader_file = "{}"\n'


@pytest.fixture
def folder():
    """That everybody may enter; pytest's own are root's alone."""
    made = Path(tempfile.mkdtemp(prefix="powernap-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def told(folder):
    """told(configuration): what is told of it, but for the file of the configuration at the beginning."""
    file = folder / "powernapd.toml"

    def tell(text, mode=0o644):
        file.write_text(text)
        file.chmod(mode)
        return [said.removeprefix(f"{file}: ") for said in unreadable.unreadable(setup.load(file), "nobody")]

    return tell


@pytest.fixture
def headers(folder):
    def write(mode, inside=0o755):
        (folder / "kept").mkdir()
        file = folder / "kept/headers"
        file.write_text("X-Key: 1\n")
        file.chmod(mode)
        file.parent.chmod(inside)
        return file

    return write


def test_a_file_of_roots_is_told_with_key_and_remedy(told, headers):
    file = headers(0o600)
    group = unreadable._group(unreadable.pwd.getpwnam("nobody"))
    assert told(HOOK.format(file)) == [
        f"warnings.ops.header_file: {file} cannot be read by user nobody, as which powernapd runs: run "
        f"'chgrp {group} {file}' and 'chmod g+r {file}'"
    ]


def test_a_folder_on_its_way_is_named(told, headers):
    file = headers(0o644, inside=0o700)
    (said,) = told(HOOK.format(file))
    assert f"run 'chmod o+x {file.parent}'" in said


def test_what_a_broker_needs_is_told(told, headers):
    file = headers(0o600)
    (said,) = told(
        f'[server]\nlink = "mqtt"\nbroker = "mqtts://broker"\nname = "web1"\nbroker_password_file = "{file}"\n'
    )
    assert said.startswith(f"server.broker_password_file: {file} cannot be read by user nobody")


def test_the_configuration_itself_is_told(told, monkeypatch, folder):
    monkeypatch.setattr(unreadable, "INSTALLED", folder)
    (said,) = told("[nap]\nabsent_seconds = 60\n", mode=0o600)
    assert said.startswith("cannot be read by user nobody")


def test_a_draft_need_not_be_readable_but_its_drop_ins_in_place_must(told, monkeypatch, folder):
    (folder / "etc").mkdir()
    (folder / "etc/site.toml").write_text("[nap]\nabsent_seconds = 60\n")
    (folder / "etc/site.toml").chmod(0o600)
    (folder / "powernapd.d").symlink_to(folder / "etc")
    monkeypatch.setattr(unreadable, "INSTALLED", folder / "etc")
    (said,) = told("[nap]\ngrace_seconds = 6\n", mode=0o600)
    assert f"'chmod g+r {folder / 'etc/site.toml'}'" in said


def test_what_the_unit_hides_is_told(told, monkeypatch, headers):
    file = headers(0o644)
    monkeypatch.setattr(unreadable, "HIDDEN", (file.parent,))
    (said,) = told(HOOK.format(file))
    assert said.endswith(f"whose unit hides {file.parent} (ProtectHome): put it in /etc/powernap")


@pytest.mark.parametrize("text", ["", HOOK, '[monitors.backup]\nkind = "lock"\nheld = ["{}"]\n'])
def test_of_what_can_be_read_and_of_what_root_reads_nothing_is_told(told, headers, text):
    assert told(text.format(headers(0o644 if text == HOOK else 0o600))) == []


def test_of_a_password_that_powernap_hands_reads_nothing_is_told(told, headers):
    mail = 'kind = "mail"\nto = ["ops@example.com"]\nserver = "mail"\nuser = "web1"\ntls = "starttls"\n'
    assert told(f'[warnings.ops]\n{mail}password_file = "{headers(0o600)}"\n') == []


def test_without_that_user_nothing_is_told(folder, headers):
    file = folder / "powernapd.toml"
    file.write_text(HOOK.format(headers(0o600)))
    assert list(unreadable.unreadable(setup.load(file), "no-such-user")) == []


def test_check_config_tells_it_and_finds_no_fault(folder, headers, capsys, monkeypatch):
    file = folder / "powernapd.toml"
    file.write_text(HOOK.format(headers(0o600)))
    monkeypatch.setattr(unreadable.unreadable, "__defaults__", ("nobody",))
    assert powernapd.main(["--check-config", str(file)]) == 0
    assert "header_file" in capsys.readouterr().err
