# SPDX-License-Identifier: GPL-3.0-or-later
"""bpf(2) and the assembler, against the real kernel where it allows them."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys

import pytest

from powernap.machine import ebpf
from powernap.machine import ebpf_assembler as asm
from powernap.machine.ebpf_assembler import BYTE, R0, R1, R2, R6, R10, WORD, Assembler


@pytest.fixture(autouse=True)
def _allowed():
    try:
        ebpf.Map(ebpf.HASH, 4, 4, 1).close()
    except OSError as error:
        pytest.skip(f"no eBPF here: {error}")


@pytest.fixture(params=[ebpf.HASH, ebpf.LRU_HASH])
def table(request):
    made = ebpf.Map(request.param, 4, 8, 5000)
    yield made
    made.close()


def number(value):
    return struct.pack("=I", value)


def long(value):
    return struct.pack("=Q", value)


def test_what_is_put_in_is_found_until_it_is_deleted(table):
    assert table.lookup(number(7)) is None
    table.update(number(7), long(1))
    table.update(number(7), long(2))
    assert table.lookup(number(7)) == long(2)
    assert table.delete(number(7)) and not table.delete(number(7))
    assert table.lookup(number(7)) is None


def test_many_go_in_by_one_call_and_come_out_in_batches():
    table = ebpf.Map(ebpf.HASH, 4, 8, 5000)
    pairs = {number(value): long(value * 3) for value in range(3000)}
    table.update_many(pairs.items())
    assert dict(table.items()) == pairs
    assert dict(table._one_by_one()) == pairs
    table.update_many([])
    table.close()


def test_many_are_looked_up_and_deleted_up_to_the_first_that_is_missing(table):
    table.update_many((number(value), long(value)) for value in range(10))
    assert not table.is_empty()
    assert table.lookup_many([number(3), number(77), number(4)]) == [long(3), None, long(4)]
    assert table.delete_many([number(3), number(77), number(4)]) == 1
    assert table.delete_many([number(value) for value in (0, 1, 2, 4, 5, 6, 7, 8, 9)]) == 9
    assert table.is_empty()


def test_an_empty_table_has_no_items(table):
    assert table.items() == []
    assert list(table._one_by_one()) == []


def test_a_closed_descriptor_is_closed_once():
    table = ebpf.Map(ebpf.ARRAY, 4, 8, 1)
    fd = table.fd
    table.close()
    table.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_the_verifiers_words_are_part_of_the_error():
    a = Assembler()
    a.copy(R0, asm.R9)  # never set
    a.exit()
    with pytest.raises(OSError, match=r"R9 !read_ok|R9") as caught:
        ebpf.Program(ebpf.SOCKET_FILTER, a.build())
    assert caught.value.errno in (errno.EACCES, errno.EINVAL)


def test_an_unknown_tracepoint_is_told():
    a = Assembler()
    a.mov(R0, 0)
    a.exit()
    program = ebpf.Program(ebpf.RAW_TRACEPOINT, a.build())
    with pytest.raises(FileNotFoundError):
        ebpf.RawTracepoint("pn_no_such_tracepoint", program)
    program.close()


def test_a_socket_filter_reads_the_frame_and_counts_in_a_table():
    table = ebpf.Map(ebpf.ARRAY, 4, 8, 1)
    a = Assembler()
    a.copy(R6, R1)
    a.load_frame(BYTE, 0)
    a.jump("jne", R0, ord("a"), "drop")
    a.store_value(WORD, R10, -4, 0)
    a.load_map(R1, table.fd)
    a.stack_address(R2, -4)
    a.call(asm.MAP_LOOKUP)
    a.jump("jeq", R0, 0, "drop")
    a.mov(R1, 1)
    a.add_atomically(asm.DOUBLE, R0, 0, R1)
    a.mov(R0, 0x7FFFFFFF)
    a.exit()
    a.label("drop")
    a.mov(R0, 0)
    a.exit()
    program = ebpf.Program(ebpf.SOCKET_FILTER, a.build())
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        ebpf.attach_to_socket(right, program)
        right.setblocking(False)
        for text in (b"apple", b"pear", b"avocado"):
            left.send(text)
        assert [right.recv(100), right.recv(100)] == [b"apple", b"avocado"]
        with pytest.raises(BlockingIOError):
            right.recv(100)
    assert table.lookup(number(0)) == long(2)
    program.close()
    table.close()


def test_a_jump_to_nowhere_and_a_label_twice_are_mistakes():
    a = Assembler()
    a.jump("ja", to="nowhere")
    with pytest.raises(KeyError):
        a.build()
    a.label("here")
    with pytest.raises(ValueError, match="twice"):
        a.label("here")


def test_this_machines_number_of_bpf_is_known():
    assert ebpf.syscall_number() > 0


def test_it_needs_no_memory_that_is_both_writable_and_executable():
    code = (
        "import ctypes, os, sys\n"
        "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):\n"  # PR_SET_MDWE, inherited; linux/prctl.h
        "    sys.exit(77)\n"
        "from_here = 'from powernap.machine import ebpf; ebpf.Map(ebpf.HASH, 4, 4, 1)'\n"
        "os.execv(sys.executable, [sys.executable, '-c', from_here])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=20,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("the kernel cannot forbid such memory (before Linux 6.3)")
    assert done.returncode == 0, done.stderr
