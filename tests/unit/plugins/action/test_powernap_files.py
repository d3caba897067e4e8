# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin powernap_files: the files that it makes of what the wake servers have said."""

from __future__ import annotations

import types

import pytest
from ansible_collections.powernap.powernap.plugins.action.powernap_files import ActionModule
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def files():
    """Return a function: the files for web1, by its wake server's answer for each machine."""

    def made(hosts=None, check=False, authority=CERTIFICATE, ca_file="/etc/ca.pem", **said):
        action = ActionModule.__new__(ActionModule)
        action._task = types.SimpleNamespace(check_mode=check)
        other = {"item": "wake2", "hosts": [{"name": "web1", "key": "wrong"}]}
        mine = {"item": "wake1", **said, **({} if hosts is None else {"hosts": hosts})}
        ca = {"item": "wake1", "content": authority} if authority else {"item": "wake1", "msg": "it is down"}
        action._vars = {"answers": {"results": [other, mine]}, "authorities": {"results": [ca]}}
        return action._registered("answers", "authorities", "wake1", "web1", "/etc/key", ca_file)

    return made


def test_each_machine_gets_its_own_key_for_itself_alone(files):
    key, _authority = files(hosts=[{"name": "web2", "key": "two"}, {"name": "web1", "key": "one"}])
    assert key == {"path": "/etc/key", "content": "one\n", "mode": "0600", "shown": False}


def test_the_authority_is_that_of_its_wake_server(files):
    assert files(hosts=[{"name": "web1", "key": "one"}])[1] == {"path": "/etc/ca.pem", "content": CERTIFICATE}
    assert len(files(hosts=[{"name": "web1", "key": "one"}], ca_file="system")) == 1


def test_what_the_wake_server_refuses_is_told(files):
    with pytest.raises(PowernapError, match=r"^wake1: no such group$"):
        files(hosts=[{"name": "web1", "error": "no such group"}])


def test_a_wake_server_that_failed_is_told_with_its_words(files):
    with pytest.raises(PowernapError, match=r"^wake1: powerwaked is not running$"):
        files(msg="powerwaked is not running")


def test_a_wake_server_that_left_a_machine_out_is_told(files):
    with pytest.raises(PowernapError, match=r"^wake1: it did not answer for web1$"):
        files(hosts=[])


def test_a_wake_server_without_its_authority_is_told(files):
    with pytest.raises(PowernapError, match=r"^wake1 does not give the certificate of its authority: it is down$"):
        files(hosts=[{"name": "web1", "key": "one"}], authority=None)


def test_a_check_foretells_the_authority_of_a_wake_server_that_runs(files):
    assert files(hosts=[{"name": "web1", "key": "one"}], check=True) == files(hosts=[{"name": "web1", "key": "one"}])


def test_in_a_check_a_wake_server_need_not_run_yet(files):
    (key,) = files(msg="powerwaked is not running", check=True, authority=None)
    assert (key["path"], key["content"]) == ("/etc/key", "\n")
