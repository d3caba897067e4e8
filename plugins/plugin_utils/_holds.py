# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: what the forks of one run of ansible-playbook know together of what it holds awake.

Files in the temporary folder that Ansible makes for the run and removes with it, which nobody else can read: forks
share nothing else, and tokens are among what is noted.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import secrets
import socket
from pathlib import Path

_FOLDER = "powernap-awake"


def _number(text):
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Holds:
    """``folder``: the run's temporary folder."""

    def __init__(self, folder):
        self.folder = Path(folder) / _FOLDER

    @contextlib.contextmanager
    def locked(self, about):
        """One fork at a time, for each that it is about."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with (self.folder / ("lock-" + _number(about))).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def reason(self, play):
        """Why machines are held, in one sentence that no other run has; the first play that asks gives its name."""
        with self.locked("reason"):
            file = self.folder / "reason"
            if not file.exists():
                user, host, number = getpass.getuser(), socket.gethostname(), secrets.token_hex(4)
                self._write(file, "play %s of %s on %s, run %s" % (" ".join(play.split())[:80], user, host, number))
            return json.loads(file.read_text())

    def order(self, about):
        """The number of the order that an earlier fork has given, or None."""
        with contextlib.suppress(FileNotFoundError):
            return json.loads(self._order_file(about).read_text())
        return None

    def ordered(self, about, number):
        self._write(self._order_file(about), number)

    def held(self, name, reason, way, task):
        """``way``: how to say that it may sleep again; what JSON can hold. ``task``: which task asks for it."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        file = self._hold_file(name, reason, way)
        if not file.exists():
            self._write(file, {"name": name, "reason": reason, "way": way, "task": task})

    def all(self):
        """[{"name", "reason", "way", "task"}] of all that are held."""
        found = []
        for file in sorted(self.folder.glob("held-*.json")):
            with contextlib.suppress(FileNotFoundError):
                found.append(json.loads(file.read_text()))
        return found

    def released(self, name, reason, way):
        with contextlib.suppress(FileNotFoundError):
            self._hold_file(name, reason, way).unlink()

    def not_held(self, name, reason, way, task):
        """It did not come about; what an earlier task holds for the same reason it goes on to hold."""
        with contextlib.suppress(FileNotFoundError):
            file = self._hold_file(name, reason, way)
            if json.loads(file.read_text())["task"] == task:
                file.unlink()

    def _order_file(self, about):
        return self.folder / ("order-%s.json" % _number(about))

    def _hold_file(self, name, reason, way):
        return self.folder / ("held-%s.json" % _number(json.dumps([name, reason, way], sort_keys=True)))

    @staticmethod
    def _write(file, content):
        """Whole or not at all: another fork may read at any time."""
        new = file.with_name("%s.%d.new" % (file.name, os.getpid()))
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(content, stream)
        os.replace(new, file)


def together(holds):
    """[(way, reason, [name, ...])]: those that one order can release."""
    groups = {}
    for hold in holds:
        key = json.dumps([hold["way"], hold["reason"]], sort_keys=True)
        groups.setdefault(key, (hold["way"], hold["reason"], []))[2].append(hold["name"])
    return list(groups.values())
