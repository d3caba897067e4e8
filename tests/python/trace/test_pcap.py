# SPDX-License-Identifier: GPL-3.0-or-later
"""pcap files: what is written is read back, and what is no such file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scapy")

from scapy.layers.inet import IP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import wrpcap, wrpcapng
from tests.python.trace.frames import ALL, DESK, DESK_IP, WEB1_IP

from powernap.trace.capture import Frame, Pcap, TraceError, read

ASKED = bytes(Ether(src=DESK, dst=ALL) / Dot1Q(vlan=7) / ARP(psrc=DESK_IP, pdst=WEB1_IP))


def test_what_is_written_is_read_back_with_its_time_and_its_tag(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    written = Pcap(str(path))
    written.add(Frame(1_700_000_000.25, "eth0", ASKED))
    (before_the_end,) = read(str(path))
    written.close()
    (frame,) = read(str(path))
    assert frame == before_the_end and frame.raw == ASKED
    assert frame.time == pytest.approx(1_700_000_000.25, abs=1e-5)


def test_other_programs_files_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pcapng")
    wrpcapng(path, [Ether(ASKED)])
    assert [frame.raw for frame in read(path)] == [ASKED]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"hello, this is no capture at all", "is no pcap file"), (b"", "is no pcap file"), (None, "cannot be read")],
)
def test_what_is_no_pcap_file_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "a.pcap"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TraceError, match=words):
        list(read(str(path)))


def test_frames_that_are_not_of_ethernet_are_told(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pcap")
    wrpcap(path, [IP(src=DESK_IP, dst=WEB1_IP)])
    with pytest.raises(TraceError, match="no Ethernet frames"):
        list(read(path))


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"/dev/full cannot be written \(No space left on device\)"):
        Pcap("/dev/full").add(Frame(1.0, "eth0", ASKED))
