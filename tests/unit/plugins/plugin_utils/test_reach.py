# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting until a connection works; with real connections in tests/lab."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.powernap.powernap.plugins.plugin_utils._reach import NotReached, wait_until_reached


class FakeAction:
    """Its commands end as they are told to, one after the other; the last way again and again."""

    _connection = None

    def __init__(self, *ends):
        self.ends, self.tries = list(ends), 0

    def _low_level_execute_command(self, command, sudoable):
        self.tries += 1
        assert self._connection is not None and not sudoable
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return {"rc": end, "stdout": "powernap\r\n" if end == 0 else "", "stderr": ""}


class FakeConnection:
    resets = 0

    def reset(self):
        self.resets += 1


def reached(action, seconds=20, fresh=False, connection=None):
    said, connection = [], connection or FakeConnection()
    return wait_until_reached(action, connection, seconds, fresh, said.append), said, connection.resets


def test_what_works_at_once_is_not_reset():
    assert reached(FakeAction(0)) == (1, [], 0)


def test_what_was_open_before_a_sleep_is_of_no_use():
    assert reached(FakeAction(0), fresh=True) == (1, [], 1)


def test_who_has_no_way_to_be_reset_is_not_warned_of(monkeypatch):
    class Plain(FakeConnection):
        reset = ConnectionBase.reset

    warned = []
    monkeypatch.setattr(Display, "warning", lambda self, text, *more: warned.append(text))
    assert reached(FakeAction(0), fresh=True, connection=Plain()) == (1, [], 0)
    assert warned == []


def test_it_is_tried_again_until_a_shell_answers_and_each_try_is_told():
    tries, said, resets = reached(FakeAction(AnsibleConnectionFailure("no route to\nhost"), 1, 0))
    assert (tries, resets) == (3, 2)
    assert said == ["try 1: no route to host", "try 2: its shell ended with status 1"]


def test_after_its_time_the_last_error_is_the_reason():
    with pytest.raises(NotReached, match="no route"):
        reached(FakeAction(AnsibleConnectionFailure("no route")), seconds=1)


def test_who_is_not_let_in_is_not_tried_for_minutes():
    action = FakeAction(AnsibleConnectionFailure("kim@web1: Permission denied (publickey)."))
    with pytest.raises(NotReached, match="Permission denied"):
        reached(action, seconds=300)
    assert action.tries == 3
