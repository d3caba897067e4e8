# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may make the kernel wake a machine: limits of a source, gates of groups, and who is refused."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.python.path.kernel import (
    ASKER,
    ASKER4,
    ASKER6,
    ENTRY,
    HERE,
    HOST,
    OTHER,
    OTHER4,
    SLEEPER4,
    Kernel,
    magic_frame,
)
from tests.python.path.packets import packet, tcp

from powernap.net import arp, checksum, ethernet
from powernap.wake.clock import clock
from powernap.wake.path import layout
from powernap.wake.path.base import Ignored, Unwelcome

SOURCES = [bytes((10, 0, 0, number)) for number in range(1, 5)]


def knock(source: bytes, to: bytes) -> bytes:
    body = tcp(22)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + source + to
    head = head[:10] + struct.pack("!H", checksum.checksum(head)) + head[12:]
    return ethernet.header(HERE, ASKER, ethernet.IPV4) + head + body


@pytest.fixture
def limited(kernel: Kernel) -> Iterator[Kernel]:
    kernel.tables["settings"].update(bytes(4), layout.pack_limit(3))
    kernel.sleepers = [bytes((198, 18, 1, number)) for number in range(1, 10)]
    kernel.put(ENTRY, *kernel.sleepers)
    yield kernel
    kernel.tables["settings"].update(bytes(4), layout.pack_limit(0))
    for key, _value in kernel.tables["trusted"].items():
        kernel.tables["trusted"].delete(key)


def test_a_source_wakes_no_more_hosts_than_it_may(limited: Kernel):
    fired = [limited.ingress(knock(SOURCES[0], to)) is not None for to in limited.sleepers]
    assert fired == [True] * 3 + [False] * 6
    assert limited.ingress(knock(SOURCES[1], limited.sleepers[5])) is not None


def test_what_the_filter_let_through_fires_and_costs_the_source_once(limited: Kernel):
    for to in limited.sleepers[:3]:
        assert limited.passes(knock(SOURCES[0], to))
        assert limited.ingress(knock(SOURCES[0], to)) is not None
    assert not limited.passes(knock(SOURCES[0], limited.sleepers[3]))
    assert limited.ingress(knock(SOURCES[0], limited.sleepers[3])) is None


def test_a_wake_that_goes_on_costs_its_source_once(limited: Kernel):
    to = limited.sleepers[0]
    for _turn in range(6):
        assert limited.ingress(knock(SOURCES[0], to)) is not None
        limited.age(to, 3.0)
    # as long as it may take to resume: then it is another wake
    others = [limited.ingress(knock(SOURCES[0], other)) is not None for other in limited.sleepers[1:4]]
    assert others == [True, True, False]
    limited.age(to, 31.0)
    assert limited.ingress(knock(SOURCES[0], to)) is None


@pytest.mark.parametrize("trusted", ["10.0.0.1", "10.0.0.0/24", ASKER.hex(":")])
def test_a_trusted_source_has_no_limit(limited: Kernel, trusted: str):
    limited.tables["trusted"].update(layout.pack_trusted(trusted), layout.STAMP.pack(1))
    assert all(limited.ingress(knock(SOURCES[0], to)) is not None for to in limited.sleepers)


def test_another_network_is_not_trusted(limited: Kernel):
    limited.tables["trusted"].update(layout.pack_trusted("10.0.1.0/24"), layout.STAMP.pack(1))
    assert sum(limited.ingress(knock(SOURCES[0], to)) is not None for to in limited.sleepers) == 3


GATE = 5


@pytest.fixture
def gated(kernel: Kernel) -> Iterator[Kernel]:
    kernel.put(replace(ENTRY, gate=GATE))
    yield kernel
    for number in (0, GATE, GATE + 1):
        shut(kernel, number, 0)


def shut(kernel: Kernel, number: int, seconds: float) -> None:
    """For so many seconds from now on."""
    until = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + int(seconds * 1e9)
    kernel.tables["gates"].update(layout.INDEX.pack(number), layout.STAMP.pack(until))


