# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fake of powerwaked's API on a real Unix socket, and on loopback for TOKEN: the modules' own client speaks to it.

It wakes nobody.
"""

from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

KEY = "ab" * 32
TOKEN = "pna1.00000000." + "0" * 64
NOT_GIVEN = {"addresses": [], "wake_on": None, "group": None}


def describe(name, wake_state, registered):
    """Return a host's record: what the wake server takes to hold, and what was given."""
    known = dict(registered, wake_on=registered["wake_on"] or "demand")
    return dict(known, name=name, wake_state=wake_state, registered=registered)


def plain(text):
    """Return a MAC or IP address in one form."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text.lower().replace("-", ":")


class FakePowerwaked:
    def __init__(self):
        self.hosts = {}
        self.calls = []
        self.groups = None  # names of those that are described; None: whatever there is
        self.wake_answer = None  # (status, content) instead of waking
        self.folder = tempfile.mkdtemp(prefix="pn")  # short: a socket's path holds 107 bytes
        self.socket = self.folder + "/admin.sock"
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                fake.calls.append((self.command, self.path, body))
                if self.server is fake.far and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status, content = 401, {"detail": "the token is not known here"}
                else:
                    status, content = fake.handle(self.command, self.path, body)
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def address_string(self):
                return "unix"

            def log_message(self, *_args):
                """Say nothing: the test's output is the module's."""

        self.server = socketserver.ThreadingUnixStreamServer(self.socket, Handler)
        self.far = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.far.server_address[1]}"
        self.server.daemon_threads = True
        for server in (self.server, self.far):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        for server in (self.server, self.far):
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.folder)

    def add(self, name, wake_state="awake", **given):
        given.setdefault("macs", ["02:4c:00:00:00:03"])
        self.hosts[name] = describe(name, wake_state, dict(NOT_GIVEN, **given))

    def changes(self):
        """Return the calls that were no mere reading."""
        return [call for call in self.calls if call[0] != "GET"]

    def handle(self, method, path, body):
        if method == "GET" and path.startswith("/api/v1/hosts?"):
            return self.find(parse_qs(urlsplit(path).query)["target"][0])
        if (method, path) == ("POST", "/api/v1/wake"):
            return self.wake_answer or self.wake(body["target"])
        name = unquote(path.split("/")[4])
        if method == "PUT":
            before = self.hosts.get(name)
            state = before["wake_state"] if before else "awake"
            self.hosts[name] = after = describe(name, state, dict(NOT_GIVEN, **body))
            described = not after["group"] or self.groups is None or after["group"] in self.groups
            return 200, {"changed": before != after, "host": dict(after, group_described=described), "key": KEY}
        if name not in self.hosts:
            return 404, {"error": f"no host {name}"}
        if method == "DELETE":
            del self.hosts[name]
            return 200, {"changed": True}
        return 200, {"key": KEY} if path.endswith("/key") else self.hosts[name]

    def find(self, target):
        """Return the page of the one host that this name or address, in whatever form, is of."""
        for host in self.hosts.values():
            if target == host["name"] or plain(target) in map(plain, host["macs"] + host["addresses"]):
                return 200, {"hosts": [host], "next": None}
        return 404, {"detail": f"no host {target}"}

    def wake(self, target):
        host = self.hosts.get(target)
        if host is None:
            return 404, {"error": f"no host {target}"}
        was, host["wake_state"] = host["wake_state"], "awake"
        changed = was != "awake"
        return 200, {
            "name": target,
            "was": was,
            "state": "awake",
            "changed": changed,
            "seconds": 1.5 if changed else 0.0,
            "magic_packets": 2 if changed else 0,
        }


@pytest.fixture
def fake_server():
    server = FakePowerwaked()
    yield server
    server.close()
