# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk monitor: rates from the real kernel, standby from a fake drive and from sense data as in SAT-4."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from powernap.machine import drives
from powernap.machine.drives import NoPowerMode
from powernap.nap.monitors.disk import DiskMonitor
from powernap.nap.watch import Watch


class Tree:
    """A fake /sys/block and /proc/diskstats of drives that exist nowhere."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moved: dict[str, list[int]] = {}
        (root / "proc").mkdir()
        (root / "sys/block").mkdir(parents=True)

    def plug(self, name: str, status: str = "", hardware: bool = True) -> None:
        folder = self.root / "sys/block" / name
        folder.mkdir()
        if hardware:
            (folder / "device/power").mkdir(parents=True)
            (folder / "device/power/runtime_status").write_text(f"{status or 'unsupported'}\n")
        self.move(name, 0, 0)

    def pull(self, name: str) -> None:
        (self.root / "sys/block" / name).rename(self.root / f"gone-{name}")
        del self.moved[name]
        self.write()

    def move(self, name: str, read: int, written: int) -> None:
        """Bytes."""
        before = self.moved.get(name, [0, 0])
        self.moved[name] = [before[0] + read // 512, before[1] + written // 512]
        self.write()

    def write(self) -> None:
        lines = [
            f"   8  0 {name} 9 9 {read} 9 9 9 {written} 9 0 9 9 0 0 0 0 9 9"
            for name, (read, written) in self.moved.items()
        ]
        (self.root / "proc/diskstats").write_text("\n".join(lines) + "\n")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_real_writing_is_seen_on_the_device_that_was_written(tmp_path):
    number = tmp_path.stat().st_dev
    name = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
    if name not in drives.moved():
        pytest.skip("the folder for temporary files is on no block device")
    watcher = DiskMonitor("disk", {"devices": (name,), "direction": "write", "threshold": 100_000})
    watcher.look(100.0)
    with (tmp_path / "file").open("wb") as file:
        file.write(os.urandom(4 << 20))
        file.flush()
        os.fsync(file.fileno())
    reading = watcher.look(110.0)
    assert reading.last_active == 110.0
    assert reading.value >= (4 << 20) / 10


def test_only_drives_with_hardware_behind_them_count_by_default_in_a_fake_sys(tree):
    tree.plug("sda")
    tree.plug("loop0", hardware=False)
    tree.plug("dm-0", hardware=False)
    watcher = DiskMonitor("disk", {"threshold": 100}, tree.root)
    watcher.look(0.0)
    tree.move("loop0", 10**7, 0)
    tree.move("dm-0", 10**7, 0)
    assert watcher.look(10.0).last_active is None
    tree.move("sda", 10240, 0)
    assert watcher.look(20.0).detail == "sda 1.0 kB/s, threshold 100 B/s"


@pytest.mark.parametrize(("direction", "rate"), [("read", 1024), ("write", 512), ("both", 1536)])
def test_the_direction_is_chosen_in_a_fake_sys(tree, direction, rate):
    tree.plug("sda")
    watcher = DiskMonitor("disk", {"direction": direction}, tree.root)
    watcher.look(0.0)
    tree.move("sda", 10240, 5120)
    assert watcher.look(10.0).value == rate


def test_a_drive_that_is_plugged_in_or_pulled_out_does_not_fail_the_monitor_in_a_fake_sys(tree):
    watcher = DiskMonitor("disk", {"devices": ("sd*",)}, tree.root)
    tree.plug("vda")
    assert watcher.look(0.0).detail == "there is no drive sd*"
    tree.plug("sdb")
    tree.move("sdb", 10**7, 0)
    assert watcher.look(10.0).last_active == 10.0
    tree.pull("sdb")
    assert watcher.look(20.0).last_active is None


@pytest.mark.parametrize("line", ["8 0 sda", "8 0 sda a b c d e f g h", "\n", "x" * 100_000])
def test_malformed_diskstats_are_reported_in_a_fake_proc(tree, line):
    tree.plug("sda")
    (tree.root / "proc/diskstats").write_text(line + "\n")
    with pytest.raises(OSError, match="line that is no device's"):
        DiskMonitor("disk", {}, tree.root).look(1.0)


# --- standby

DESCRIPTOR = bytes.fromhex("72 01 00 1d 00 00 00 0e") + bytes([0x09, 0x0C]) + bytes(12)


def descriptor(count: int, status: int = 0x50) -> bytes:
    """Sense data in descriptor format with an ATA Status Return descriptor (SAT-4, 12.2.2.6)."""
    sense = bytearray(DESCRIPTOR)
    sense[13], sense[21] = count, status
    return bytes(sense)


def fixed(count: int, status: int = 0x50) -> bytes:
    """Sense data in fixed format: ERROR, STATUS, DEVICE, COUNT in the information field (SAT-4, 12.2.2.7)."""
    return bytes([0xF0, 0, 1, 0, status, 0xA0, count, 10, 0, 0, 0, 0, 0x00, 0x1D, 0, 0, 0, 0])


@pytest.mark.parametrize("form", [descriptor, fixed])
@pytest.mark.parametrize(("count", "stands"), [(0x00, True), (0x01, True), (0x40, True), (0x80, False), (0xFF, False)])
def test_the_answer_to_check_power_mode_is_understood(form, count, stands):
    assert drives.standing(form(count)) is stands


def test_the_answer_of_a_real_libata_driver_is_understood():
    """As Linux 6.1 returned it for QEMU's IDE drive, which is always active."""
    assert not drives.standing(bytes.fromhex("7201001d0000000e090c000000ff000000000000a050"))


