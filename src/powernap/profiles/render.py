# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the shipped profiles with the facts of a machine, byte for byte as the role's template task does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from powernap.shared.errors import PowernapError

SUFFIX = ".toml.j2"
PROGRAM_SECONDS = 10.0


def templates() -> dict[str, str]:
    """Return the text of every shipped template, by the profile's name; also from within an archive."""
    folder = resources.files("powernap.profiles")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(SUFFIX)), key=lambda item: item.name)
    return {file.name.removesuffix(SUFFIX): file.read_text(encoding="utf-8") for file in files}


def render(name: str, template: str, facts: Mapping[str, Any]) -> str:
    """Return the profile as TOML. Raises PowernapError where jinja2 is missing, or a fact."""
    try:
        import jinja2
    except ImportError as error:
        raise PowernapError(
            f"profile {name}: rendering it needs jinja2: install it, as with 'apt-get install python3-jinja2'"
        ) from error
    # as ansible.builtin.template sets it up
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    try:
        return environment.from_string(template).render(facts=facts)
    except jinja2.TemplateError as error:
        raise PowernapError(
            f"profile {name}: cannot be rendered: {error}: give the fact, or mend the template"
        ) from error


def host_facts() -> dict[str, Any]:
    """Return the facts of this machine, the same as of the module powernap_facts. Blocks."""
    from powernap.shared.machine import Machine

    return Machine(_run).facts()


def _run(command: Sequence[str]) -> tuple[int, str, str]:
    import os
    import shutil
    import subprocess

    where = os.pathsep.join((os.environ.get("PATH", os.defpath), "/sbin", "/usr/sbin"))
    program = shutil.which(command[0], path=where)
    if program is None:
        return 127, "", f"{command[0]} is not installed"
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, "", str(error)
    return done.returncode, done.stdout, done.stderr
