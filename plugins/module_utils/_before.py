# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what a host was like before PowerNap, kept on the host, and how it becomes so again."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import tempfile

FOLDER = "/var/lib/powernap"
#: How what a role has written begins, and where its links lead: none of that was there before PowerNap.
OUR_HEAD = b"# Written by Ansible"
OUR_PROGRAMS = ("/usr/lib/powernap/powernap.pyz", "/usr/lib/powernap/programs/__main__.py")


class Record:
    """One file of JSON: ``paths`` {path: look()}, ``sysctls`` {key: value}, ``packages``, and what its owner adds."""

    def __init__(self, name, folder=FOLDER):
        self.folder = folder
        self.file = os.path.join(folder, name + ".json")
        self.data = {}
        self.exists = False
        self._saved = ""
        try:
            with open(self.file, encoding="utf-8") as stream:
                self._saved = stream.read()
            self.data = json.loads(self._saved)
            self.exists = True
        except FileNotFoundError:
            pass

    def table(self, name):
        return self.data.setdefault(name, {})

    def note_paths(self, paths):
        """Note those that are not noted yet; return them."""
        known = self.table("paths")
        new = [path for path in paths if path not in known]
        for path in new:
            known[path] = before(path)
        return new

    def note_sysctls(self, keys):
        known = self.table("sysctls")
        new = {key: read_sysctl(key) for key in keys if key not in known}
        known.update({key: value for key, value in new.items() if value is not None})
        return [key for key in new if key in known]

    def note_packages(self, names):
        known = self.data.setdefault("packages", [])
        new = sorted(set(names) - set(known))
        known.extend(new)
        return new

    def note(self, paths=(), trees=(), sysctls=(), packages=()):
        """Note what is not noted yet, without saving it; return (whether something is new, the names of that)."""
        noted = self.note_paths([*paths, *trees]) + self.note_sysctls(sysctls) + self.note_packages(packages)
        before = self.data.get("trees", [])
        self.data["trees"] = sorted({*before, *trees})
        return bool(noted) or self.data["trees"] != before, noted

    def save(self):
        """Write it, if it is not what is written already."""
        text = json.dumps(self.data, indent=1, sort_keys=True) + "\n"
        if text == self._saved:
            return
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=self.folder)  # its mode is 0600: what was in a file may be secret
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(path, self.file)
        self._saved, self.exists = text, True

    def delete(self):
        os.unlink(self.file)
        if not os.listdir(self.folder):
            os.rmdir(self.folder)


def look(path):
    """Return what is there as JSON's types; None for nothing."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = {"owner": status.st_uid, "group": status.st_gid}
    if stat.S_ISLNK(status.st_mode):
        return dict(found, kind="link", target=os.readlink(path))
    found["mode"] = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return dict(found, kind="directory")
    with open(path, "rb") as stream:
        return dict(found, kind="file", content=base64.b64encode(stream.read()).decode())


def before(path):
    """Return what was there before PowerNap; what looks like its own was not."""
    found = look(path)
    if found is None:
        return None
    if found["kind"] == "link" and found["target"] in OUR_PROGRAMS:
        return None
    if found["kind"] == "file" and base64.b64decode(found["content"]).startswith(OUR_HEAD):
        return None
    return found


class Return:
    """What must be done that ``paths`` {path: look()} are as they were, worked out without doing it.

    ``trees``: directories that go with all that is in them. ``remove`` (deepest first) and ``put_back``: what differs;
    ``kept``: directories that stay since there is something of somebody else in them.
    """

    def __init__(self, paths, trees=()):
        self.paths = paths
        self.trees = set(trees)
        self.remove, self.kept = [], []
        gone = set()
        for path in sorted((path for path in paths if paths[path] is None), reverse=True):
            if not os.path.lexists(path):
                continue
            if self._is_plain_directory(path) and path not in self.trees:
                left = {os.path.join(path, name) for name in os.listdir(path)} - gone
                if left:
                    self.kept.append(path)
                    continue
            gone.add(path)
            self.remove.append(path)
        self.put_back = [path for path in sorted(paths) if paths[path] is not None and look(path) != paths[path]]

    @staticmethod
    def _is_plain_directory(path):
        return os.path.isdir(path) and not os.path.islink(path)

    def carry_out(self):
        for path in self.remove:
            if not self._is_plain_directory(path):
                os.unlink(path)
            elif path in self.trees:
                shutil.rmtree(path)
            else:
                os.rmdir(path)
        for path in self.put_back:
            put(path, self.paths[path])


def put(path, was):
    """Make a path what it was."""
    if os.path.islink(path) or (was["kind"] != "directory" and os.path.exists(path)):
        os.unlink(path)
    if was["kind"] == "link":
        os.symlink(was["target"], path)
        os.lchown(path, was["owner"], was["group"])
        return
    if was["kind"] == "directory":
        os.makedirs(path, exist_ok=True)
    else:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(base64.b64decode(was["content"]))
    os.chown(path, was["owner"], was["group"])
    os.chmod(path, was["mode"])


def sysctl_path(key):
    return "/proc/sys/" + key.replace(".", "/")


def read_sysctl(key):
    """Return a kernel setting, or None where there is no such one."""
    try:
        with open(sysctl_path(key), encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return None


def write_sysctl(key, value):
    with open(sysctl_path(key), "w", encoding="ascii") as stream:
        stream.write(value + "\n")