@pytest.mark.parametrize(
    "sense",
    [
        b"",
        descriptor(0, status=0x51),  # the drive aborted the command
        fixed(0, status=0x51),
        descriptor(0)[:12],
        bytes([0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0]),  # a USB bridge: invalid command
    ],
)
def test_what_is_no_answer_is_not_taken_for_standby(sense):
    with pytest.raises(NoPowerMode):
        drives.standing(sense)


def test_a_device_that_takes_no_ata_commands_says_so():
    """A real ioctl on a real device, which is no drive."""
    with pytest.raises(NoPowerMode, match="takes no ATA commands"):
        drives.check_power_mode("null")


def refuse(_name):
    raise NoPowerMode(25, "it takes no ATA commands")


def forbid(name):
    raise AssertionError(f"{name} was asked, which would resume it")


def test_a_drive_that_the_kernel_suspended_is_not_asked_in_a_fake_sys(tree):
    tree.plug("sda", "suspended")
    assert drives.standby("sda", tree.root, forbid)


def test_runtime_power_management_decides_where_the_drive_does_not_in_a_fake_sys(tree):
    tree.plug("sda", "active")
    assert not drives.standby("sda", tree.root, refuse)
    tree.plug("nvme0n1")
    with pytest.raises(NoPowerMode):
        drives.standby("nvme0n1", tree.root, refuse)


class FakeDrives:
    """Answers in the drive's place."""

    def __init__(self, monkeypatch, tree) -> None:
        self.stands: dict[str, bool | Exception] = {}
        monkeypatch.setattr(drives, "check_power_mode", self.answer)
        self.watch = Watch([DiskMonitor("disk", {"measure": "standby"}, tree.root)])

    def answer(self, name):
        if isinstance(self.stands[name], Exception):
            raise self.stands[name]
        return self.stands[name]

    def look(self, now):
        return asyncio.run(self.watch.look(lambda: now))[1][0]


@pytest.fixture
def fakes(monkeypatch, tree):
    tree.plug("sda")
    return FakeDrives(monkeypatch, tree)


def test_a_fake_drive_is_active_until_it_is_in_standby(fakes):
    fakes.stands["sda"] = False
    reading = fakes.look(100.0)
    assert (reading.last_active, reading.detail) == (100.0, "not in standby: sda")
    fakes.stands["sda"] = True
    reading = fakes.look(110.0)
    assert (reading.last_active, reading.detail) == (None, "in standby: sda")


def test_a_fake_drive_that_was_awake_between_two_looks_is_noticed(fakes, tree):
    fakes.stands["sda"] = True
    fakes.look(100.0)
    tree.move("sda", 4096, 0)
    assert fakes.look(110.0).detail == "moved data meanwhile: sda"
    assert fakes.look(120.0).last_active is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(1, "Operation not permitted"), "it needs CAP_SYS_RAWIO, or set measure = 'rate'"),
        (NoPowerMode(25, "it takes no ATA commands"), "leave it out of devices, or set measure = 'rate'"),
        (OSError(5, "Input/output error"), "sda cannot be asked whether it is in standby"),
    ],
)
def test_a_fake_drive_that_does_not_tell_counts_as_active_and_the_remedy_is_named(fakes, error, sentence):
    fakes.stands["sda"] = error
    assert sentence in fakes.look(100.0).error


def test_a_fake_drive_that_is_pulled_out_while_it_is_asked_is_no_failure(fakes):
    fakes.stands["sda"] = FileNotFoundError(2, "No such file or directory")
    assert fakes.look(100.0).error == ""
