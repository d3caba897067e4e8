# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings to a chat or any other HTTP hook: a real server."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from noticing import CANCELLED, tell

from powernap.nap.warnings.http import Http
from powernap.shared.errors import PowernapError


class Hook:
    """A real HTTP server that notes what it is sent; ``delay``: seconds before it answers."""

    def __init__(self, status=200, delay=0.0):
        self.heard: list = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.heard.append((self.path, dict(self.headers), json.loads(body)))
                time.sleep(delay)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/ops?x=1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._server.shutdown()
        self._server.server_close()


def test_a_hook_gets_json_and_the_header_of_the_file(tmp_path):
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer secret\n\n")
    with Hook() as hook:
        method = Http("x", {"url": hook.url, "header_file": str(headers)})
        tell(method)
        tell(method, CANCELLED)
    path, sent, content = hook.heard[0]
    assert path == "/hooks/ops?x=1"
    assert sent["Authorization"] == "Bearer secret" and sent["Content-Type"] == "application/json"
    assert content == {
        "event": "warning",
        "text": "web1: suspend in 60 seconds, as it was idle for 240 s. Press a key to keep it awake.",
        "host": "web1",
        "seconds": 59.7,
        "action": "suspend",
        "reason": "idle for 240 s",
    }
    assert hook.heard[1][2]["event"] == "cancelled" and hook.heard[1][2]["seconds"] is None


def test_a_hook_that_refuses_or_hangs_or_is_not_there_is_told():
    with Hook(status=403) as hook, pytest.raises(PowernapError, match="refuses the message: 403"):
        tell(Http("x", {"url": hook.url}))
    with Hook(delay=8) as hook:
        begun = time.monotonic()
        with pytest.raises(PowernapError, match=r"did not answer within 0\.3 s|timed out"):
            tell(Http("x", {"url": hook.url, "limit_seconds": 0.3}))
        assert time.monotonic() - begun < 6
    with pytest.raises(PowernapError, match="refused"):
        tell(Http("x", {"url": hook.url}))


@pytest.mark.parametrize("url", ["", "chat.example.com", "ftp://x/y", "http://a b/"])
def test_a_bad_address_of_a_hook_is_told(url):
    with pytest.raises(PowernapError, match=r"url: .* is no address such as"):
        Http("x", {"url": url})


def test_a_password_in_the_address_of_a_hook_is_refused_and_not_repeated():
    with pytest.raises(PowernapError, match=r"write .* to a header_file") as caught:
        Http("x", {"url": "https://user:s3cret@host/x"})
    assert "s3cret" not in str(caught.value)


def test_a_line_that_is_no_header_is_told(tmp_path):
    headers = tmp_path / "headers"
    headers.write_text("Bearer secret\n")
    with pytest.raises(PowernapError, match=r"header_file: .*/headers: line 1 is no header"):
        tell(Http("x", {"url": "http://127.0.0.1:1/", "header_file": str(headers)}))
