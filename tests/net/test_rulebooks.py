# SPDX-License-Identifier: GPL-3.0-or-later
"""Both rulebooks from end to end: a real powerwaked, real ansible-rulebook, a real playbook, a real webhook.

POWERNAP_EDA is the folder of the programs of a virtual environment with ansible-rulebook; scripts/test makes it.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.net.lan import Lan, wait_for

from powernap.shared.errors import Refused

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 90.0  # it takes 4 s on a machine that does nothing else: Python, Java, and Python again
_RUN_SECONDS = 90.0
_MARK = """
- name: Stand for what a site does
  hosts: web*
  gather_facts: false
  tasks:
    - name: Note on whom it ran
      ansible.builtin.lineinfile:
        path: "{{ lookup('env', 'NOTED') }}"
        line: "{{ ansible_play_hosts | sort | join(' ') }}: {{ ansible_eda.event.powerwaked.detail | length > 0 }}"
        insertafter: EOF
        create: true
        mode: "0644"
      run_once: true
"""

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def programs() -> Path:
    if shutil.which("java") is None:
        pytest.skip("ansible-rulebook needs Java 17: apt-get install openjdk-17-jre-headless")
    folder = os.environ.get("POWERNAP_EDA", "")
    if not folder:
        pytest.skip("needs ansible-rulebook in POWERNAP_EDA: scripts/test unit brings it")
    return Path(folder)


@pytest.fixture(scope="module")
def lan(impatient_lan: Lan) -> Lan:
    return impatient_lan


@contextlib.contextmanager
def rulebook(
    programs: Path, folder: Path, lan: Lan, name: str, *more: str, **variables: str
) -> Iterator[Callable[..., None]]:
    """ansible-rulebook follows the wake server, and ends on SIGINT as an operator's does."""
    (folder / f"{name}.vars.yml").write_text(json.dumps(variables))
    log = folder / f"{name}.log"
    command = [programs / "ansible-rulebook", "--rulebook", f"powernap.powernap.{name}", "--verbose"]
    command += ["--vars", folder / f"{name}.vars.yml", *more]
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "NOTED": str(folder / "noted"),
        "POWERWAKE_SOCKET": lan.server.admin.path,
    }
    before = _streams(lan)
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        wait_for(lambda: process.poll() is not None or _streams(lan) > before, _START_SECONDS, 0.1)
        assert process.poll() is None, log.read_text()[-3000:]

        def until(what: Callable[[], object], seconds: float = _RUN_SECONDS) -> None:
            wait_for(lambda: process.poll() is not None or what(), seconds, 0.2)
            assert process.poll() is None, "it has ended by itself"

        yield until
        process.send_signal(signal.SIGINT)
        process.wait(30)
    except BaseException:
        print(log.read_text()[-6000:])
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "Traceback" not in log.read_text()


def _streams(lan: Lan) -> int:
    """Connections to the wake server's socket."""
    listed = subprocess.run(
        ["ss", "-Hx", "state", "established"], capture_output=True, text=True, check=True, timeout=20
    )
    return listed.stdout.count(f" {lan.server.admin.path} ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inventory").mkdir()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts: dict[str, Any] = {f"web{number}": local for number in range(1, 7)}
    (tmp_path / "inventory" / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    (tmp_path / "mark.yml").write_text(_MARK)
    return tmp_path


def wake(lan: Lan, name: str) -> None:
    """Order it, and do not wait for it."""
    with contextlib.suppress(Refused):
        lan.server.admin.post("/api/v1/wake", {"target": name, "timeout_seconds": 0.01})


class Hook(http.server.BaseHTTPRequestHandler):
    """Where alerts go."""

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(json.loads(text))  # type: ignore[attr-defined]  # Hooks has it
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Silent."""


class Hooks(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.heard: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def test_what_wakes_together_is_configured_by_one_run_and_what_does_not_wake_is_not(
    programs: Path, folder: Path, lan: Lan
) -> None:
    racks = [lan.sleeper(f"web{number}", 20 + number) for number in range(1, 6)]
    deaf = lan.sleeper("web6", 26)
    noted = folder / "noted"
    for host in [*racks, deaf]:
        host.nap()
    deaf.lose = 1000
    inventory = ["--inventory", str(folder / "inventory")]
    with rulebook(programs, folder, lan, "woken", *inventory, woken_playbook=str(folder / "mark.yml")) as until:
        for host in [*racks, deaf]:
            wake(lan, host.name)
        for host in racks:
            host.settle()
        until(noted.exists)
        until(lambda: lan.events("web6", "alert"))
        racks[0].nap()
        wake(lan, "web1")
        until(lambda: len(noted.read_text().splitlines()) > 1)
    assert noted.read_text().splitlines() == ["web1 web2 web3 web4 web5: True", "web1: True"]


def test_a_machine_that_does_not_wake_opens_one_alert_and_closes_it_when_it_is_awake(
    programs: Path, tmp_path: Path, lan: Lan
) -> None:
    hooks = Hooks()
    lost = lan.sleeper("lost1", 31)
    lost.nap()
    lost.lose = 1000
    (tmp_path / "here.ini").write_text(
        f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    )
    with rulebook(
        programs, tmp_path, lan, "alerts", "--inventory", str(tmp_path / "here.ini"), alert_url=hooks.url
    ) as until:
        for _attempt in range(2):
            wake(lan, "lost1")
            seen = len(lan.events("lost1", "alert"))
            until(lambda seen=seen: len(lan.events("lost1", "alert")) > seen)
        until(lambda: hooks.heard)
        lost.wake()
        until(lambda: len(hooks.heard) > 1)
    fired, resolved = hooks.heard
    assert (fired["status"], fired["host"]) == ("firing", "lost1")
    assert fired["summary"].startswith("lost1 did not wake in ")
    assert (resolved["status"], resolved["host"]) == ("resolved", "lost1")
    assert fired["wake_server"] == lan.server.admin.path
