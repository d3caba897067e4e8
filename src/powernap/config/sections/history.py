# SPDX-License-Identifier: GPL-3.0-or-later
"""[history]: what is kept of past naps, and recordings of days for `powernap simulate`."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class HistorySettings:
    """What is kept of past naps, and recordings of days for `powernap simulate`."""

    keep: bool = setting("bool", True, "keep naps, wakes and their causes, for `powernap history`")
    limit_kilobytes: int = setting(
        "int", 4096, "size of what is kept: the oldest goes first", unit="KiB", minimum=16, maximum=1048576
    )
    record: bool = setting("bool", False, "record what the monitors see, for `powernap simulate`; costs looks")
    record_every_seconds: float = setting(
        "float", 60, "time between two looks while recording", unit="seconds", minimum=1, maximum=3600
    )
    record_limit_kilobytes: int = setting(
        "int", 32768, "size of recordings: the oldest goes first", unit="KiB", minimum=16, maximum=1048576
    )
