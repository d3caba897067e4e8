# SPDX-License-Identifier: GPL-3.0-or-later
"""[path]: how frames come from the network cards to powerwaked."""

from dataclasses import dataclass

from powernap.shared.schema import setting

USE = ("auto", "ebpf", "classic")


@dataclass(frozen=True)
class PathSettings:
    """How frames come from the network cards to powerwaked."""

    use: str = setting(
        "str",
        "auto",
        "what filters them in the kernel: ebpf, which also answers and wakes there by itself; classic, which needs "
        "fewer capabilities; auto: ebpf where it is allowed",
        choices=USE,
    )
    pin: str = setting(
        "str",
        "/sys/fs/bpf/powerwaked",
        "directory in a bpf file system where the kernel keeps answering and waking while powerwaked is not running; "
        "empty: it stops with powerwaked",
    )
