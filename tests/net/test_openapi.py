# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of the API against the standard, and the real powerwaked against the document (schemathesis)."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from tests.net.lan import Lan

from powernap.shared.wakeapi import WakeServer, host_path

#: Long-lived or not answered in JSON; what is signed by hosts is tried elsewhere.
_LEFT_OUT = ("/api/v1/stream", "/api/v1/link", "/api/v1/messages")
_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection,unsupported_method"
)
_SECONDS = 45


@pytest.fixture(scope="module")
def lan(impatient_lan: Lan) -> Lan:
    return impatient_lan


@pytest.fixture(scope="module")
def ca_file(lan: Lan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA of the wake server, as everybody may have it."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes((lan.server.directory / "tls" / "ca.pem").read_bytes())
    return path


def test_the_document_is_openapi_3_1(lan: Lan) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = lan.server.admin.get("/api/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_api_can_be_used_over_the_network_by_who_has_a_token(lan: Lan, ca_file: Path) -> None:
    token = lan.server.admin.post("/api/v1/tokens", {"name": "far", "role": "viewer"})["token"]
    far = WakeServer(server=f"https://{lan.server.ipv4}:20709", token=token, ca_file=str(ca_file))
    assert lan.client().inside(lambda: far.get("/api/v1/status"))["hosts"] == 0


def test_the_real_server_answers_as_its_document_says(lan: Lan, ca_file: Path, tmp_path: Path) -> None:
    admin = lan.server.admin
    token = admin.post("/api/v1/tokens", {"name": "schemathesis", "role": "admin"})["token"]
    for number in range(3):
        admin.put(
            host_path(f"web{number}"), {"macs": [f"02:4c:00:00:01:{number:02x}"], "addresses": [f"10.0.0.{number}"]}
        )
    environment = {**os.environ, "COLUMNS": "160"}
    left_out = [word for path in _LEFT_OUT for word in ("--exclude-path", path)]
    command = [
        *("ip", "netns", "exec", lan.server.namespace, sys.executable, "-m", "schemathesis.cli", "run"),
        *(f"https://{lan.server.ipv4}:20709/api/v1/openapi.json", "--tls-verify", str(ca_file)),
        *("--header", f"Authorization: Bearer {token}", "--checks", _CHECKS, *left_out),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--max-time", str(_SECONDS)),
        *("--generation-deterministic", "--generation-with-security-parameters", "false"),
        *("--suppress-health-check", "all"),
        *("--request-timeout", "20", "--no-color", "--continue-on-failure"),
    ]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, timeout=_SECONDS * 5, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert lan.server.process is not None and lan.server.process.poll() is None
    assert "Traceback" not in lan.server.log.read_text()


def test_without_a_token_nothing_is_answered_but_what_is_for_everybody(lan: Lan, ca_file: Path) -> None:
    document = lan.server.admin.get("/api/v1/openapi.json")
    wanted = {
        (method.upper(), path.replace("{", "").replace("}", "")): bool(operation["security"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path not in _LEFT_OUT and not (path == "/api/v1/enrol" or path == "/api/v1/ca")
    }
    context = ssl.create_default_context(cafile=str(ca_file))

    def look() -> dict[tuple[str, str], int]:
        found = {}
        for method, path in wanted:
            connection = http.client.HTTPSConnection(lan.server.ipv4, 20709, timeout=20, context=context)
            connection.request(method, path)
            found[method, path] = connection.getresponse().status
            connection.close()
        return found

    found = lan.server.inside(look)
    assert len(found) > 30
    assert found == {route: 401 if secured else 200 for route, secured in wanted.items()}
