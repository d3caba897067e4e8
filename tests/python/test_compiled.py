# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive unpacked and compiled, by real interpreters."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "plugins/module_utils/shared"
SOURCE = Path(__file__).resolve().parents[2] / "src/powernap"
START = "import sys\n\nfrom powernap.__main__ import main\n\nsys.exit(main())\n"


@pytest.fixture
def archive(tmp_path):
    """As powernap_archive packs it."""
    path = tmp_path / "powernap.pyz"
    path.write_bytes(f"#!{sys.executable}\n".encode())
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("__main__.py", START)
        for package, folder in (("powernap", SOURCE), ("powernap/shared", SHARED)):
            for file in folder.rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    opened.write(file, f"{package}/{file.relative_to(folder)}")
    path.chmod(0o755)
    return path


def run(*command, **environment):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    command = [str(word) for word in command]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def put(archive, *words, python=sys.executable):
    done = run(python, "-m", "powernap.compiled", archive, archive.parent / "programs", *words, PYTHONPATH=str(archive))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_done_once_and_again_only_when_something_is_not_as_it_should_be(archive, tmp_path):
    programs = tmp_path / "programs"
    assert put(archive, "--check") == "changed" and not programs.exists()
    assert put(archive) == "changed"
    assert put(archive, "--check") == put(archive) == "unchanged"
    assert {entry.name for entry in tmp_path.iterdir()} == {"powernap.pyz", "programs"}
    init = programs / "powernap/__init__.py"
    pyc = Path(importlib.util.cache_from_source(str(init)))
    for spoil in (
        lambda: init.write_text("1\n"),
        pyc.unlink,
        lambda: pyc.write_bytes(b"\0" * 16),  # as another version of Python would have left it
        lambda: (programs / "__main__.py").chmod(0o644),
    ):
        spoil()
        assert put(archive, "--check") == "changed"
        assert put(archive) == "changed" and put(archive) == "unchanged"


def test_the_same_archive_gives_the_same_bytes(archive, tmp_path):
    def bytes_of_all():
        programs = tmp_path / "programs"
        return {path.relative_to(programs): path.read_bytes() for path in programs.rglob("*") if path.is_file()}

    put(archive)
    first = bytes_of_all()
    (tmp_path / "programs").rename(tmp_path / "gone")
    put(archive)
    assert bytes_of_all() == first


def test_a_link_to_it_starts_a_program_from_compiled_code_and_the_archive_alone_still_does(archive, tmp_path):
    assert put(archive) == "changed"
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin/powernapd"
    link.symlink_to(tmp_path / "programs/__main__.py")
    sample = run(link, "--sample-config", PYTHONVERBOSE="1")
    assert sample.returncode == 0
    assert f"code object from '{tmp_path}/programs/powernap/cli/powernapd.py'" not in sample.stderr
    assert f"# code object from {tmp_path}/programs/powernap" not in sample.stderr
    assert "powernap/cli/__pycache__/powernapd." in sample.stderr
    alone = tmp_path / "bin/alone"
    alone.mkdir()
    (alone / "powernapd").symlink_to(archive)
    assert run(alone / "powernapd", "--sample-config").stdout == sample.stdout


def test_others_may_read_it_whatever_the_mask_of_who_made_it(archive, tmp_path):
    mask = os.umask(0o077)
    try:
        put(archive)
    finally:
        os.umask(mask)
    for path in (tmp_path / "programs", *(tmp_path / "programs").rglob("*")):
        runs = path == tmp_path / "programs/__main__.py"
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() or runs else 0o644)


def test_what_is_no_archive_is_refused_and_what_there_is_stays(archive, tmp_path):
    put(archive)
    broken = tmp_path / "broken.pyz"
    broken.write_text("no archive\n")
    done = run(sys.executable, "-m", "powernap.compiled", broken, tmp_path / "programs", PYTHONPATH=str(archive))
    assert done.returncode == 1 and "broken.pyz cannot be unpacked" in done.stderr and "Traceback" not in done.stderr
    assert put(archive, "--check") == "unchanged"
