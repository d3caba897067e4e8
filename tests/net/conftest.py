# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.lan import Lan, missing


@pytest.fixture(scope="session")
def _able() -> None:
    why = missing()
    if why:
        pytest.skip(why)


def _lan(directory: Path) -> Iterator[Lan]:
    lan = Lan(directory)
    try:
        yield lan
        assert not lan.borrowed(), "the server's own interface had a client's address"
    finally:
        lan.close()


@pytest.fixture
def bare_lan(_able: None, tmp_path: Path) -> Iterator[Lan]:
    """A segment whose wake server is not yet started."""
    yield from _lan(tmp_path)


@pytest.fixture(scope="module")
def module_lan(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    """The same, for all tests of a file."""
    yield from _lan(tmp_path_factory.mktemp("lan"))


@pytest.fixture
def lan(bare_lan: Lan) -> Lan:
    bare_lan.server.start()
    return bare_lan
