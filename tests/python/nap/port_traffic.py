# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP server and port monitors in a network namespace, for tests of the monitors of TCP and UDP ports."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from powernap.machine import clocks, portledger
from powernap.nap.monitors.tcp import TcpMonitor
from powernap.nap.sources import Sources

#: What does not depend on the family, or on the ledger, is tested once.
IPV4 = pytest.mark.parametrize("family", [socket.AF_INET], indirect=True)
EBPF = pytest.mark.parametrize("ledger", ["ebpf"], indirect=True)
FAMILIES = {socket.AF_INET: ("198.18.0.1", "0.0.0.0"), socket.AF_INET6: ("fd4c::1", "::")}


@pytest.fixture(name="family", params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def family_fixture(request):
    return request.param


class Service:
    """A TCP server on port 8022 "here" with clients from "there"."""

    def __init__(self, segment, family):
        self.segment, self.family = segment, family
        with segment.on("here"):
            self.listener = socket.create_server((FAMILIES[family][1], 8022), family=family)
        self.open = [self.listener]

    def connect(self, side="there"):
        with self.segment.on(side):
            client = socket.create_connection((FAMILIES[self.family][0], 8022), timeout=5)
        server, _address = self.listener.accept()
        self.open += [client, server]
        return client, server

    def close(self):
        for sock in self.open:
            sock.close()


@pytest.fixture(name="service")
def service_fixture(segment, family):
    made = Service(segment, family)
    yield made
    made.close()


class FakeOldKernel(portledger.KernelPorts):
    """A kernel that refuses eBPF."""

    def __init__(self, watched):
        raise PermissionError(1, "Operation not permitted")


@pytest.fixture(name="ledger", params=["ebpf", "classic"])
def ledger_fixture(request, monkeypatch):
    """Which ledger the monitors get."""
    if request.param == "classic":
        monkeypatch.setattr(portledger, "KernelPorts", FakeOldKernel)
    else:
        try:
            portledger.KernelPorts([]).close()
        except OSError as error:
            pytest.skip(f"no eBPF here: {error}")
    return request.param


@pytest.fixture(name="monitor")
def monitor_fixture(segment, ledger):
    made, shared = [], Sources()
    loop = asyncio.new_event_loop()

    def make(cls=TcpMonitor, **values):
        with segment.on("here"):
            made.append(cls("ports", {"ports": ((8000, 8099),), **values}))
            made[-1].attach(loop, lambda: None, shared)
            shared.start()
        return made[-1]

    yield make
    for each in made:
        each.close()
    shared.close()
    loop.close()


def look(segment, monitor):
    with segment.on("here"):
        return monitor.look(clocks.now())


def brief(service, seconds=0.005):
    """A connection of so many seconds."""
    client, server = service.connect()
    client.sendall(b"GET /")
    server.recv(5)
    time.sleep(seconds)
    for sock in (client, server):
        sock.close()
        service.open.remove(sock)
