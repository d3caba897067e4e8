# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts share: scripts/lib.sh and scripts/tree."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MINOR = sys.version_info[1]


def library(lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run lines of bash that have scripts/lib.sh."""
    return subprocess.run(
        ["bash", "-c", f"source '{ROOT}/scripts/lib.sh'\n{lines}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_interpreter_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    shim = tmp_path / f"python3.{MINOR}"
    shim.write_text("#!/bin/sh\necho 'no such version' >&2\nexit 127\n")
    shim.chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    found = library(f"pythons {MINOR}", PATH=path, PYENV_ROOT="/nonexistent").stdout.split()
    assert found
    assert str(shim) not in found
    assert Path(found[-1]).name.startswith("python3")


def test_nothing_is_installed_that_is_there() -> None:
    done = library("_apt() { echo 'apt was run' >&2; return 1; }\nneed_apt dpkg bash")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_package_that_cannot_be_had_is_named_with_the_remedy() -> None:
    done = library("_apt() { return 1; }\nneed_apt no-such-package-here")
    assert done.returncode == 1
    assert "no-such-package-here" in done.stderr
    assert "mend that" in done.stderr or "sudo apt-get install" in done.stderr or "apt-get update failed" in done.stderr


def test_tally_fails_where_something_failed_and_names_what_was_not_run() -> None:
    good = library("ok one; skip two 'no root'; tally")
    assert good.returncode == 0
    assert good.stdout.splitlines()[-2:] == ["not run: two: no root", "1 passed, 0 failed, 1 skipped"]
    assert library("ok one; bad two; tally").returncode == 1


def test_the_tree_follows_what_is_added_and_removed(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "tree", tmp_path / "scripts" / "tree")
    (tmp_path / "plugins" / "module_utils" / "shared").mkdir(parents=True)
    package = tmp_path / "src" / "powernap"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "old.py").touch()

    def tree() -> set[str]:
        printed = subprocess.check_output([tmp_path / "scripts" / "tree"], text=True, timeout=60).strip()
        return {link.name for link in (Path(printed) / "powernap").iterdir() if link.exists()}

    assert tree() == {"__init__.py", "old.py", "shared"}
    (package / "old.py").rename(package / "new.py")
    assert tree() == {"__init__.py", "new.py", "shared"}
