# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: files and directories put in place whole, and what was changed as Ansible tells it."""

from __future__ import annotations

import os
import tempfile


def diff(path, before, after):
    return {"before": before, "after": after, "before_header": path, "after_header": path}


def settle(module, wanted, told):
    """Give a file these attributes, as Ansible names them; append to ``told`` what they were; return whether others."""
    attributes = {}
    changed = module.set_fs_attributes_if_different(wanted, False, attributes)
    if changed and attributes:
        told.append(attributes)
    return changed


class Placing:
    """``owner``: of all that is put in place, and their group. ``changes``: paths; ``diff``: as Ansible shows it.

    In check mode nothing is written, and the same is told. Raises OSError; a wrong owner fails the module.
    """

    def __init__(self, module, owner):
        self.module = module
        self.owner = owner
        self.changes, self.diff = [], []

    def tell(self, path, before, after):
        self.diff.append(diff(path, before, after))

    def directory(self, path):
        """Have a directory that everybody may look into, and those above it."""
        there = os.path.isdir(path)
        if not there:
            self.changes.append(path)
            self.tell(path, "absent\n", "a directory\n")
            if self.module.check_mode:
                return
            os.makedirs(path, 0o755)
        if self._attributes(path, "0755", self.diff if there else []) and there:
            self.changes.append(path)

    def file(self, path, text, mode, shown=True):
        """Have a file with this text; return whether it was changed. ``shown``: whether a diff may show it."""
        content = text.encode()
        try:
            with open(path, "rb") as stream:
                old = stream.read()
        except (FileNotFoundError, NotADirectoryError):
            old = None
        if old == content:
            return self.put(path, content, mode, None)
        before = (old or b"").decode("utf-8", "replace") if shown else ""
        return self.put(path, content, mode, (before, text if shown else "what it says is not shown\n"))

    def put(self, path, content, mode, told):
        """Have a file with this content, in bytes; return whether anything of it was changed.

        ``told``: what a diff shows of the content before and after, None where that needs no change.
        """
        if told is not None:
            self.tell(path, *told)
            self._write(path, content, mode)
        changed = told is not None
        if os.path.exists(path):
            changed = self._attributes(path, mode, [] if changed else self.diff) or changed
        if changed:
            self.changes.append(path)
        return changed

    def _write(self, path, content, mode):
        """Put it in place whole; until it has its owner and its mode nobody else may read it."""
        if self.module.check_mode:
            return
        handle, new = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path))
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            self._attributes(new, mode, [])
            os.replace(new, path)
        except BaseException:  # also SystemExit, by which a module fails: no half of a key stays behind
            os.unlink(new)
            raise
        self.module.set_default_selinux_context(path, False)

    def _attributes(self, path, mode, told):
        """Give it owner and mode; return whether it had others."""
        wanted = {"path": path, "mode": mode, "owner": self.owner, "group": self.owner, "attributes": None}
        wanted["secontext"] = self.module.selinux_default_context(path) if self.module.selinux_enabled() else []
        return settle(self.module, wanted, told)
