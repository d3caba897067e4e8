# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd of this checkout on a host of the lab, under its own unit, and powerwaked beside it on another."""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import shlex
import time

from ansible_collections.powernap.lab.plugins.module_utils.errors import LabError

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
FOLDER = "/opt/powernap"
PROGRAM = f'#!/bin/sh\nexec env PYTHONPATH=$FAKE{FOLDER} /usr/bin/python3 -m powernap {{name}} "$@"\n'
#: Soon after a kill it runs again; the unit of the role takes its time.
HURRY = "[Service]\nRestartSec=300ms\n[Unit]\nStartLimitIntervalSec=0\n"
SERVER = '[server]\nurl = "https://198.18.0.2:20709"\n'
QUIET = '[monitors.work]\nkind = "lock"\nheld = []\nexists = ["/run/work"]\n'


@functools.cache
def install(lab, name, *programs):
    lab.install_source(name, FOLDER)
    lab.run(name, f"python3 -m compileall -q {FOLDER}; mkdir -p /etc/powernap/powernapd.d", timeout=60)
    for program in (*programs, *(["powernap-hands"] if "powernapd" in programs else [])):
        path = f"/usr/{'sbin' if program.endswith(('d', '-hands')) else 'bin'}/{program}"
        lab.run(name, f"cat >{path}; chmod 755 {path}", input=PROGRAM.format(name=program))
        if program.endswith("d"):
            for template in sorted(
                [
                    *(ROLES / program / "templates").glob("*.service.j2"),
                    *(ROLES / program / "templates").glob("*.socket.j2"),
                ]
            ):
                lab.run(name, f"cat >/etc/systemd/system/{template.stem}", input=template.read_text())
            lab.run(name, "systemctl daemon-reload")
    if "powernapd" in programs:
        lab.run(name, "id -u powernapd >/dev/null 2>&1 || useradd --system --no-create-home --home-dir / powernapd")


def authority(lab, server="wake1"):
    """The CA of a wake server, as it says itself."""
    return lab.run(server, "curl -sS --unix-socket /run/powerwaked/admin.sock http://x/api/v1/ca").stdout


class Napper:
    """One host with powernapd, known to the wake server wake1 unless it is a stranger."""

    def __init__(self, lab, name, server="wake1", stranger=False, group=""):
        self.lab, self.name, self.server = lab, name, server
        install(lab, server, "powerwaked", "powerwake")
        install(lab, name, "powernapd", "powernap")
        lab.run(server, "printf '[listen]\\n' >/etc/powernap/powerwaked.toml; systemctl start powerwaked", timeout=60)
        if not stranger:
            self._be_known(group)
        folder = "/etc/systemd/system/powernapd.service.d"
        self.run(f"mkdir -p {folder}; cat >{folder}/hurry.conf; systemctl daemon-reload", input=HURRY)

    def _be_known(self, group):
        """As Ansible does it."""
        host = self.lab.host(self.name)
        register = f"powerwake register {self.name} --mac {host['mac']} --address {host['ipv4']} --json"
        register += f" --group {group}" if group else ""
        key = json.loads(self.lab.run(self.server, register).stdout)["key"]
        self.run("umask 077; cat >/etc/powernap/client.key", input=key + "\n")
        self.run("cat >/etc/powernap/server-ca.pem", input=authority(self.lab, self.server))

    def run(self, command, **how):
        return self.lab.run(self.name, command, **how)

    # --- the daemon

    def start(self, config, fresh=True, server=SERVER):
        """Run it with that configuration, by default with nothing of before; ready when this returns."""
        self.stop()
        self.run("rm -f /run/work")
        if fresh:  # but never a number of before: the wake server takes none twice
            self.run(
                "find /var/lib/powernapd/ /var/lib/powernap-hands/ -type f ! -name link-sequence -delete", check=False
            )
        self.run("cat >/etc/powernap/powernapd.toml", input=config + server)
        self.since = float(self.run("date +%s.%N").stdout)
        self.run("systemctl start powernapd", timeout=60)

    def stop(self):
        self.run(
            "systemctl stop powernapd; systemctl reset-failed -q powernapd systemd-suspend", check=False, timeout=90
        )

    def pid(self):
        return int(self.run("systemctl show -P MainPID powernapd").stdout)

    def kill(self):
        self.run("systemctl kill -s KILL --kill-who=main powernapd")

    def ask(self, words):
        return json.loads(self.run(f"powernap {words} --json").stdout)

    def status(self):
        return self.ask("status")

    def log(self):
        """What the daemon wrote since it was started."""
        return self.run(f"journalctl -q -o cat --since=@{self.since:.3f} -u powernapd").stdout

    # --- waiting

    def until(self, true, seconds=30.0, what=""):
        """Return what ``true`` returns as soon as that is anything."""
        end = time.monotonic() + seconds
        while not (found := true()):
            if time.monotonic() > end:
                log = self.log() if self.lab.state(self.name) == "awake" else f"{self.name} does not run"
                raise AssertionError(f"{what or 'it'} did not come within {seconds:g} s: {log}")
            time.sleep(0.1)
        return found

    def reaches(self, state, seconds=30.0):
        """Wait until powernapd says that it is in that state."""
        return self.until(lambda: self._state() == state, seconds, state)

    def _state(self):
        done = self.run("powernap status --json", check=False)
        return json.loads(done.stdout)["state"] if done.returncode == 0 else ""

    def logs(self, text, seconds=30.0):
        return self.until(lambda: text in self.log(), seconds, repr(text))

    def falls_asleep(self, seconds=60.0):
        self.lab.wait_state(self.name, "asleep", seconds)

    def wake(self):
        """By magic packets, one every 2 s: one alone may be lost."""
        end = time.monotonic() + 60
        while self.lab.state(self.name) != "awake":
            mine = [event for event in self.lab.events() if event["host"] == self.name]
            assert time.monotonic() < end, f"{self.name} does not wake: {mine[-12:]}"
            self.lab.magic(self.name)
            with contextlib.suppress(LabError):
                self.lab.wait_state(self.name, "awake", 2)

    def known_as(self, *states, seconds=60.0):
        """Wait until the wake server says so of it."""
        self.until(lambda: self.known_state() in states, seconds, " or ".join(states))

    def known_state(self):
        return self.seen_by_server()["wake_state"]

    def is_linked(self, seconds=60.0):
        """Wait until its link is open."""
        self.until(lambda: self.seen_by_server()["status"]["link"], seconds, "the link")

    def seen_by_server(self):
        path = "/run/powerwaked/admin.sock"
        answer = self.lab.run(
            self.server, f"curl -sS --unix-socket {path} http://x/api/v1/hosts/{shlex.quote(self.name)}"
        )
        return json.loads(answer.stdout)
