# SPDX-License-Identifier: GPL-3.0-or-later
"""Each broker is started once for all tests here; a test that kills it starts it again."""

from __future__ import annotations

import pytest
from tests.python.brokers.real_brokers import Mosquitto, Process, RabbitMq, missing


def started(kind, factory, name):
    why = missing(kind)
    if why:
        pytest.skip(why)
    folder = factory.mktemp(name)
    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(0o755)  # its own user has to come this far
    made = kind(folder)
    made.start()
    return made


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory):
    made = started(Mosquitto, tmp_path_factory, "mosquitto")
    yield made
    made.kill()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory):
    made = started(RabbitMq, tmp_path_factory, "rabbitmq")
    yield made
    made.kill()


@pytest.fixture(params=["mosquitto", "rabbitmq"])
def broker(request) -> Process:
    return request.getfixturevalue(request.param)
