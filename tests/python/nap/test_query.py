# SPDX-License-Identifier: GPL-3.0-or-later
"""The query monitor against a real HTTP server of the test's own, which answers as Prometheus would, too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from powernap.machine import clocks
from powernap.machine.httpget import headers
from powernap.nap.evidence import weigh
from powernap.nap.monitors.query import QueryMonitor
from powernap.nap.watch import Watch
from powernap.shared.errors import PowernapError


class Server(ThreadingHTTPServer):
    """``answers``: path to (status, text); ``asked``: what came, with its headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, dict]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        status, text = self.server.answers.get(urlsplit(self.path).path, (404, "none"))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def look(url, times=1, **values):
    monitor = QueryMonitor("web", {"url": url, **values})

    async def run():
        watch = Watch([monitor])
        watch.attach(asyncio.get_running_loop(), lambda: None)
        try:
            return [(await watch.look(clocks.now))[1][0] for _ in range(times)][-1]
        finally:
            watch.close()

    return asyncio.run(run())


def vector(*values):
    result = [{"metric": {"instance": str(number)}, "value": [1.5, value]} for number, value in enumerate(values)]
    return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def test_a_query_of_prometheus_is_compared_with_the_threshold(server):
    server.answers["/api/v1/query"] = vector("0.5", "7")
    reading = look(server.url, query='rate(x{a="b"}[5m])', threshold=5)
    assert reading.active_now and reading.value == 7 and reading.threshold == 5
    assert reading.detail == "the query is 7, threshold 5"
    path, _headers = server.asked[0]
    assert parse_qs(urlsplit(path).query) == {"query": ['rate(x{a="b"}[5m])']}
    assert not look(server.url, query="x", threshold=7).active_now
    assert look(server.url, query="x", threshold=1, beyond="below").value == 0.5


def test_a_prometheus_below_a_path_is_asked_there(server):
    server.answers["/prometheus/api/v1/query"] = vector("1")
    assert look(f"{server.url}/prometheus/", query="x").active_now


def test_a_scalar_is_understood(server):
    answer = {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "3"]}}
    server.answers["/api/v1/query"] = 200, json.dumps(answer)
    assert look(server.url, query="scalar(x)").value == 3


@pytest.mark.parametrize("values", [(), ("NaN",)])
def test_no_data_means_what_was_chosen(server, values):
    server.answers["/api/v1/query"] = vector(*values)
    assert look(server.url, query="x").active_now
    reading = look(server.url, query="x", no_data="idle")
    assert not reading.active_now and reading.detail == "the query has no value"


def test_a_wrong_query_is_a_failure_with_the_servers_word(server):
    server.answers["/api/v1/query"] = 400, json.dumps({"status": "error", "error": "parse error: unexpected )"})
    reading = look(server.url, query="x)")
    assert reading.error.endswith("refuses the query: parse error: unexpected )")
    assert weigh([reading], 100.0).last == 100.0


@pytest.mark.parametrize("text", ["<html>", "[]", '{"status": "success"}', '{"status": "success", "data": 1}'])
def test_what_is_not_prometheus_is_a_failure(server, text):
    server.answers["/api/v1/query"] = 200, text
    assert look(server.url, query="x").error


@pytest.mark.parametrize(
    ("pointer", "active"),
    [("/queue/length", True), ("/queue/idle", False), ("/jobs/1/busy", True), ("/a~1b/c~0d", True)],
)
def test_a_value_in_json_is_compared(server, pointer, active):
    document = {
        "queue": {"length": 3, "idle": 0},
        "jobs": [{"busy": False}, {"busy": True}],
        "a/b": {"c~d": 9},
    }
    server.answers["/state"] = 200, json.dumps(document)
    assert look(f"{server.url}/state", pointer=pointer).active_now is active


@pytest.mark.parametrize("pointer", ["/none", "/list/7", "/list/x", "/text", "/text/x", "/none/none"])
def test_what_is_not_in_the_answer_is_a_failure(server, pointer):
    server.answers["/state"] = 200, json.dumps({"list": [1], "text": "busy", "none": None})
    assert look(f"{server.url}/state", pointer=pointer).error


def test_a_text_is_searched(server):
    server.answers["/state"] = 200, "build 7: RUNNING"
    assert look(f"{server.url}/state", pattern=r"\bRUNNING\b").active_now
    assert not look(f"{server.url}/state", pattern="QUEUED").active_now


