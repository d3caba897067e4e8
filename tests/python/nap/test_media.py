# SPDX-License-Identifier: GPL-3.0-or-later
"""Knobs that are no files. iw and hdparm are fakes here: this machine has neither Wi-Fi nor a disk that turns."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from powernap.machine import ethtool, outside
from powernap.nap.powersave import choosing
from powernap.nap.powersave.media import MEDIA

FAKE_IW = """#!/bin/sh
case "$3 $4" in
"get power_save") echo "Power save: $(cat {folder}/wifi)" ;;
"set power_save") echo $5 >{folder}/wifi ;;
esac
"""
FAKE_HDPARM = """#!/bin/sh
if [ $# = 2 ]; then printf '\\n%s:\\n APM_level\\t= %s\\n' $2 $(cat {folder}/apm); else echo $2 >{folder}/apm; fi
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("iw", FAKE_IW), ("hdparm", FAKE_HDPARM)):
        (folder / name).write_text(text.format(folder=tmp_path))
        (folder / name).chmod(0o755)
    monkeypatch.setattr(outside, "SYSTEMD", tmp_path / "nothing")
    monkeypatch.setattr(outside, "PATH", f"{folder}:{outside.PATH}")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def test_wifi_power_save_by_a_fake_iw(programs):
    (programs / "wifi").write_text("off")
    medium, path = MEDIA["wifi"], Path("/sys/class/net/wlan0/phy80211")
    assert medium.read(path) == "off"
    medium.write(path, "on")
    assert medium.read(path) == "on"


def test_the_power_management_of_a_disk_by_a_fake_hdparm(programs):
    (programs / "apm").write_text("254")
    medium, path = MEDIA["apm"], Path("/sys/block/sda/device")
    assert medium.read(path) == "254"
    medium.write(path, "128")
    assert medium.read(path) == "128"
    (programs / "apm").write_text("off")
    assert medium.read(path) == "off"
    medium.write(path, "off")
    assert (programs / "apm").read_text() == "255\n"


def test_a_disk_without_it_has_no_such_knob(programs):
    (programs / "apm").write_text("not supported")
    with pytest.raises(OSError, match="no power management") as error:
        MEDIA["apm"].read(Path("/sys/block/sda/device"))
    assert error.value.errno == errno.EOPNOTSUPP


def test_a_missing_program_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(outside, "SYSTEMD", tmp_path / "nothing")
    monkeypatch.setattr(outside, "PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="iw cannot be run"):
        MEDIA["wifi"].read(Path("/sys/class/net/wlan0/phy80211"))


@pytest.fixture
def cable(segment):
    """A real veth: its queues can be set, and it has the modes of a link though none is negotiated."""
    with segment.on("here"):
        yield Path("/sys/class/net/eth0/device")


def test_the_queues_of_a_real_interface_come_and_go(cable):
    before = MEDIA["queues"].read(cable)
    rx, tx, _other, _combined = ethtool.queues("eth0")
    assert rx >= 1
    assert tx >= 1
    MEDIA["queues"].write(cable, "1 1 0 0")
    assert MEDIA["queues"].read(cable) == "1 1 0 0"
    MEDIA["queues"].write(cable, before)
    assert MEDIA["queues"].read(cable) == before


def test_what_a_real_interface_cannot_do_is_no_knob(cable):
    with pytest.raises(OSError, match="not supported") as error:
        MEDIA["eee"].read(cable)
    assert error.value.errno == errno.EOPNOTSUPP


def test_the_modes_of_a_real_interface_are_read(cable):
    link = ethtool.link("eth0")
    assert not link.negotiates
    assert choosing.slower_link(cable, "", MEDIA["link-modes"].read(cable)) is None, "nothing is negotiated here"


@pytest.mark.parametrize(
    ("link", "chosen"),
    [
        (ethtool.Link(True, 0x2F | 1 << 6 | 1 << 13, 0x2F), f"{0xF | 1 << 6 | 1 << 13:#x}"),
        (ethtool.Link(True, 0x2F, 0x20), None),
        (ethtool.Link(True, 0x2F, 0), None),
        (ethtool.Link(False, 0x2F, 0x2F), None),
    ],
)
def test_a_slower_link_is_offered_only_where_both_ends_can_it(monkeypatch, link, chosen):
    monkeypatch.setattr(ethtool, "link", lambda _name: link)
    assert choosing.slower_link(Path("/sys/class/net/eth0/device"), "", hex(link.advertised)) == chosen


def test_the_structures_are_as_long_as_the_kernels():
    """linux/ethtool.h; a wrong length would have the kernel write past the buffer."""
    from struct import calcsize

    assert (calcsize(ethtool.LINK), calcsize(ethtool.EEE), calcsize(ethtool.CHANNELS)) == (48, 40, 36)
    assert ethtool.LINK_WORDS_AT == 15
