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


@pytest.fixture
def bare_lan(_able: None, tmp_path: Path) -> Iterator[Lan]:
    """A segment whose wake server is not yet started."""
    lan = Lan(tmp_path)
    try:
        yield lan
    finally:
        lan.close()


@pytest.fixture
def lan(bare_lan: Lan) -> Lan:
    bare_lan.server.start()
    return bare_lan
