# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs powernapd and powernap, as people start them. Bad input gets one clear sentence."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from powernap.nap import control

#: Parse once as root: then all is imported, and neither interpreter nor checkout need be readable for others.
AS_NOBODY = """
import contextlib, os, sys
from importlib import import_module
program = import_module("powernap.cli." + sys.argv[1])
with contextlib.suppress(SystemExit):
    program.main(["--help"])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(program.main(sys.argv[2:]))
"""


def run(*arguments, as_nobody=False):
    start = ["-m", "powernap"] if not as_nobody else ["-c", AS_NOBODY]
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_who_reads_no_further_costs_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "powernap", "powernap", "profile", "list"]
    said = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (said.returncode, said.stderr) == (141, b"")


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "powernapd.toml"
        path.write_text(text)
        return path

    return write


def test_check_config_shows_what_is_understood(config):
    path = config('[nap]\nabsent_seconds = 900\n[monitors.ssh]\nkind = "tcp"\nports = [22, "8000-8099"]\n')
    done = run("powernapd", "--check-config", path)
    assert done.returncode == 0
    assert f"nap.absent_seconds = 900 seconds # {path}" in " ".join(done.stdout.split())
    assert "monitors.ssh.ports = 22,8000-8099" in done.stdout


def test_check_config_tells_that_a_machine_without_monitors_never_naps(config):
    assert "# note: no monitor is enabled" in run("powernapd", "--check-config", config("")).stdout
    watched = config('[monitors.ssh]\nkind = "tcp"\nports = [22]\n')
    assert "no monitor" not in run("powernapd", "--check-config", watched).stdout


def test_check_config_tells_of_an_idle_time_that_has_no_effect(config):
    path = config('[nap]\nabsent_seconds = 900\n[steps.sleep]\nafter_seconds = 60\naction = "suspend"\n')
    done = run("powernapd", "--check-config", path)
    assert done.returncode == 0
    assert f"# note: {path}: nap.absent_seconds has no effect, as steps are given" in done.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[nap]\nabsent_secnds = 3\n", "nap.absent_secnds: no such key; did you mean absent_seconds?"),
        ('[monitors.x]\nkind = "tcp"\nports = ["9-3"]\n', "monitors.x.ports"),
        ('[monitors.x]\nkind = "tpc"\n', "did you mean tcp?"),
        ('[monitors.x]\nkind = "process"\npattern = "("\n', "no regular expression"),
        ('[monitors.x]\nkind = "process"\npattern = "a"\nuser = "nosuchuser"\n', "there is no user 'nosuchuser'"),
        ('[powersave]\nknobs = ["govenor"]\n', "powersave.knobs: there is no knob 'govenor'; did you mean governor?"),
        ('[warnings.x]\nkind = "wall"\nmessage = "{hots}"\n', "warnings.x.message: there is no {hots}"),
        ("[nap\n", "is not valid TOML"),
    ],
)
def test_bad_configuration_is_one_sentence_that_names_file_and_key(config, text, sentence):
    path = config(text)
    done = run("powernapd", "--check-config", path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_daemon_refuses_a_bad_configuration_too(config):
    done = run("powernapd", "--config", config("[nap]\nabsent_seconds = 'x'\n"))
    assert done.returncode == 2
    assert "nap.absent_seconds: 'x' is not a number" in done.stderr


def test_a_missing_configuration_is_told(tmp_path):
    done = run("powernapd", "--config", tmp_path / "nowhere.toml")
    assert done.returncode == 2
    assert "no such file" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping root needs root")
def test_without_root_the_daemon_says_so():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "powernapd.toml")
        path.touch()
        path.parent.chmod(0o755)
        done = run("powernapd", "--config", path, as_nobody=True)
    assert done.returncode == 2
    assert done.stderr == "powernapd: needs root: start it with 'sudo systemctl start powernapd'\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping root needs root")
@pytest.mark.parametrize("order", ["now", "recover"])
def test_without_root_an_order_says_so(order):
    done = run("powernap", order, as_nobody=True)
    assert done.returncode == 2
    assert done.stderr == f"powernap: {order} needs root: run it with sudo\n"


def test_where_no_daemon_runs_it_is_told_with_the_remedy(tmp_path):
    done = run("powernap", "status", "--control-socket", tmp_path / "none.sock")
    assert done.returncode == 2
    assert "powernapd is not running" in done.stderr and "systemctl start powernapd" in done.stderr


def test_for_programs_an_error_is_json_as_well(tmp_path):
    done = run("powernap", "status", "--json", "--control-socket", tmp_path / "none.sock")
    assert json.loads(done.stdout)["ok"] is False


def test_the_version_is_told():
    assert run("powernapd", "--version").stdout.startswith("powernapd ")
    assert run("powernap", "--version").stdout.startswith("powernap ")


async def _answer(request):
    return {"ok": True, "did": request["command"]}


@pytest.mark.parametrize(
    ("line", "uid", "expected"),
    [
        (b'{"command": "now"}\n', 0, {"ok": True, "did": "now"}),
        (b'{"command": "status"}\n', 1000, {"ok": True, "did": "status"}),
        (b'{"command": "now"}\n', 1000, {"ok": False, "error": "powernap now needs root: run it with sudo"}),
        (b'{"command": "recover"}\n', 1000, {"ok": False, "error": "powernap recover needs root: run it with sudo"}),
    ],
)
def test_only_root_may_give_orders(line, uid, expected):
    assert asyncio.run(control.respond(line, uid, _answer)) == expected


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"command": []}', b'{"command": "reboot"}', b"\xff\n", b"[" * 4000]
)
def test_nonsense_on_the_control_socket_is_answered(line):
    said = asyncio.run(control.respond(line, 0, _answer))
    assert said["ok"] is False and said["error"]


@pytest.mark.parametrize("command", ["status", "history"])
def test_a_defect_in_an_answer_is_told_as_such_and_not_as_a_bad_request(tmp_path, caplog, command):
    path = str(tmp_path / "control.sock")

    async def broken(_request):
        raise ValueError("five is no colour")

    async def stream(request):
        yield await broken(request)

    async def talk():
        server = await control.serve(path, broken, stream)
        try:
            return await asyncio.to_thread(control.ask, path, {"command": command}, 10)
        finally:
            server.close()

    said = asyncio.run(talk())
    assert said["ok"] is False
    assert "defect" in said["error"] and "five is no colour" in said["error"] and "journalctl" in said["error"]
    assert "Traceback" in caplog.text


def test_the_socket_serves_a_real_client_and_survives_a_rude_one(tmp_path):
    path = str(tmp_path / "control.sock")

    async def talk():
        server = await control.serve(path, _answer)
        for rude in (b"", b"x" * 10000):
            _reader, writer = await asyncio.open_unix_connection(path)
            writer.write(rude)
            writer.close()
        for odd in ({"command": []}, {"command": "x" * 10000}):
            said = await asyncio.to_thread(control.ask, path, odd, 10)
            assert said["ok"] is False and said["error"]
        asked = asyncio.get_running_loop().run_in_executor(None, control.ask, path, {"command": "status"}, 5)
        assert await asked == {"ok": True, "did": "status"}
        server.close()

    asyncio.run(talk())
