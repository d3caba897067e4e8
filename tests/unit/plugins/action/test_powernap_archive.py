# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin powernap_archive: the bytes that it packs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile

from ansible_collections.powernap.powernap.plugins.action import powernap_archive as archive


def names(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return opened.namelist()


def test_equal_sources_give_equal_bytes(tmp_path):
    (tmp_path / "module.py").write_text("x = 1\n", encoding="utf-8")
    first = archive.pack(archive.contents({"package": tmp_path}), "/usr/bin/python3")
    os.utime(tmp_path / "module.py", (0, 0))
    (tmp_path / "module.py").chmod(0o600)
    assert archive.pack(archive.contents({"package": tmp_path}), "/usr/bin/python3") == first


def test_data_is_packed_and_what_python_leaves_behind_is_not(tmp_path):
    for path in ("a.toml.j2", "module.py", "__pycache__/module.cpython-39.pyc", ".hidden"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("text\n", encoding="utf-8")
    packed = archive.pack(archive.contents({"package": tmp_path}), "/usr/bin/python3")
    assert names(packed) == ["__main__.py", "package/a.toml.j2", "package/module.py"]


def test_holds_programs_shared_part_and_profiles():
    packed = names(archive.pack(archive.contents(), "/usr/bin/python3"))
    assert {"powernap/__main__.py", "powernap/shared/mac.py", "powernap/profiles/web-server.toml.j2"} <= set(packed)


def test_runs_under_its_interpreter(tmp_path):
    program = tmp_path / "powernap.pyz"
    program.write_bytes(archive.pack(archive.contents(), sys.executable))
    program.chmod(0o755)
    done = subprocess.run([str(program), "no-program"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "which program?" in done.stderr


def test_listing_names_the_file_that_differs(tmp_path):
    (tmp_path / "module.py").write_text("x = 1\n", encoding="utf-8")
    before = archive.listing(archive.pack(archive.contents({"package": tmp_path}), "/usr/bin/python3")).splitlines()
    (tmp_path / "module.py").write_text("x = 2\n", encoding="utf-8")
    after = archive.listing(archive.pack(archive.contents({"package": tmp_path}), "/usr/bin/python3")).splitlines()
    assert before[0] == after[0] == "#!/usr/bin/python3"
    assert [line.split()[1] for line in set(before) ^ set(after)] == ["package/module.py"] * 2


def test_listing_of_what_is_no_archive_is_empty():
    assert archive.listing(b"#!/bin/sh\n") == ""


def test_it_is_packed_once_for_all_hosts_of_a_run(tmp_path, monkeypatch):
    packed, files = archive.once_packed(tmp_path, "/usr/bin/python3")
    assert files == len(names(packed.read_bytes()))
    monkeypatch.setattr(archive, "contents", lambda: {})
    assert archive.once_packed(tmp_path, "/usr/bin/python3") == (packed, files)
    other, none = archive.once_packed(tmp_path, "/usr/local/bin/python3")
    assert none == 0
    assert other != packed
