# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/api.md: its commands run, its tables say what the server says (UPDATE_DOCS=1 writes them anew)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.lan import Lan

from powernap.wake.api.metrics import METRICS

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
_SHIM = """#!/bin/sh
case "$POWERWAKE_SERVER$*" in
*https://*) exec "{python}" -m powernap powerwake "$@" ;;
esac
exec "{python}" -m powernap powerwake "$@" --socket "$SOCKET"
"""


@pytest.fixture(scope="module")
def lan(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    lan = Lan(tmp_path_factory.mktemp("wake"))
    try:
        lan.server.start()
        lan.sleeper("web1", 3)
        lan.server.admin.delete("/api/v1/hosts/web1")
        yield lan
    finally:
        lan.close()


def table(first: str) -> list[tuple[str, ...]]:
    """The rows of the table whose head begins so, without their marks."""
    rows = DOCS.read_text().split(f"| {first} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [tuple(re.sub(r"\A`(.*)`\Z", r"\1", cell.strip()) for cell in row.strip("|").split(" | ")) for row in rows]


def compare(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """With UPDATE_DOCS=1 the table is written anew instead."""
    if os.environ.get("UPDATE_DOCS"):
        begin, _head, rest = DOCS.read_text().partition(f"| {heads[0]} |")
        lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        lines += [f"| `{row[0]}` | {' | '.join(row[1:])} |" for row in rows]
        _table, gap, after = rest.partition("\n\n")
        DOCS.write_text(begin + "\n".join(lines) + (gap + after if gap else "\n"))
    assert sorted(table(heads[0])) == sorted(rows), "UPDATE_DOCS=1 writes the table anew"


def test_every_metric_is_in_the_table_as_it_is() -> None:
    rows = [(name, kind, ", ".join(labels), text) for name, (kind, labels, text) in METRICS.items()]
    compare(("metric", "kind", "labels", "what"), rows)


def test_every_resource_is_in_the_table_with_its_role(lan: Lan) -> None:
    document = lan.server.admin.get("/api/v1/openapi.json")
    rows = [
        (f"{method.upper()} {path}", operation["x-role"], operation["summary"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method != "head"
    ]
    compare(("request", "role", "what"), rows)


def test_the_commands_run_as_they_are_written(lan: Lan, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "powerwake").write_text(_SHIM.format(python=sys.executable))
    (programs / "powerwake").chmod(0o755)
    token = lan.server.admin.post("/api/v1/tokens", {"name": "docs", "role": "admin"})["token"]
    (tmp_path / "admin").write_text(token)
    (tmp_path / "admin").chmod(0o600)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "WAKE": f"https://{lan.server.ipv4}:20709",
        "CA": str(lan.server.directory / "tls" / "ca.pem"),
        "SOCKET": lan.server.admin.path,
        "ADMIN_TOKEN": str(tmp_path / "admin"),
    }
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    command = ["ip", "netns", "exec", lan.server.namespace, "sh", "-eux", "-c", "\n".join(blocks)]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"state": "awake"' in done.stdout and "alice" in done.stdout and "127 " not in done.stderr
