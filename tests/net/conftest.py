# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.lan import Lan, missing, run
from tests.net.wire import no_ebpf


@pytest.fixture(scope="session")
def _able() -> None:
    why = missing()
    if why:
        pytest.skip(why)


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """The packet path of the wake server; `@on_each_path` runs a test with each that can be had here."""
    return str(getattr(request, "param", "classic"))


def _lan(directory: Path, path: str) -> Iterator[Lan]:
    if path == "ebpf" and no_ebpf():
        pytest.skip(no_ebpf())
    lan = Lan(directory)
    try:
        lan.server.use(path)
        yield lan
        assert not lan.borrowed(), "the server's own interface had a client's address"
    finally:
        lan.close()


@pytest.fixture
def bare_lan(_able: None, tmp_path: Path, path: str) -> Iterator[Lan]:
    """A segment whose wake server is not yet started."""
    yield from _lan(tmp_path, path)


@pytest.fixture(scope="module")
def module_lan(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    """The same, for all tests of a file, with the packet path that a wake server would choose here."""
    yield from _lan(tmp_path_factory.mktemp("lan"), "classic" if no_ebpf() else "ebpf")


@pytest.fixture
def lan(bare_lan: Lan) -> Lan:
    bare_lan.server.start()
    return bare_lan


@pytest.fixture(scope="module")
def impatient_lan(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    """For all tests of a file: a wake server that soon gives a wake up."""
    lan = Lan(tmp_path_factory.mktemp("wake"))
    try:
        lan.server.settings |= {"volleys": "2", "volley_seconds": "1", "resume_timeout_seconds": "1"}
        lan.server.start()
        yield lan
    finally:
        lan.close()


@pytest.fixture
def small_disk(bare_lan: Lan) -> Iterator[Path]:
    """The wake server keeps its registry there."""
    server = bare_lan.server
    disk = server.directory / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk))
    whole = server.configure

    def configure() -> Path:
        config = whole()
        config.write_text(config.read_text().replace(f"{server.directory}/registry", f"{disk}/registry"))
        return config

    server.ca = disk / "tls" / "ca.pem"
    server.configure = configure  # type: ignore[method-assign]  # its registry alone is elsewhere
    try:
        server.start()
        yield disk
    finally:
        run("umount", "--lazy", str(disk))
