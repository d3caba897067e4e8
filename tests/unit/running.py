# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module as Ansible does: arguments in, its JSON out."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common.text.converters import to_bytes

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core before 2.19
    patch_module_args = None


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a module's main() and returns its result."""

    def run_module(main, check=False, **options):
        arguments = dict(
            options, _ansible_check_mode=check, _ansible_remote_tmp="/tmp", _ansible_keep_remote_files=False
        )
        capsys.readouterr()
        if patch_module_args:
            with patch_module_args(arguments), pytest.raises(SystemExit):
                main()
        else:
            monkeypatch.setattr(basic, "_ANSIBLE_ARGS", to_bytes(json.dumps({"ANSIBLE_MODULE_ARGS": arguments})))
            with pytest.raises(SystemExit):
                main()
        return json.loads(capsys.readouterr().out)

    return run_module
