# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwaked and powerwake as far as they go without a network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest


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


def said(*arguments: str, before: str = "") -> str:
    """The one sentence of a powerwake that found no wake server."""
    done = run("powerwake", *arguments, before=before)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith("powerwake: ")
    return done.stderr


@pytest.mark.parametrize("command", [("list",), ("status",), ("status", "web1"), ("forget", "web1"), ("watch",)])
def test_a_socket_that_a_dead_server_left_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    sentence = said(*command, "--socket", str(path))
    assert "powerwaked does not run" in sentence and str(path) in sentence and "systemctl" in sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_may_not_use_the_socket_is_told(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    tmp_path.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        # What is out of reach for nobody is imported before.
        imports = (
            "import locale, os, pathlib, shutil, powernap.__main__, powernap.cli.powerwake, powernap.cli.wakecommands"
        )
        assert "may only be used by root" in said("list", "--socket", str(path), before=f"{imports}\nos.setuid(65534)")


def test_what_answers_but_is_no_powerwaked_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(20)

        def answer() -> None:
            for reply in (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"SSH-2.0-OpenSSH\r\n"):
                with server.accept()[0] as connection:
                    connection.recv(4096)
                    connection.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert "is not powerwaked" in said("status", "--socket", str(path))
        assert "powerwaked does not answer" in said("status", "--socket", str(path))
        thread.join(10)


def test_a_missing_scapy_is_named_with_its_packages() -> None:
    without = "import sys; sys.modules['scapy'] = None"
    sentence = said("trace", "--socket", "/nonexistent", before=without)
    assert "apt install python3-scapy" in sentence and "pip install scapy" in sentence


def test_trace_refuses_numbers_that_are_none() -> None:
    for arguments in (("--count", "0"), ("--count", "x"), ("--seconds", "-1"), ("--seconds", "inf")):
        done = run("powerwake", "trace", *arguments)
        assert done.returncode == 2 and arguments[1] in done.stderr
