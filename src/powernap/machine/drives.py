# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives: how much was read and written, and whether one is in standby, asked without waking it."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

#: /proc/diskstats counts in sectors of this size, whatever the drive's own (Documentation/admin-guide/iostats.rst).
SECTOR_BYTES = 512
READ, WRITTEN = 5, 9  # columns of /proc/diskstats
ASLEEP = ("suspended", "suspending")

# scsi/sg.h
SG_IO, SG_DXFER_NONE = 0x2285, -1
SG_HEADER = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII0P")
SENSE_BYTES, SENSE_LENGTH_FIELD = 32, 16
TIMEOUT_MS = 5000
# ATA pass-through (T10 SAT-4, 12.2.2): no data, return the registers; ATA CHECK POWER MODE (ACS-4, 7.3)
ATA_16, NO_DATA, CHECK_CONDITION, CHECK_POWER_MODE = 0x85, 3 << 1, 1 << 5, 0xE5
FIXED, DESCRIPTOR = (0x70, 0x71), (0x72, 0x73)
ATA_RETURN, REGISTERS_FOLLOW = 0x09, (0x00, 0x1D)
ERROR_OR_MORE = 0x09  # status bits ERR and DRQ
#: What the sector count says of a drive that stands still: standby, standby_y, and a spun down one with a flash cache.
STANDING = (0x00, 0x01, 0x40)


class NoPowerMode(OSError):
    """The drive does not tell whether it is in standby."""


def disks(root: Path = Path("/")) -> list[str]:
    """Return the whole drives with hardware behind them: no partitions, no loop, RAM, device mapper or RAID devices."""
    folder = root / "sys/block"
    try:
        return sorted(block.name for block in folder.iterdir() if (block / "device").exists())
    except FileNotFoundError:
        return []


def moved(root: Path = Path("/")) -> Mapping[str, tuple[int, int]]:
    """Return the bytes read and written so far by every block device. Raises OSError."""
    path = root / "proc/diskstats"
    found = {}
    for line in path.read_text().splitlines():
        fields = line.split()
        try:
            found[fields[2]] = int(fields[READ]) * SECTOR_BYTES, int(fields[WRITTEN]) * SECTOR_BYTES
        except (IndexError, ValueError):
            raise OSError(f"{path} has a line that is no device's: {line.strip()[:80]!r}") from None
    return found


def standby(name: str, root: Path = Path("/"), ask: Callable[[str], bool] | None = None) -> bool:
    """Tell whether the drive stands still: by its runtime power management, else by CHECK POWER MODE.

    The former first: any command resumes a drive that the kernel suspended. Raises NoPowerMode where neither says,
    FileNotFoundError where the drive is gone.
    """
    state = _runtime_status(root / "sys/block" / name)
    if state in ASLEEP:
        return True
    try:
        return (ask or check_power_mode)(name)
    except NoPowerMode:
        if state == "active":
            return False
        raise


def _runtime_status(folder: Path) -> str:
    """Of the drive or, for NVMe, of the PCI device behind its controller; "" where it is not managed."""
    for device in ("device", "device/device"):
        try:
            status = (folder / device / "power/runtime_status").read_text().strip()
        except OSError:
            continue
        if status in ("active", *ASLEEP):
            return status
    return ""


def check_power_mode(name: str) -> bool:
    """Ask the drive itself. Raises NoPowerMode, PermissionError without CAP_SYS_RAWIO, FileNotFoundError."""
    command = array.array("B", [ATA_16, NO_DATA, CHECK_CONDITION, *[0] * 11, CHECK_POWER_MODE, 0])
    sense = array.array("B", bytes(SENSE_BYTES))
    # arrays, for their addresses: ctypes may need memory that a hardened unit denies
    header = bytearray(
        SG_HEADER.pack(
            *(ord("S"), SG_DXFER_NONE, len(command), len(sense), 0, 0),
            *(0, command.buffer_info()[0], sense.buffer_info()[0], TIMEOUT_MS, 0, 0, 0),
            *[0] * 9,
        )
    )
    fd = os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, SG_IO, header)
    except PermissionError:
        raise
    except OSError as error:
        raise NoPowerMode(error.errno, f"it takes no ATA commands ({error.strerror})") from None
    finally:
        os.close(fd)
    length = SG_HEADER.unpack(header)[SENSE_LENGTH_FIELD]
    return standing(sense.tobytes()[:length])


def standing(sense: bytes) -> bool:
    """Read the answer to CHECK POWER MODE, in either format of sense data. Raises NoPowerMode."""
    for count, status in _registers(sense):
        if not status & ERROR_OR_MORE:
            return count in STANDING
    raise NoPowerMode(errno.EIO, "it does not answer CHECK POWER MODE")


def _registers(sense: bytes) -> Iterator[tuple[int, int]]:
    """Yield the registers (sector count, status), if any (SAT-4, 12.2.2.6 and 12.2.2.7)."""
    kind = sense[0] & 0x7F if sense else 0
    if kind in DESCRIPTOR and len(sense) >= 22 and sense[8] == ATA_RETURN:
        yield sense[13], sense[21]
    elif kind in FIXED and len(sense) >= 14 and (sense[12], sense[13]) == REGISTERS_FOLLOW:
        yield sense[6], sense[4]
