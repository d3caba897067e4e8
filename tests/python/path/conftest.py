# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.python.path.kernel import Kernel, forbidden


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    why = forbidden()
    if why:
        pytest.skip(why)
    made = Kernel()
    yield made
    made.close()
