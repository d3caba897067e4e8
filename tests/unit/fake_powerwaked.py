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
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from time import time
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

KEY = "ab" * 32
TOKEN = "pna1.00000000." + "0" * 64
STATUS = {"since": 1.0, "why": "answers", "evidence": "ARP", "profile": "web-server", "activity": {}}
NOT_GIVEN = {"addresses": [], "wake_on": None, "group": None}


def describe(name, wake_state, registered):
    """Return a host's record: what the wake server takes to hold, and what was given."""
    known = dict(registered, wake_on=registered["wake_on"] or "demand", status=dict(STATUS))
    known["status"]["state"] = "napping" if wake_state == "proxied" else wake_state
    others = {"tcp_ports": "22", "udp_ports": "", "last_wake": None, "registered_at": 1.0}
    return dict(known, name=name, wake_state=wake_state, registered=registered, **others)


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
        self.linked = set()
        self.refused = {}  # why a host of that name is refused, or not woken, among many
        self.pending, self.orders, self.wakes, self.tokens = [], [], [], []
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

    def add(self, name, wake_state="awake", lease=False, **given):
        """``lease``: its powernapd has an open link, and can be told to hold it awake."""
        if lease:
            self.linked.add(name)
        given.setdefault("macs", ["02:4c:00:00:00:03"])
        self.hosts[name] = describe(name, wake_state, dict(NOT_GIVEN, **given))

    def changes(self):
        """Return the calls that were no mere reading."""
        return [call for call in self.calls if call[0] != "GET"]

    def handle(self, method, path, body):
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        words = [unquote(word) for word in parts.path.split("/")[3:]]
        answers = getattr(self, f"_{method.lower()}_{words[0]}", None)
        return answers(words[1:], query, body) if answers else (404, {"detail": f"no {method} {path} here"})

    def _get_hosts(self, words, query, body):
        if not words:
            return self.find(query["target"]) if "target" in query else self.page(query)
        if words[0] not in self.hosts:
            return 404, {"error": f"no host {words[0]}"}
        if words[1:] == ["wakes"]:
            return 200, {"wakes": [each for each in self.wakes if each["host"] == words[0]]}
        return 200, {"key": KEY} if words[1:] == ["key"] else self.hosts[words[0]]

    def _put_hosts(self, words, query, body):
        if not words:
            done = [self.put_one(dict(each), body.get("dry_run", False)) for each in body["hosts"]]
            return 200, {"changed": any(each.get("changed") for each in done), "hosts": done}
        name, before = words[0], self.hosts.get(words[0])
        self.hosts[name] = after = describe(name, before["wake_state"] if before else "awake", dict(NOT_GIVEN, **body))
        described = not after["group"] or self.groups is None or after["group"] in self.groups
        return 200, {"changed": before != after, "host": dict(after, group_described=described), "key": KEY}

    def put_one(self, facts, dry):
        name = facts.pop("name")
        if name in self.refused:
            return {"name": name, "status": 409, "error": self.refused[name]}
        before = self.hosts.get(name)
        after = describe(name, before["wake_state"] if before else "awake", dict(NOT_GIVEN, **facts))
        described = not after["group"] or self.groups is None or after["group"] in self.groups
        told = {"name": name, "changed": before != after, "before": before and before["registered"]}
        if not dry:
            self.hosts[name] = after
        return dict(told, group_described=described, **({"key": KEY} if name in self.hosts else {}))

    def _delete_hosts(self, words, query, body):
        return 200, {"changed": self.hosts.pop(words[0], None) is not None}

    def _post_forget(self, words, query, body):
        done = []
        for name in body["names"]:
            known = self.hosts.get(name)
            done.append({"name": name, "changed": known is not None, "before": known and known["registered"]})
            if known and not body["dry_run"]:
                del self.hosts[name]
        return 200, {"changed": any(each["changed"] for each in done), "hosts": done}

    def page(self, query):
        after, limit = query.get("after", ""), int(query.get("limit", 1000))
        names = [name for name in sorted(self.hosts) if name > after and self.fits(self.hosts[name], query)]
        hosts = [self.hosts[name] for name in names[:limit]]
        if "fields" in query:
            fields = query["fields"].split(",")
            hosts = [{field: value for field, value in host.items() if field in fields} for host in hosts]
        return 200, {"hosts": hosts, "next": names[limit - 1] if len(names) > limit else None}

    @staticmethod
    def fits(host, query):
        state = host["status"]["state"]
        return (
            ("group" not in query or (host["group"] or "") == query["group"])
            and ("state" not in query or state in query["state"].split(","))
            and ("pattern" not in query or fnmatchcase(host["name"], query["pattern"]))
        )

    def find(self, target):
        """Return the page of the one host that this name or address, in whatever form, is of."""
        for host in self.hosts.values():
            if target == host["name"] or plain(target) in map(plain, host["macs"] + host["addresses"]):
                return 200, {"hosts": [host], "next": None}
        return 404, {"detail": f"no host {target}"}

    # Waking

    def _post_wake(self, words, query, body):
        return self.wake_answer or self.wake(body["target"])

    def wake(self, target):
        host = self.hosts.get(target)
        if host is None:
            return 404, {"error": f"no host {target}"}
        was, host["wake_state"] = host["wake_state"], "awake"
        changed = was != "awake"
        if changed:
            ways = {"ethernet": {"packets": 1, "text": ""}, "udp_broadcast": {"packets": 1, "text": ""}}
            volleys = [{"at": 0.0, "number": 0, "ways": ways}]
            self.wakes.insert(0, {"host": target, "started": time(), "volleys": volleys, "magic_packets": 2})
        return 200, {
            "name": target,
            "was": was,
            "state": "awake",
            "changed": changed,
            "seconds": 1.5 if changed else 0.0,
            "magic_packets": 2 if changed else 0,
        }

    def _get_wakes(self, words, query, body):
        return 200, {"wakes": self.wakes[: int(query.get("limit", 50))]}

    def _post_orders(self, words, query, body):
        given = {"group": body["group"]} if "group" in body else {}
        given.update({"pattern": body["match"]} if "match" in body else {})
        names = body.get("hosts") or [name for name in sorted(self.hosts) if self.fits(self.hosts[name], given)]
        order = {"id": f"{len(self.orders):016x}", "ended": None, "results": {}}
        for name in names:
            told = self.foresee(name) if body.get("dry_run") else self.carry_out(name, body["verb"])
            packets = told["result"].get("magic_packets", 0)
            order["results"][name] = dict(told, changed=told["outcome"] == "would" or packets > 0)
        outcomes = [each["outcome"] for each in order["results"].values()]
        order["counts"] = {outcome: outcomes.count(outcome) for outcome in outcomes}
        self.orders.insert(0, dict(order, state="running"))
        return 202, order

    def foresee(self, name):
        host = self.hosts.get(name)
        if host is None:
            return {"outcome": "failed", "said": f"no machine {name} is registered here", "seconds": None, "result": {}}
        if host["wake_state"] == "awake":
            return {"outcome": "done", "said": "", "seconds": None, "result": {"was": "awake"}}
        result = {"was": "asleep", "state": host["status"]["state"]}
        return {"outcome": "would", "said": "", "seconds": None, "result": result}

    def carry_out(self, name, verb):
        told = self.foresee(name)
        if told["outcome"] == "failed":
            return dict(told, result={"problem": "not-found"})
        if name in self.refused:
            return {"outcome": "failed", "said": self.refused[name], "seconds": 9.0, "result": {}}
        done = self.wake(name)[1]
        result = {
            "was": told["result"]["was"],
            "woken_seconds": done["seconds"],
            "magic_packets": done["magic_packets"],
        }
        if verb == "inhibit" and name not in self.linked:
            result["state"] = "awake"
            return {
                "outcome": "not delivered",
                "said": "is awake, without an open link",
                "seconds": 0.1,
                "result": result,
            }
        if verb == "inhibit":
            result["lease"] = {"id": "1"}
        return {"outcome": "done", "said": "woken", "seconds": done["seconds"], "result": result}

    def _get_orders(self, words, query, body):
        if not words:
            return 200, {"orders": self.orders}
        order = next(each for each in self.orders if each["id"] == words[0])
        order.update(state="done", ended=time())
        return 200, order

    # Who waits, tokens, and the rest that is only read

    def _get_pending(self, words, query, body):
        return 200, {"pending": self.pending}

    def _post_pending(self, words, query, body):
        waiting = next(each for each in self.pending if words[0] in (each["request"], each["name"]))
        if words[1] == "reject":
            waiting["status"] = "rejected"
            return 200, waiting
        self.pending.remove(waiting)
        name = body.get("name") or waiting["name"]
        self.add(name, macs=waiting["macs"], group=body.get("group") or None)
        return 200, {"name": name, "macs": waiting["macs"], "group": body.get("group", "")}

    def wait(self, name, request, status="pending", **given):
        """A machine asks to be known."""
        macs = ["02:4c:00:00:00:09"]
        self.pending.append(
            dict({"name": name, "request": request, "status": status, "host": "", "macs": macs}, **given)
        )

    def _get_tokens(self, words, query, body):
        return 200, {"tokens": self.tokens}

    def _post_tokens(self, words, query, body):
        number = f"{len(self.calls):08x}"
        lasts = body.get("expires_seconds")
        told = {"id": number, "kind": body.get("kind", "api"), "role": body.get("role", ""), "name": body["name"]}
        told.update(group=body.get("group", ""), created=time(), expires=lasts and time() + lasts, last_used=None)
        self.tokens.insert(0, dict(told, uses_left=body.get("uses", 1) if told["kind"] == "enrol" else None))
        return 201, {"token": f"pna1.{number}." + "5e" * 32, "id": number}

    def _delete_tokens(self, words, query, body):
        known = [each for each in self.tokens if each["id"] == words[0]]
        self.tokens = [each for each in self.tokens if each["id"] != words[0]]
        return 200, {"changed": bool(known)}

    def _get_status(self, words, query, body):
        return 200, {"version": "0.1.0", "hosts": len(self.hosts), "warnings": []}

    def _get_events(self, words, query, body):
        return 200, {"events": [], "next": 0}

    def _get_criers(self, words, query, body):
        return 200, {"criers": [], "refused": []}


@pytest.fixture
def fake_server():
    server = FakePowerwaked()
    yield server
    server.close()
