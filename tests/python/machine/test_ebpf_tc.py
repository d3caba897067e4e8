# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to the kernel byte by byte: here it has no cls_bpf. tests/qemu has one that answers."""

from __future__ import annotations

import struct
import sys

import pytest

from powernap.machine import ebpf_tc

#: struct nlmsghdr, struct tcmsg, TCA_KIND, TCA_OPTIONS with TCA_BPF_FD, _NAME and _FLAGS; on interface 5 for program 7.
FILTER = """
    50000000 2c00 0504 01000000 00000000
    00 000000 05000000 6e500000 f2ffffff 00030100
    0800 0100 62706600
    2400 0280
      0800 0600 07000000
      0f00 0700 706f77657277616b656400 00
      0800 0800 01000000
"""


@pytest.mark.skipif(sys.byteorder == "big", reason="the bytes are those of a little-endian machine")
def test_the_filter_is_asked_for_as_the_kernel_wants_it() -> None:
    message = ebpf_tc.filter_message(5, 7)
    assert struct.unpack_from("=I", message) == (len(message),)
    assert message[4:].hex() == FILTER.replace(" ", "").replace("\n", "")[8:]
