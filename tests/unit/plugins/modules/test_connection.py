# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How every module that talks to a wake server finds it: options, files, the environment."""

from __future__ import annotations

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powerwake
from ansible_collections.powernap.powernap.tests.unit.fake_powerwaked import TOKEN


@pytest.fixture
def sleeper(fake_server):
    fake_server.add("web1", wake_state="proxied")
    return fake_server


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def wake(run, **options):
    return run(powerwake.main, check=True, name="web1", **options)


def test_a_token_may_lie_in_a_file(run, sleeper, token_file):
    assert wake(run, server=sleeper.url, token_file=str(token_file))["changed"] is True


def test_a_token_file_that_everybody_may_read_is_refused(run, sleeper, token_file):
    token_file.chmod(0o644)
    result = wake(run, server=sleeper.url, token_file=str(token_file))
    assert result["failed"] is True and "chmod 600" in result["msg"]
    assert TOKEN not in str(result)


def test_a_token_that_is_given_wins_over_the_file(run, sleeper, tmp_path):
    assert wake(run, server=sleeper.url, token=TOKEN, token_file=str(tmp_path / "none"))["changed"] is True


def test_the_file_is_not_read_where_the_socket_is_used(run, sleeper, tmp_path):
    assert wake(run, socket=sleeper.socket, token_file=str(tmp_path / "none"))["changed"] is True


def test_the_environment_says_what_no_option_says(run, sleeper, token_file, monkeypatch):
    monkeypatch.setenv("POWERWAKE_SERVER", sleeper.url)
    monkeypatch.setenv("POWERWAKE_TOKEN_FILE", str(token_file))
    assert wake(run)["changed"] is True


def test_the_environment_may_name_the_socket(run, sleeper, monkeypatch):
    monkeypatch.setenv("POWERWAKE_SOCKET", sleeper.socket)
    assert wake(run)["changed"] is True


def test_an_option_wins_over_the_environment(run, sleeper, monkeypatch):
    monkeypatch.setenv("POWERWAKE_SOCKET", "/nonexistent/admin.sock")
    assert wake(run, socket=sleeper.socket)["changed"] is True


def test_the_environment_may_name_the_ca(run, sleeper, monkeypatch, tmp_path):
    monkeypatch.setenv("POWERWAKE_CA_FILE", str(tmp_path / "no-ca.pem"))
    result = wake(run, server="https://127.0.0.1:1", token=TOKEN)
    assert result["failed"] is True and "no-ca.pem cannot be used" in result["msg"]
