# SPDX-License-Identifier: GPL-3.0-or-later
"""Each broker is started once for all tests here; a test that kills it starts it again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.python.brokers.real_brokers import Mosquitto, Process, RabbitMq, missing


@contextlib.contextmanager
def started(kind: type[Process]) -> Iterator[Process]:
    why = missing(kind)
    if why:
        pytest.skip(why)
    # Not where pytest has its own, to which only root comes: RabbitMQ runs as a user.
    with tempfile.TemporaryDirectory(prefix="pntest-broker-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        made = kind(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.kill()


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Process]:
    with started(Mosquitto) as made:
        yield made


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Process]:
    with started(RabbitMq) as made:
        yield made


@pytest.fixture(params=["mosquitto", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Process:
    made: Process = request.getfixturevalue(request.param)
    return made