def test_a_status_alone_may_tell(server):
    server.answers["/busy"] = 200, ""
    assert look(f"{server.url}/busy", status=200).active_now
    assert not look(f"{server.url}/other", status=200).active_now
    server.answers["/busy"] = 503, ""
    assert "status 503" in look(f"{server.url}/busy", status=200).error


def test_a_redirection_is_not_followed(server):
    server.answers["/state"] = 302, ""
    assert "give the address to which it redirects" in look(f"{server.url}/state", pattern="x").error
    assert len(server.asked) == 1


def test_headers_come_from_a_file_and_are_never_shown(server, tmp_path, caplog):
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer s3cret\n\nX-Team: ops\n")
    server.answers["/state"] = 200, "busy"
    with caplog.at_level(logging.DEBUG):
        reading = look(f"{server.url}/state?token=t0ken", pattern="busy", header_file=str(file))
        failed = look(f"{server.url}/none?token=t0ken", pattern="busy", header_file=str(file))
    assert server.asked[0][1]["Authorization"] == "Bearer s3cret" and server.asked[0][1]["X-Team"] == "ops"
    assert failed.error
    shown = f"{reading}{failed}{caplog.text}"
    assert "s3cret" not in shown and "t0ken" not in shown


def test_a_bad_header_is_named_by_its_line_only(server, tmp_path):
    file = tmp_path / "headers"
    file.write_text("X: y\nBearer s3cret\n")
    error = look(f"{server.url}/state", pattern="x", header_file=str(file)).error
    assert "line 2" in error and "s3cret" not in error
    assert "cannot be read" in look(f"{server.url}/state", pattern="x", header_file=str(tmp_path / "none")).error


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_headers_that_only_root_may_read_are_told_with_the_remedy(tmp_path):
    file = tmp_path / "headers"
    file.touch(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(PowernapError, match=f"chgrp powernapd {file}"):
            headers(str(file))
    finally:
        os.seteuid(0)


def test_a_server_that_cannot_be_reached_counts_as_active():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reading = look(f"http://127.0.0.1:{taken.getsockname()[1]}/", pattern="x")
    assert reading.error.endswith("could not be asked: Connection refused")


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.0 200 OK\r\nX: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_server_that_hangs_or_answers_in_drops_is_given_up(begin):
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drop():
            connection, _address = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(begin)
                while not stop.wait(0.05):
                    if begin:
                        connection.sendall(b"x")

        thread = threading.Thread(target=drop)
        thread.start()
        begun = time.monotonic()
        try:
            reading = look(f"http://127.0.0.1:{server.getsockname()[1]}/", pattern="y", seconds=0.5)
        finally:
            stop.set()
            thread.join()
    assert "did not answer within 0.5 s" in reading.error
    assert time.monotonic() - begun < 15


def test_a_certificate_must_be_good_unless_told_otherwise(server, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x", *files]
    subprocess.run(["openssl", "req", *options], check=True, capture_output=True, timeout=20)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.answers["/state"] = 200, "busy"
    url = f"https://127.0.0.1:{server.server_port}/state"
    assert "could not be asked" in look(url, pattern="busy").error
    assert not server.asked
    reading = look(url, pattern="busy", verify=False)
    assert reading.active_now and not reading.error


def test_an_endless_answer_is_given_up(server):
    server.answers["/state"] = 200, "x" * (1 << 21)
    assert "more than 1048576 bytes" in look(f"{server.url}/state", pattern="y").error


def test_it_is_not_asked_more_often_than_told(server):
    server.answers["/state"] = 200, "busy"
    look(f"{server.url}/state", pattern="busy", times=4, every=60)
    assert len(server.asked) == 1
    look(f"{server.url}/state", pattern="busy", times=4, every=0)
    assert len(server.asked) == 5


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"url": "http://x"}, "give one of query, pointer, pattern and status"),
        ({"url": "http://x", "query": "x", "pattern": "y"}, "status, not query and pattern"),
        ({"url": "ftp://x", "pattern": "y"}, "is no address such as"),
        ({"url": "http://me:s3cret@x/", "pattern": "y"}, "header_file"),
        ({"url": "http://x", "pointer": "queue"}, "does not begin with a slash"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(values, sentence):
    with pytest.raises(PowernapError, match=sentence) as caught:
        QueryMonitor("web", values)
    assert "s3cret" not in str(caught.value)
