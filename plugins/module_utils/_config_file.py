# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: the file of powernapd's configuration, as it is and as it shall be."""

from __future__ import annotations

import os
import tempfile

from . import _configuration as configuration
from . import _toml
from .shared.toml import dumps

HEAD = "# Written by Ansible. Settings of your own go into {drop_ins}/*.toml, which is read after this file.\n"
#: How powernapd --check-config begins a remark, on standard error or beside the configuration that it explains.
REMARKS = ("warning: ", "# note: ")


def drop_ins(path):
    return os.path.splitext(path)[0] + ".d"


def text_of(values, path):
    """Return the file's text. Raises BadValue, which names the key."""
    return HEAD.format(drop_ins=drop_ins(path)) + dumps(values)


class File:
    """What is in the file: ``text`` (None: no such file) and its ``values`` (None: it is no TOML)."""

    def __init__(self, path):
        self.text = self.values = None
        try:
            with open(path, encoding="utf-8-sig", errors="replace") as stream:
                self.text = stream.read()
            self.values = _toml.loads(self.text)
        except FileNotFoundError:
            self.values = {}
        except ValueError:
            self.values = None

    def listed(self):
        return self.text if self.values is None else configuration.listed(self.values)


class Draft:
    """The configuration before it is put in place: a file of the same name, beside the same drop-ins."""

    def __init__(self, module, path, text, validator, profile=None):
        self.module = module
        self.validator = validator
        self.profile = profile
        self.path = path
        self.folder = tempfile.mkdtemp(dir=module.tmpdir)
        self.file = os.path.join(self.folder, os.path.basename(path))
        with open(self.file, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.symlink(drop_ins(path), drop_ins(self.file))

    def validate(self, coming=()):
        """Return whether the validator was there and took all of it, and its remarks; exit the module where it refuses.

        ``coming``: in check mode, the profiles' files that would be there by now. That it lacks one is no refusal.
        """
        module, program = self.module, self.validator
        if not os.path.exists(program):
            if module.check_mode:
                return False, []
            module.fail_json(
                msg=f"validator: {program} is not there: install PowerNap first, as the role "
                "powernap.powernap.powernapd does, or name its powernapd"
            )
        command = [program, "--check-config", self.file]
        status, output, errors = module.run_command(command, environ_update={"LC_ALL": "C.UTF-8"})
        if status == 2 and errors.startswith(self.folder):
            lacking = {line: file for line in errors.splitlines() for file in coming if _lacks(line, file)}
            problems = [self._named(line) for line in errors.splitlines() if line not in lacking]
            if problems:
                module.fail_json(msg="\n".join(problems), problems=problems)
            return False, [f"{file} would be written by this run, and is not checked" for file in lacking.values()]
        if status != 0:
            said = errors.strip() or output.strip() or "it said nothing"
            module.fail_json(msg=f"validator: {program} --check-config ended with status {status}: {said}")
        lines = [*errors.splitlines(), *output.splitlines()]
        remarks = [line[len(mark) :] for line in lines for mark in REMARKS if line.startswith(mark)]
        return True, [remark.replace(self.folder, os.path.dirname(self.path)) for remark in remarks]

    def _named(self, line):
        problem = line.replace(self.folder, os.path.dirname(self.path))
        return configuration.named(problem, self.path, self.profile)


def _lacks(line, file):
    """Tell whether powernapd says in this line that it knows no profile of that file."""
    return f"include: no profile {os.path.splitext(os.path.basename(file))[0]!r}" in line


class Proposal:
    """What the file shall say, which the validator takes, beside what it says.

    ``there``: the File; ``text``, and ``file`` with it; ``told``: what a diff shows, None where it says that already;
    ``validated`` and ``notes``, and ``coming``: as in Draft. Raises BadValue, which names the key; exits the module
    where the validator refuses.
    """

    def __init__(self, module, path, values, validator, profile=None, coming=()):
        self.there = File(path)
        self.text = text_of(values, path)
        draft = Draft(module, path, self.text, validator, profile)
        self.file = draft.file
        self.validated, self.notes = draft.validate(coming)
        there = self.there
        says = there.text is not None and there.values is not None and configuration.same(there.values, values)
        self.told = None if says else (there.listed(), configuration.listed(values))
