# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fake of powernapd on a real control socket, and of the program powernap: the modules' own client speaks to them.

Nothing naps.
"""

from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from pathlib import Path

import pytest


class FakePowernapd:
    def __init__(self):
        self.status = {
            "state": "awake",
            "reason": "",
            "in_effect": [],
            "action": "suspend",
            "mode": "act",
            "held_by": [],
            "notes": [],
            "version": "0.1.0",
            "profile": "web-server",
            "conflicts": [],
        }
        self.refusals = {}  # command: why it is refused
        self.leases = []
        self.orders = []  # what changed something, with its arguments
        self.folder = tempfile.mkdtemp(prefix="pn")  # short: a socket's path holds 107 bytes
        self.socket = self.folder + "/control.sock"
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                request = json.loads(self.rfile.readline())
                self.wfile.write(json.dumps(fake.answer(request.pop("command"), request)).encode() + b"\n")

        self.server = socketserver.UnixStreamServer(self.socket, Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, command, request):
        if command in self.refusals:
            return {"ok": False, "error": self.refusals[command]}
        return {"ok": True, **getattr(self, f"on_{command}")(request)}

    def on_status(self, _request):
        return self.status

    def on_why(self, _request):
        return {**self.status, "text": "Awake.", "keeps_awake": [], "steps": [], "decision": None}

    def on_now(self, request):
        if not request.get("dry_run"):
            self.orders.append(("now", request["delay_seconds"]))
        return {"action": self.status["action"]}

    def on_recover(self, _request):
        self.orders.append(("recover",))
        self.status.update(state="awake", in_effect=[])
        return {"state": "awake"}

    def on_reload(self, _request):
        self.orders.append(("reload",))
        return {}

    def on_leases(self, _request):
        return {"leases": self.leases}

    def on_inhibit(self, request):
        self.orders.append(("inhibit", request["who"], request["reason"], request["seconds"]))
        number = str(len(self.orders))
        lease = {"id": number, "remaining_seconds": request["seconds"] or 86400.0, "pid": 0, "uid": 0}
        lease.update(who=request["who"], reason=request["reason"])
        self.leases.append(lease)
        return {"lease": lease}

    def on_release(self, request):
        self.orders.append(("release", request["id"]))
        self.leases = [lease for lease in self.leases if lease["id"] != request["id"]]
        return {}

    def program(self, answer):
        """Return a program that notes its arguments, and prints that answer as JSON."""
        path = Path(self.folder, "fake-powernap")
        text = f"#!/bin/sh\necho \"$@\" >>'{self.folder}/words'\ncat <<'END'\n{json.dumps(answer)}\nEND\n"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o700)
        return str(path)

    def words(self):
        """Return the arguments of each run of the program."""
        noted = Path(self.folder, "words")
        lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
        return [line.split(" --json")[0] for line in lines]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder)


@pytest.fixture
def fake_powernapd():
    fake = FakePowernapd()
    yield fake
    fake.close()
