# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command says reaches its reader, or there is none any more, as after `| head`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

#: As shells tell of a program that SIGPIPE has ended.
NOBODY_READS = 141


def run(command: Callable[[], int]) -> int:
    """The exit status of the command; it ends without a word where nobody reads its output."""
    try:
        status = command()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # What is still in the buffer is written when Python ends, and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
