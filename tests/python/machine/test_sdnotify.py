# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is told, on a real notification socket."""

from __future__ import annotations

import os
import socket
import time

import pytest

from powernap.machine import sdnotify


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_lines_go_in_one_datagram(systemd):
    sdnotify.notify("READY=1", "STATUS=awake")
    assert systemd.recv(100) == b"READY=1\nSTATUS=awake"


def test_reloading_carries_the_monotonic_clock(systemd):
    sdnotify.reloading()
    first, second = systemd.recv(100).decode().split("\n")
    assert first == "RELOADING=1"
    assert abs(int(second.removeprefix("MONOTONIC_USEC=")) / 1e6 - time.monotonic()) < 5


def test_an_abstract_socket_is_understood(monkeypatch):
    name = f"powernap-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        sdnotify.notify("READY=1")
        assert sock.recv(100) == b"READY=1"


def test_without_systemd_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    sdnotify.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    sdnotify.notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("600000000", None, 600.0), ("600000000", str(os.getpid()), 600.0), ("600000000", "1", None), ("x", None, None)],
    ids=["nobody named", "itself", "another", "no number"],
)
def test_the_watchdog_is_for_this_process_only(monkeypatch, usec, pid, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert sdnotify.watchdog_seconds() == seconds
