# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked and powerwake as far as they go without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{before}\nimport sys; sys.argv[1:] = {list(arguments)!r}\n"
    code += "from powernap.__main__ import main\nsys.exit(main())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)


def test_a_configuration_is_checked_and_explained(tmp_path: Path) -> None:
    path = tmp_path / "powerwaked.toml"
    path.write_text("[wake]\nvolleys = 3\n")
    checked = run("powerwaked", "--check-config", str(path))
    assert checked.returncode == 0 and "wake.volleys = 3" in checked.stdout
    path.write_text("[wake]\nvolleyz = 3\n")
    for arguments in (("--check-config", str(path)), ("--config", str(path))):
        refused = run("powerwaked", *arguments)
        assert refused.returncode == 2 and "volleyz" in refused.stderr and str(path) in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_missing_aiohttp_is_named_and_stands_in_the_way_of_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "powerwaked.toml"
    path.write_text("")
    without = "import sys; sys.modules['aiohttp'] = None"
    assert run("powerwaked", "--check-config", str(path), before=without).returncode == 0
    refused = run("powerwaked", "--config", str(path), before=without)
    assert refused.returncode == 2 and "python3-aiohttp" in refused.stderr and "Traceback" not in refused.stderr


def test_powerwake_starts_without_the_servers_libraries() -> None:
    heavy = "import atexit, sys\nheavy = {'aiohttp', 'asyncio', 'sqlite3'}\n"
    heavy += "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))"
    done = run("powerwake", "list", "--socket", "/nonexistent/admin.sock", before=heavy)
    assert done.stdout.strip() == "[]"
    assert done.returncode == 2
    assert done.stderr.startswith("powerwake: there is no wake server on this machine") and done.stderr.count("\n") == 1


def test_powerwake_refuses_times_that_are_none() -> None:
    for text in ("soon", "-1", "0", "nan", "99999"):
        done = run("powerwake", "wake", "web1", "--timeout", text)
        assert done.returncode == 2 and text in done.stderr
