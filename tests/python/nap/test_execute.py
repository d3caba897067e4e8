# SPDX-License-Identifier: GPL-3.0-or-later
"""The action exec, with real programs."""

from __future__ import annotations

import asyncio

import pytest

from powernap.config.sections.powersave import PowersaveSettings
from powernap.nap.actions import ActionError, Means
from powernap.nap.actions.execute import Execute


@pytest.fixture
def lamps(tmp_path):
    """A program that notes how it was called, and fails for a word that is in the file "fails"."""
    program = tmp_path / "lamps"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f'if grep -qx "$1" {tmp_path}/fails 2>/dev/null; then echo "no lamp" >&2; exit 3; fi\n'
    )
    program.chmod(0o755)
    return program


def action(folder, command):
    return Execute(Means(None, folder, PowersaveSettings(), command=str(command) if command else ""))


def calls(folder):
    return (folder / "calls").read_text().split()


def test_it_is_called_with_true_and_with_false(tmp_path, lamps):
    made = action(tmp_path, lamps)
    assert asyncio.run(made.act()) == []
    assert asyncio.run(made.undo()) == []
    assert calls(tmp_path) == ["true", "false"]


def test_what_was_not_begun_is_not_ended(tmp_path, lamps):
    assert asyncio.run(action(tmp_path, lamps).undo()) == []
    assert not (tmp_path / "calls").exists()


def test_after_a_crash_whatever_was_begun_is_ended_without_knowing_the_configuration(tmp_path, lamps):
    other = tmp_path / "other"
    other.write_text(f"#!/bin/sh\necho other-$1 >> {tmp_path}/calls\n")
    other.chmod(0o755)
    asyncio.run(action(tmp_path, lamps).act())
    asyncio.run(action(tmp_path, other).act())
    asyncio.run(action(tmp_path, "").undo())
    assert calls(tmp_path) == ["true", "other-true", "other-false", "false"]
    asyncio.run(action(tmp_path, "").undo())
    assert len(calls(tmp_path)) == 4


def test_one_step_does_not_end_another(tmp_path, lamps):
    asyncio.run(action(tmp_path, lamps).act())
    asyncio.run(action(tmp_path, "/bin/true").undo())
    assert calls(tmp_path) == ["true"]
    asyncio.run(action(tmp_path, lamps).undo())
    assert calls(tmp_path) == ["true", "false"]


def test_one_that_fails_is_ended_at_once_and_told(tmp_path, lamps):
    (tmp_path / "fails").write_text("true\n")
    with pytest.raises(ActionError, match="lamps true ended with status 3: no lamp"):
        asyncio.run(action(tmp_path, lamps).act())
    assert calls(tmp_path) == ["true", "false"]


def test_one_that_cannot_be_ended_is_told(tmp_path, lamps):
    (tmp_path / "fails").write_text("false\n")
    made = action(tmp_path, lamps)
    asyncio.run(made.act())
    (problem,) = asyncio.run(made.undo())
    assert "lamps false ended with status 3" in problem


def test_a_program_that_is_missing_is_told(tmp_path):
    with pytest.raises(ActionError, match="/nowhere/lamps"):
        asyncio.run(action(tmp_path, "/nowhere/lamps").act())


def test_nothing_is_begun_that_could_not_be_ended_after_a_crash(tmp_path, lamps):
    (tmp_path / "exec-begun.new").mkdir()  # the state cannot be written
    with pytest.raises(ActionError, match="cannot be noted"):
        asyncio.run(action(tmp_path, lamps).act())
    assert not (tmp_path / "calls").exists()
