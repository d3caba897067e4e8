# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an enrolment is kept on disk: each file is whole or not there, and each step may be the last one.

``enrol.key`` (state directory): the key that was made, until a wake server has accepted it; then it is server.key_file.
``enrolment.json``: how it stands, and afterwards by which name and where this machine is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from powernap.machine import hands, rootfiles
from powernap.shared.errors import PowernapError

_KEY = re.compile(r"\A[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Standing:
    """``status``: "" (not asked yet), pending, managed, refused. ``key_id``: of the key for which this holds.

    ``trust``: why the wake server's CA is believed. ``again_seconds``: when to ask again. ``error``: what went wrong.
    """

    status: str = ""
    name: str = ""
    request: str = ""
    url: str = ""
    fingerprint: str = ""
    trust: str = ""
    why: str = ""
    key_id: str = ""
    again_seconds: float = 0.0
    error: str = ""

    def sentence(self) -> str:
        """How it stands, for people."""
        if self.error:
            return f"not known to a wake server yet: {self.error}"
        if self.status == "pending":
            return (
                f"pending with {self.url} as request {self.request} ({self.why}), approve with 'powerwake approve "
                f"{self.request}' there"
            )
        if self.status == "managed":
            return f"known to {self.url} as {self.name}"
        return "not known to a wake server yet: it was not asked yet"


def key_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def read_key(file: Path) -> str:
    """Return a key, or "" where there is none that could be one."""
    try:
        key = rootfiles.read("server.key_file", str(file)).strip().lower()
    except (OSError, ValueError):
        return ""
    return key if _KEY.match(key) else ""


class Kept:
    """The files, below powernapd's state directory."""

    def __init__(self, state_dir: Path, key_file: str) -> None:
        self.key_file = Path(key_file)
        self.new_key_file = state_dir / "enrol.key"
        self._file = state_dir / "enrolment.json"

    @property
    def under_way(self) -> bool:
        """A key was made that no wake server has accepted yet, or it is not in its place yet.

        One that somebody else (Ansible) has put in its place since then counts more.
        """
        try:
            made = self.new_key_file.stat().st_mtime_ns
        except OSError:
            return False
        given = read_key(self.key_file)
        if not given or given == read_key(self.new_key_file):
            return True
        try:
            return self.key_file.stat().st_mtime_ns < made
        except OSError:
            return True

    @property
    def has_key(self) -> bool:
        return not self.under_way and self.key_file.exists()

    def standing(self) -> Standing:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            known = {field.name: field.type for field in fields(Standing)}
            return Standing(**{name: value for name, value in content.items() if name in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return Standing()

    def of_this_key(self) -> Standing | None:
        """Where and by which name this machine is known by the key that it has; None: that was not kept."""
        standing = self.standing()
        key = read_key(self.key_file) if standing.status == "managed" else ""
        return standing if key and standing.key_id == key_id(key) else None

    def keep(self, standing: Standing) -> None:
        """Raises PowernapError."""
        write(self._file, json.dumps(asdict(standing)) + "\n", 0o600)

    def key_to_ask_with(self, new: bool = False) -> str:
        """The key that was made, else the one that this machine has, else a new one, which is on disk first.

        ``new``: one that was never used. Raises PowernapError.
        """
        if not new:
            key = (read_key(self.new_key_file) if self.under_way else "") or read_key(self.key_file)
            if key:
                return key
        key = os.urandom(32).hex()
        write(self.new_key_file, key + "\n", 0o600)
        return key

    def accepted(self, key: str, standing: Standing) -> None:
        """A wake server knows this machine by that key. Raises PowernapError."""
        if read_key(self.key_file) != key:
            write_root(self.key_file, key + "\n", 0o600, "server.key_file")
        self.keep(standing)
        self.new_key_file.unlink(missing_ok=True)

    def renamed(self, name: str) -> None:
        """The wake server calls this machine otherwise from now on. Raises PowernapError."""
        key, standing = read_key(self.key_file), self.of_this_key()
        made: dict[str, Any] = {} if standing is None else asdict(standing)
        self.keep(Standing(**{**made, "status": "managed", "name": name, "key_id": key_id(key)}))


def write_root(file: Path, text: str, mode: int, option: str) -> None:
    """The same for a file that the configuration names, which is root's. Raises PowernapError."""
    if hands.needed() and not os.access(file.parent, os.W_OK):
        hands.ask("keep", what=option, text=text)
    else:
        write(file, text, mode)


def write(file: Path, text: str, mode: int) -> None:
    """All or nothing, on disk when it returns. Raises PowernapError."""
    new = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "w") as stream:
            os.fchmod(stream.fileno(), mode)  # whatever the umask
            owner = file.parent.stat()
            if owner.st_uid != os.geteuid() == 0:  # by hand, where powernapd is another user
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise PowernapError(
            f"{file}: cannot be written ({error.strerror}): free some space there, and see that powernapd may write"
        ) from error
