# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitors of NFS and SMB: counters are files written as the kernel does, connections are real, of this machine."""

from __future__ import annotations

import re
import socket
from dataclasses import replace

import pytest

from powernap.machine import nfsd, sockdiag
from powernap.machine.flows import SMB, Flows
from powernap.nap.monitors.nfs import NfsMonitor
from powernap.nap.monitors.smb import SmbMonitor

#: Numbers of NFSv4 operations, RFC 7530 and RFC 8881.
GETATTR, PUTFH, RENEW, SEQUENCE = 9, 22, 30, 53
NFSD = """rc 0 1834 20119
fh 0 0 0 0 0
io {read} 65536
th 8 0 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000
ra 32 0 0 0 0 0 0 0 0 0 0 0
net 21953 0 21953 12
rpc 21953 0 0 0 0
proc3 22 9 {getattr} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
proc4 2 4 21944
proc4ops 59 {operations}
"""


@pytest.fixture
def kernel(tmp_path):
    """Writes the counters of a kernel's server."""
    file = tmp_path / "proc/net/rpc/nfsd"
    file.parent.mkdir(parents=True)

    def write(read=0, getattr=0, operations=None):
        counters = " ".join(str((operations or {}).get(number, 0)) for number in range(59))
        file.write_text(NFSD.format(read=read, getattr=getattr, operations=counters))
        return tmp_path

    return write


@pytest.mark.parametrize("counters", [{"getattr": 30}, {"operations": {GETATTR: 30}}])
def test_an_operation_of_a_client_is_activity(kernel, counters):
    monitor = NfsMonitor("share", {}, kernel())
    assert monitor.look(100.0).last_active is None
    kernel(**counters)
    reading = monitor.look(160.0)
    assert reading.last_active == 160.0 and reading.value == 0.5 and reading.unit == "operations/s"


def test_a_mount_that_is_only_kept_open_is_idle(kernel):
    monitor = NfsMonitor("share", {}, kernel())
    monitor.look(100.0)
    kernel(operations={RENEW: 7, SEQUENCE: 7, PUTFH: 7})
    assert monitor.look(160.0).last_active is None


def test_bytes_are_counted_where_asked_for(kernel):
    monitor = NfsMonitor("share", {"count": "bytes", "threshold": 100}, kernel())
    monitor.look(100.0)
    kernel(read=900, getattr=1000)
    assert monitor.look(110.0).last_active is None
    kernel(read=9000)
    assert monitor.look(120.0).value == 810.0


def test_clients_of_nfsv4_are_told(kernel):
    root = kernel()
    for number in ("3", "5"):
        (root / "proc/fs/nfsd/clients" / number).mkdir(parents=True)
    assert NfsMonitor("share", {}, root).look(100.0).detail.endswith("; clients of NFSv4: 2")


def test_the_sums_of_counters_leave_null_calls_out():
    assert nfsd.parse("proc3 3 9 4 5\nio 1 2\n") == nfsd.Served(9, 3)


@pytest.fixture
def connection():
    """A client and a server on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        other, _address = server.accept()
        with client, other:
            yield client, other, ((server.getsockname()[1],) * 2,)


def exchange(connection, size, times=1):
    client, server, _ports = connection
    for _ in range(times):
        client.sendall(bytes(size))
        assert len(server.recv(size, socket.MSG_WAITALL)) == size
        server.sendall(bytes(size))
        assert len(client.recv(size, socket.MSG_WAITALL)) == size


def test_a_share_that_is_only_mounted_is_idle_although_its_client_calls_every_minute(connection):
    monitor = SmbMonitor("share", {"ports": connection[2], "loopback": True})
    exchange(connection, 5000)
    assert monitor.look(100.0).last_active is None  # nothing to compare with
    for minute in range(1, 20):
        exchange(connection, 124)
        assert monitor.look(100.0 + 60 * minute).last_active is None


def test_somebody_who_lists_a_folder_is_seen(connection):
    monitor = SmbMonitor("share", {"ports": connection[2], "loopback": True})
    monitor.look(100.0)
    exchange(connection, 300, 2)
    reading = monitor.look(160.0)
    assert reading.last_active == pytest.approx(160.0, abs=5)  # the kernel's time, not the look's
    assert re.fullmatch(r"127\.0\.0\.1 moved \d+ bytes since the last look", reading.detail)
    assert monitor.look(220.0).last_active == reading.last_active


def test_a_trickle_adds_up_although_each_look_sees_little(connection):
    monitor = SmbMonitor("share", {"ports": connection[2], "loopback": True})
    monitor.look(100.0)
    for second in range(1, 6):
        exchange(connection, 100)
        reading = monitor.look(100.0 + second)
    assert reading.last_active is not None


def test_a_new_client_is_activity(connection):
    _client, _server, ports = connection
    flows = Flows(ports, SMB, loopback=True)
    assert flows.look(100.0) is None
    with socket.create_connection(("127.0.0.1", ports[0][0])) as late:
        late.sendall(bytes(2000))
        found = flows.look(101.0)
    assert found is not None and found.moved >= 2000


def test_traffic_within_the_machine_does_not_count_unless_asked_for(connection):
    monitor = SmbMonitor("share", {"ports": connection[2]})
    monitor.look(100.0)
    exchange(connection, 9000)
    assert monitor.look(160.0).last_active is None


def test_a_kernel_that_does_not_count_bytes_shows_no_use_of_the_connection(connection):
    items = [replace(item, moved_bytes=None) for item in sockdiag.established(connection[2])]
    assert Flows(connection[2], SMB, loopback=True, dump=lambda *_ports: items).look(100.0) is None


def test_without_the_kernels_server_connections_to_it_are_watched(tmp_path):
    reading = NfsMonitor("share", {}, tmp_path).look(100.0)
    assert reading.last_active is None and reading.detail.startswith("the kernel's NFS server does not run; ")
