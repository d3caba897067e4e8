# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of the programs, unpacked and compiled: they start in less than half the time.

Compiled code is good for one version of Python, so it is made on the machine that runs it:
PYTHONPATH=ARCHIVE python3 -m powernap.compiled ARCHIVE FOLDER [--check] prints "changed" or "unchanged", and changes
nothing with --check. FOLDER/__main__.py starts the programs, as the archive alone does.
"""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

START = "__main__.py"


def main(words: list[str]) -> int:
    """Print what became of it; 1: it could not be done."""
    check = "--check" in words
    paths = [Path(word) for word in words if word != "--check"]
    if len(paths) != 2:
        print("usage: python3 -m powernap.compiled ARCHIVE FOLDER [--check]", file=sys.stderr)
        return 2
    archive, folder = paths
    try:
        files = contents(archive)
        stale = not is_current(folder, files)
        if stale and not check:
            put(folder, files)
    except (OSError, zipfile.BadZipFile, py_compile.PyCompileError) as error:
        print(f"{archive} cannot be unpacked to {folder}: {error}", file=sys.stderr)
        return 1
    print("changed" if stale else "unchanged")
    return 0


def contents(archive: Path) -> dict[str, bytes]:
    """Return {name: bytes}; what starts the programs begins with the archive's own first line.

    Raises OSError, zipfile.BadZipFile.
    """
    with archive.open("rb") as file:
        interpreter = file.readline()
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    files[START] = interpreter + files[START]
    return files


def is_current(folder: Path, files: Mapping[str, bytes]) -> bool:
    """True where all of it is there, and compiled by this Python."""
    try:
        if not os.access(folder / START, os.X_OK):
            return False
        for name, content in files.items():
            if (folder / name).read_bytes() != content:
                return False
            if compiles(name):
                with _compiled(folder / name).open("rb") as file:
                    if file.read(4) != importlib.util.MAGIC_NUMBER:
                        return False
    except OSError:
        return False
    return True


def compiles(name: str) -> bool:
    """What is run as a script is never taken from its compiled form."""
    return name.endswith(".py") and name != START


def _compiled(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path)))


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make it beside, and have it take the old one's place as a whole. Raises OSError, PyCompileError."""
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        new, old = Path(beside) / "new", Path(beside) / "old"
        new.mkdir()
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if compiles(name):
                # Not compared with its source at each start: nobody writes there but this, which writes both.
                mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(str(path), dfile=str(folder / name), doraise=True, invalidation_mode=mode)
        (new / START).chmod(0o755)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
