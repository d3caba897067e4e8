# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module powerwake_token."""

from __future__ import annotations

import json

import pytest
from ansible_collections.powernap.powernap.plugins.modules import powerwake_token

SECRET = "5e" * 32


@pytest.fixture
def token(run, fake_server):
    def run_module(check=False, **options):
        given = dict({"name": "alice", "role": "viewer", "socket": fake_server.socket}, **options)
        return run(
            powerwake_token.main, check=check, **{key: value for key, value in given.items() if value is not None}
        )

    return run_module


def test_makes_a_token_once_and_shows_it_then_only(token, fake_server):
    checked = token(check=True)
    assert checked["changed"] is True and "token" not in checked and fake_server.tokens == []
    first = token()
    assert first["changed"] is True and first["token"].endswith(SECRET)
    assert first["id"] == fake_server.tokens[0]["id"] and SECRET not in json.dumps(first["diff"])
    second = token()
    assert (second["changed"], second["id"], "token" in second) == (False, first["id"], False)
    assert second["diff"]["before"] == second["diff"]["after"]


def test_how_long_it_is_good_is_said_in_words(token, fake_server):
    token(expires="12h")
    assert fake_server.changes()[-1][2]["expires_seconds"] == 12 * 3600
    token(name="bob", expires="never")
    assert fake_server.changes()[-1][2]["expires_seconds"] is None
    result = token(name="eve", expires="soon")
    assert result["failed"] is True and result["msg"].startswith("expires: 'soon' is no time")


def test_a_token_with_another_role_is_replaced(token, fake_server):
    old = token(role="admin")["id"]
    result = token(role="viewer")
    assert (result["changed"], result["revoked"]) == (True, [old])
    assert [each["role"] for each in fake_server.tokens] == ["viewer"]


def test_one_that_soon_ends_is_renewed_and_stays_good_until_then(token, fake_server):
    token(expires="1h")
    assert token(renew_before="10m")["changed"] is False
    assert token(renew_before="2h")["changed"] is True
    assert len(fake_server.tokens) == 2


def test_rotates_each_time(token, fake_server):
    old = token()["id"]
    checked = token(check=True, state="rotated")
    assert (checked["changed"], checked["revoked"]) == (True, [old]) and fake_server.tokens[0]["id"] == old
    result = token(state="rotated")
    assert result["revoked"] == [old] and "token" in result
    assert [each["id"] for each in fake_server.tokens] == [result["id"]]


def test_revokes_all_of_a_name_once(token, fake_server):
    token()
    token(name="bob")
    assert token(check=True, state="absent", role=None)["changed"] is True
    assert len(fake_server.tokens) == 2
    assert token(state="absent", role=None)["changed"] is True
    assert [each["name"] for each in fake_server.tokens] == ["bob"]
    assert token(state="absent", role=None)["changed"] is False


def test_a_token_for_machines_that_become_known(token, fake_server):
    result = token(role=None, enrol=True, uses=20, group="rack7", expires="12h")
    assert result["changed"] is True
    body = fake_server.changes()[-1][2]
    assert (body["kind"], body["uses"], body["group"], "role" in body) == ("enrol", 20, "rack7", False)
    assert token(role=None, enrol=True, uses=20, group="rack7")["changed"] is False
    fake_server.tokens[0]["uses_left"] = 0
    assert token(role=None, enrol=True, uses=0, group="rack7")["changed"] is True
    assert fake_server.changes()[-1][2]["uses"] is None


def test_a_token_goes_into_a_file_that_its_owner_alone_may_read(token, tmp_path):
    dest = tmp_path / "token"
    dest.write_text("")
    dest.chmod(0o644)
    first = token(dest=str(dest))
    assert first["changed"] is True and SECRET not in json.dumps(first)
    assert dest.read_text().startswith(f"pna1.{first['id']}.") and dest.stat().st_mode & 0o777 == 0o600
    assert token(dest=str(dest))["changed"] is False
    dest.chmod(0o640)
    assert token(check=True, dest=str(dest))["changed"] is True
    assert token(dest=str(dest))["changed"] is True and dest.stat().st_mode & 0o777 == 0o600


def test_where_the_file_has_no_good_token_a_new_one_is_made(token, fake_server, tmp_path):
    dest = tmp_path / "token"
    token(dest=str(dest))
    dest.unlink()
    assert token(check=True, dest=str(dest))["changed"] is True and not dest.exists()
    assert token(dest=str(dest))["changed"] is True and dest.exists()
    fake_server.tokens.clear()
    assert token(dest=str(dest))["changed"] is True
    assert token(dest=str(dest))["changed"] is False


def test_absent_removes_the_file(token, tmp_path):
    dest = tmp_path / "token"
    token(dest=str(dest))
    assert token(dest=str(dest), state="absent", role=None)["changed"] is True and not dest.exists()
    assert token(dest=str(dest), state="absent", role=None)["changed"] is False


def test_no_token_is_made_that_could_not_be_kept(token, fake_server, tmp_path):
    result = token(dest=str(tmp_path / "none" / "token"))
    assert result["failed"] is True and result["msg"].startswith("dest: ")
    assert fake_server.tokens == [] and not list(tmp_path.iterdir())


def test_a_role_or_enrolment_is_needed(token):
    for options in ({"role": None}, {"enrol": True}):
        result = token(**options)
        assert result["failed"] is True and result["msg"].startswith("role: give either a role, or enrol=true")
