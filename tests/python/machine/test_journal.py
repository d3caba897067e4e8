# SPDX-License-Identifier: GPL-3.0-or-later
"""The native protocol of systemd's journal, on a real datagram socket."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys

import pytest

from powernap.machine import journal


def parsed(datagram: bytes) -> dict[str, str]:
    """Read an entry as systemd-journald does."""
    fields = {}
    while datagram:
        line, _newline, datagram = datagram.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + length], datagram[8 + length + 1 :]
        fields[key.decode()] = value.decode()
    return fields


@pytest.fixture
def log(tmp_path):
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(5)
        handler = journal.JournalHandler("powernapd", path)
        logger = logging.Logger("test")  # one of its own, with nobody else's handlers
        logger.addHandler(handler)
        yield logger, sock
        handler.close()


def test_an_entry_has_its_fields(log):
    logger, sock = log
    logger.warning("%s: %s", "awake", "a key", extra={"journal": {"POWERNAP_STATE": "awake", "POWERNAP_CAUSE": "a=b"}})
    fields = parsed(sock.recv(65536))
    assert fields["MESSAGE"] == "awake: a key"
    assert fields["PRIORITY"] == "4"
    assert fields["SYSLOG_IDENTIFIER"] == "powernapd"
    assert fields["POWERNAP_STATE"] == "awake" and fields["POWERNAP_CAUSE"] == "a=b"
    assert fields["CODE_FILE"].endswith("test_journal.py")


def test_lines_cannot_forge_fields(log):
    logger, sock = log
    logger.info("first\nPRIORITY=0\nsecond")
    fields = parsed(sock.recv(65536))
    assert fields["MESSAGE"] == "first\nPRIORITY=0\nsecond"
    assert fields["PRIORITY"] == "6"


def test_without_a_journal_the_line_goes_to_standard_error(tmp_path, capsys):
    handler = journal.JournalHandler("powernapd", str(tmp_path / "nowhere"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.error("it broke")
    handler.close()
    assert capsys.readouterr().err == "<3>it broke\n"


def test_a_line_too_long_for_a_datagram_is_not_lost(log, capsys):
    logger, _sock = log
    logger.info("x" * 3_000_000)
    assert len(capsys.readouterr().err) > 3_000_000


def test_standard_error_is_the_journal_only_where_systemd_says_so(tmp_path, monkeypatch):
    with (tmp_path / "stream").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert journal.is_stderr()
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")  # inherited from a parent's
        assert not journal.is_stderr()
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not journal.is_stderr()