@pytest.mark.parametrize(("number", "fires"), [(0, False), (GATE, False), (GATE + 1, True)])
def test_behind_a_shut_gate_nothing_fires_and_the_daemon_hears_of_it(gated: Kernel, number: int, fires: bool):
    shut(gated, number, 600)
    syn = packet(6, tcp(22))
    assert gated.passes(syn)
    assert (gated.ingress(syn) is not None) is fires
    assert gated.ingress(arp.request(ASKER, ASKER4, SLEEPER4)) is not None, "it is answered all the same"


def test_a_question_that_is_demand_is_answered_behind_a_shut_gate_and_fires_not(gated: Kernel):
    gated.put(replace(ENTRY, gate=GATE, on_question=True, answers=False))
    shut(gated, GATE, 600)
    question = arp.request(ASKER, ASKER4, SLEEPER4)
    assert gated.passes(question)
    assert gated.ingress(question) is None
    shut(gated, GATE, 0)  # its time is over: whoever shut it may be gone
    assert gated.ingress(question) == magic_frame(ENTRY)


def refuse(kernel: Kernel, who: Unwelcome, until: float = float("inf")) -> None:
    kernel.tables["refused"].update(layout.pack_unwelcome(who), layout.pack_until(until, None))


def refused(kernel: Kernel) -> tuple[int, str, int]:
    """How often, and what the last time."""
    ((_key, value),) = kernel.tables["refused"].items()
    found = layout.unpack_ignored(value)
    assert not found.times or (found.host == HOST and clock() - found.last < 60)
    return found.times, found.protocol, found.port


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(("protocol", "port"), [("tcp", 22), ("", 0)])
def test_who_is_unwelcome_wakes_nobody_and_is_not_heard_of(
    kernel: Kernel, acts: bool, six: bool, protocol: str, port: int
):
    kernel.put(ENTRY)
    refuse(kernel, Unwelcome(ASKER6 if six else ASKER4, protocol, port))
    syn = packet(6, tcp(22), six)
    assert not kernel.passes(syn, acts)
    assert kernel.ingress(syn) is None
    assert refused(kernel) == (1, "tcp", 22)
    assert kernel.passes(packet(6, tcp(22), not six), acts), "the other family is another source"
    assert kernel.passes(packet(6, tcp(8000), six), acts) is bool(protocol), "another port is another thing"


@pytest.mark.parametrize(
    "who",
    [Unwelcome(OTHER4), Unwelcome(ASKER4, "udp", 22), Unwelcome(ASKER4, "question"), Unwelcome(ASKER4 + bytes(12))],
)
def test_what_is_refused_to_others_or_by_another_way_is_not(kernel: Kernel, who: Unwelcome):
    kernel.put(ENTRY)
    refuse(kernel, who)
    syn = packet(6, tcp(22))
    assert kernel.passes(syn)
    assert kernel.ingress(syn) == magic_frame(ENTRY)


def test_who_was_unwelcome_until_now_is_not_any_more(kernel: Kernel):
    kernel.put(ENTRY)
    refuse(kernel, Unwelcome(ASKER4, "tcp", 22), until=clock() - 1)
    assert kernel.ingress(packet(6, tcp(22))) == magic_frame(ENTRY)


@pytest.mark.parametrize("who", [Unwelcome(ASKER4), Unwelcome(ASKER4, "question")])
def test_a_question_of_the_unwelcome_is_the_daemons_and_does_not_fire(kernel: Kernel, who: Unwelcome):
    kernel.put(replace(ENTRY, on_question=True, answers=False))
    refuse(kernel, who)
    question = arp.request(ASKER, ASKER4, SLEEPER4)
    assert kernel.passes(question)
    assert kernel.ingress(question) is None
    assert kernel.ingress(arp.request(OTHER, OTHER4, SLEEPER4)) == magic_frame(ENTRY)


def test_what_a_source_wanted_beyond_its_limit_is_counted(limited: Kernel):
    before = limited.tables["askers"].items()
    assert before == []
    addresses = [SLEEPER4[:3] + bytes((number,)) for number in range(20, 26)]
    limited.put(ENTRY, *addresses)
    for address in addresses:
        limited.passes(knock(ASKER4, address))
        limited.ingress(knock(ASKER4, address))
    ((key, value),) = limited.tables["askers"].items()
    assert layout.unpack_asker(key) == ASKER4
    assert layout.unpack_ignored(value)._replace(last=0) == Ignored(3, 0, HOST, "tcp", 22)
