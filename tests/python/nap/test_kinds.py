# SPDX-License-Identifier: GPL-3.0-or-later
"""Every registered kind is there, under the name that it has itself; and only what is used is imported."""

import subprocess
import sys

import pytest

from powernap.nap import actions, monitors, warnings

REGISTERED = [(kinds, kind) for kinds in (actions.KINDS, monitors.KINDS, warnings.KINDS) for kind in kinds]


@pytest.mark.parametrize(("kinds", "kind"), REGISTERED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_kind_is_registered_under_its_own_name(kinds, kind):
    assert kinds[kind].kind == kind


def test_a_kind_that_nobody_registered_is_missing():
    assert "no such" not in monitors.KINDS
    with pytest.raises(KeyError):
        monitors.KINDS["no such"]


def test_the_daemon_imports_no_monitor_that_is_not_configured():
    code = "import sys, powernap.cli.powernapd; print([name for name in sys.modules if '.monitors.' in name])"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "['powernap.nap.monitors.base']"
