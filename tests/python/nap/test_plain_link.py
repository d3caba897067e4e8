# SPDX-License-Identifier: GPL-3.0-or-later
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from powernap.nap.link.plain import Link, LinkError, judge, request
from powernap.shared import signing

KEY = "5a" * 32
OTHER_KEY = "a5" * 32
YES = b'{"acknowledged": true}'


def test_a_request_is_signed_over_what_is_sent():
    asked = request("web1", KEY, "asleep", {"action": "suspend"}, 7)
    assert asked.path == "/v1/hosts/web1/asleep"
    assert asked.headers[signing.SEQUENCE_HEADER] == "7"
    expected = signing.sign(KEY, "POST", asked.path, "web1", 7, asked.body)
    assert asked.headers[signing.SIGNATURE_HEADER] == expected


@pytest.mark.parametrize(
    ("status", "body", "signer", "sentence"),
    [
        (200, YES, KEY, ""),
        (200, YES, OTHER_KEY, "not signed with this host's key"),
        (200, YES, None, "not signed with this host's key"),
        (200, b'{"acknowledged": false}', KEY, "did not acknowledge"),
        (200, b"<html>", KEY, "is it a powerwaked?"),
        (200, b"[1]", KEY, "is it a powerwaked?"),
        (401, b'{"error": "no such key"}', None, "no such key"),
        (503, b"{}", KEY, "answered with status 503"),
    ],
)
def test_only_a_signed_yes_acknowledges(status, body, signer, sentence):
    signature = signing.sign_answer(signer, 7, status, body) if signer else ""
    said = judge(KEY, 7, status, signature, body)
    assert (sentence in said) if sentence else said == ""


def test_an_acknowledgement_of_another_request_is_worth_nothing():
    assert judge(KEY, 8, 200, signing.sign_answer(KEY, 7, 200, YES), YES)


@pytest.fixture
def server():
    """A plain HTTP server that acknowledges, and keeps what it was sent."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sequence = int(self.headers[signing.SEQUENCE_HEADER])
            got.append((self.path, sequence, json.loads(body)))
            self.send_response(200)
            self.send_header(signing.SIGNATURE_HEADER, signing.sign_answer(KEY, sequence, 200, YES))
            self.end_headers()
            self.wfile.write(YES)

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", got
        http.shutdown()


@pytest.fixture
def link(tmp_path):
    (tmp_path / "client.key").write_text(KEY + "\n")
    return lambda url: Link(url, "web1", str(tmp_path / "client.key"), tmp_path, 2)


def test_sequence_numbers_grow_over_restarts_and_a_clock_set_back(server, link, tmp_path):
    url, got = server
    link(url).send("awake", {"cause": "boot"})
    (tmp_path / "link-sequence").write_text(str(2**62))  # a clock that was far ahead
    link(url).send("asleep", {"action": "suspend"})
    link(url).send("awake", {"cause": "resume"})
    sequences = [sequence for _path, sequence, _body in got]
    assert sequences[1:] == [2**62 + 1, 2**62 + 2]
    assert [path for path, _sequence, _body in got][1] == "/v1/hosts/web1/asleep"


def test_a_proxy_of_the_environment_does_not_come_between(server, link, monkeypatch):
    url, got = server
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    link(url).send("awake", {})
    assert got


@pytest.mark.parametrize(
    ("key", "sentence"), [(None, "run the site playbook"), ("secret-but-no-hex", "holds no key of 64 hex digits")]
)
def test_a_key_that_cannot_be_used_is_named_by_its_file_never_shown(server, link, tmp_path, key, sentence):
    speaker = link(server[0])
    (tmp_path / "client.key").unlink()
    if key:
        (tmp_path / "client.key").write_text(key)
    with pytest.raises(LinkError, match=sentence) as caught:
        speaker.send("awake", {})
    assert str(tmp_path / "client.key") in str(caught.value)
    assert not key or key not in str(caught.value)


def test_a_server_that_is_down_is_named_with_the_remedy(link):
    with pytest.raises(LinkError, match=r"127.0.0.1:1 cannot be reached \(Connection refused\): check server.url"):
        link("http://127.0.0.1:1").send("awake", {})


def test_without_room_for_the_sequence_nothing_is_sent(server, link, tmp_path):
    url, got = server
    (tmp_path / "link-sequence.new").mkdir()
    with pytest.raises(LinkError, match="cannot be written"):
        link(url).send("awake", {})
    assert not got
