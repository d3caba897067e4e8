# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks as they come, with the playbook site: real ansible-rulebook at a desk, a machine that naps and wakes.

What they make of many events at a time is in tests/net/test_rulebooks.py, where POWERNAP_EDA is explained, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from channel import URL, asked, powerwake
from conftest import ROOT
from desk import Desk
from playing import Player

HOOK = "http://198.18.0.10:8099/hook"
#: Where alerts go: each in a line of /run/heard.
LISTENER = """
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/run/heard", "ab") as heard:
            heard.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("198.18.0.10", 8099), Hook).serve_forever()
"""
KNOCK = "import socket; print(socket.create_connection(('198.18.0.3', 22), 60).recv(4))"
SECONDS = 300.0  # ansible-rulebook starts in 4 s, and site runs in 10, on a machine that does nothing else


class Operator(Desk):
    """With the inventory of a site, which is a folder."""

    def __init__(self, lab, folder, programs) -> None:
        super().__init__(lab, folder)
        self.programs, self.site = programs, folder / "site"
        (self.site / "host_vars").mkdir(parents=True)
        hosts = json.loads((folder / "hosts.yml").read_text())
        hosts["all"]["vars"]["ansible_ssh_args"] = "-o ControlMaster=no"  # what is kept open might keep it awake
        (self.site / "hosts.yml").write_text(json.dumps(hosts))

    def lets_it_nap_after(self, seconds) -> None:
        config = {"nap": {"absent_seconds": seconds, "min_awake_seconds": 1}}
        variables = {"powernap_config": config, "powernap_canary": False}
        (self.site / "host_vars" / "web1.yml").write_text(json.dumps(variables))

    def configured(self):
        """What web1 has of it."""
        text = self.lab.run("web1", "powernap status --json", check=False).stdout
        return json.loads(text)["absent_seconds"] if text else None

    def sleeps(self):
        powerwake(self.lab, "nap web1")
        self.lab.wait_state("web1", "asleep", 60)
        self.until(lambda: asked(self.lab, "list")["hosts"][0]["wake_state"] == "proxied", "the wake server's word")

    @staticmethod
    def until(true, what):
        end = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < end, f"{what} does not come"
            time.sleep(0.5)

    @contextlib.contextmanager
    def rulebook(self, name, *words):
        """It follows the wake server from here on, and ends on SIGINT as an operator's does; yields its log."""
        log = self.folder / f"{name}.log"
        command = self.command(
            self.programs / "ansible-rulebook", "--rulebook", f"powernap.powernap.{name}", "-v", *words
        )
        environment = self.environment(
            PATH=f"{self.programs}:{os.environ['PATH']}",
            ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"),
            ANSIBLE_LOCALHOST_WARNING="false",
            POWERWAKE_SERVER=URL,
        )
        with log.open("w") as file:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        try:
            self.until(lambda: process.poll() is not None or self._is_followed(), name)
            assert process.poll() is None
            yield log
            process.send_signal(signal.SIGINT)
            process.wait(60)
        except BaseException:
            print(log.read_text()[-8000:])
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert "Traceback" not in log.read_text()

    def _is_followed(self):
        metrics = "curl -sS --unix-socket /run/powerwaked/admin.sock http://x/metrics"
        return "\npowerwaked_api_streams 1" in self.lab.run("wake1", metrics).stdout


@pytest.fixture(scope="module")
def operator(start_lab, tmp_path_factory):
    """web1 is set up by the playbook, as it is at first."""
    if shutil.which("java") is None:
        pytest.skip("ansible-rulebook needs Java 17: apt-get install openjdk-17-jre-headless")
    if not os.environ.get("POWERNAP_EDA"):
        pytest.skip("needs ansible-rulebook in POWERNAP_EDA: scripts/test lab brings it")
    with start_lab("rules", ROOT / "tests/lab/awake.toml") as lab:
        settings = {"clients": {"powernap_config": {"nap": {"absent_seconds": 7200, "min_awake_seconds": 1}}}}
        player = Player(lab, tmp_path_factory.mktemp("player"), settings)
        played = player.play("site", "--limit", "wake_servers,web1", "-e", "powernap_canary=false")
        assert played.status == 0, (played.failed, played.errors)
        yield Operator(lab, tmp_path_factory.mktemp("desk"), Path(os.environ["POWERNAP_EDA"]))


def test_a_machine_that_is_woken_by_a_knock_gets_what_the_inventory_says_by_now(operator):
    lab = operator.lab
    assert operator.configured() == 7200
    operator.sleeps()
    operator.lets_it_nap_after(86400)
    with operator.rulebook("woken", "--inventory", operator.site) as log:
        assert "SSH" in lab.run("desk", ["python3", "-c", KNOCK], timeout=70).stdout
        operator.until(lambda: "PLAY RECAP" in log.read_text(), "the run")
    recap = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text().partition("PLAY RECAP")[2])
    assert re.search(r"^web1 .* unreachable=0 +failed=0 ", recap, re.MULTILINE), recap
    assert not re.search(r"^(wake1|web2|web3) ", recap, re.MULTILINE), recap
    assert operator.configured() == 86400
    assert log.read_text().count("PLAY RECAP") == 1, "the run itself wakes nobody"


def test_a_machine_that_is_deaf_to_magic_packets_opens_an_alert_which_its_waking_closes(operator):
    lab = operator.lab
    here = operator.folder / "here.ini"
    here.write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    (operator.folder / "vars.yml").write_text(json.dumps({"alert_url": HOOK}))
    lab.run("desk", ["systemd-run", "-q", "--unit=hook", "python3", "-c", LISTENER])
    operator.sleeps()
    lab.set("web1", "deaf_to_magic", 1000)

    def heard():
        return lab.run("desk", "cat /run/heard", check=False).stdout.splitlines()

    with operator.rulebook("alerts", "--inventory", here, "--vars", operator.folder / "vars.yml"):
        refused = powerwake(lab, "wake web1 --timeout 6", check=False)
        assert "web1 did not wake within 6 s" in refused.stdout + refused.stderr
        operator.until(heard, "the alert")
        lab.set("web1", "deaf_to_magic", 0)
        lab.button("web1")
        operator.until(lambda: len(heard()) > 1, "its end")
    fired, resolved = map(json.loads, heard())
    assert (fired["status"], fired["host"]) == ("firing", "web1") and "did not wake" in fired["summary"]
    assert (resolved["status"], resolved["host"]) == ("resolved", "web1") and fired["wake_server"] == URL
