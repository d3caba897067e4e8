# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's verdict on whole, truncated, changed and random frames, beside Python's meaning of the same frame."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.python.path.kernel import (
    ASKER,
    ASKER4,
    ASKER6,
    ENTRY,
    HERE,
    OTHER,
    OTHER4,
    OURS,
    OWNER,
    SLEEPER4,
    SLEEPER6,
    Kernel,
    expected,
    is_demand,
    magic_frame,
)
from tests.python.path.packets import fragment, fragment6, packet, tcp, udp

from powernap.net import arp, checksum, ethernet, frames, ip, ndp
from powernap.wake.path.tap import FOR_ADDRESS, FROM_CARD


def icmp(kind: int, code: int = 0) -> bytes:
    body = struct.pack("!BBHHH", kind, code, 0, 1, 1) + b"abcdefgh"
    return body[:2] + struct.pack("!H", checksum.checksum(body)) + body[4:]


PORTS = st.sampled_from([21, 22, 23, 53, 7999, 8000, 8050, 8099, 8100])
MACS = st.sampled_from([ASKER, ASKER, ASKER, OWNER, OTHER, OURS, b"\x03" + ASKER[1:]])
TO = st.sampled_from([HERE, HERE, HERE, OWNER, OTHER, ethernet.BROADCAST])
ADDRESSES4 = st.sampled_from([SLEEPER4, ASKER4, OTHER4, bytes(4)])
ADDRESSES6 = st.sampled_from([SLEEPER6, ASKER6, ndp.UNSPECIFIED, ndp.ALL_NODES])
ARPS = st.builds(
    lambda source, to, operation, sha, spa, tpa: arp.Arp(source, to, operation, sha, spa, bytes(6), tpa).to_bytes(),
    *(MACS, TO, st.sampled_from([1, 1, 1, 2, 3]), MACS, ADDRESSES4, ADDRESSES4),
)
NEIGHBOURS = st.one_of(
    st.builds(ndp.solicitation, MACS, ADDRESSES6, ADDRESSES6, st.none() | TO),
    st.builds(ndp.announcement, MACS, ADDRESSES6, MACS, ADDRESSES6),
)
SEGMENTS = st.builds(
    tcp,
    PORTS,
    st.sampled_from([ip.SYN, ip.SYN, ip.ACK, ip.SYN | ip.ACK, ip.RST, ip.FIN | ip.ACK, ip.PSH | ip.ACK]),
    st.sampled_from([b"", b"x"]),
    st.sampled_from([b"", b"\x02\x04\x05\xb4"]),
).map(lambda body: (6, body))
DATAGRAMS = st.builds(udp, PORTS, st.sampled_from([b"", b"\xff", b"\xff\xff", b"hello"])).map(lambda body: (17, body))
ECHOES = st.builds(icmp, st.sampled_from([0, 8, 128, 129]), st.sampled_from([0, 0, 1])).map(lambda body: (1, body))
ECHOES6 = ECHOES.map(lambda pair: (58, pair[1]))
PACKETS = st.builds(
    lambda pair, six, mac, to: packet(*pair, six, mac, to),
    SEGMENTS | DATAGRAMS | ECHOES | ECHOES6,
    st.booleans(),
    MACS,
    TO,
)
FRAGMENTS = st.builds(
    lambda pair, field, length: fragment(packet(*pair), field, length),
    DATAGRAMS | DATAGRAMS | SEGMENTS,
    st.sampled_from([0x2000, 0x2000, 0x2000, 0x2001, 0x0001, 0x6000, 0]),
    st.sampled_from([0, 7, 8, 9, 13, 1480, 0xFFFF]),
)
FRAGMENTS6 = st.builds(
    lambda pair, field, length: fragment6(packet(*pair, six=True), field, length),
    DATAGRAMS | DATAGRAMS | SEGMENTS,
    st.sampled_from([1, 1, 1, 7, 9, 8, 0xFFF9, 0]),
    st.sampled_from([0, 7, 8, 9, 13, 1480, 0xFFFF]),
)
WHOLE = ARPS | NEIGHBOURS | PACKETS | FRAGMENTS | FRAGMENTS6


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A frame of the right kind with a few bytes changed, cut off or added."""
    frame = bytearray(draw(WHOLE))
    for _turn in range(draw(st.integers(0, 3))):
        frame[draw(st.integers(0, len(frame) - 1))] = draw(st.integers(0, 255))
    frame = frame[: draw(st.integers(15, len(frame)))] if draw(st.booleans()) else frame
    return bytes(frame) + draw(st.binary(max_size=20))


def echoed(frame: bytes, length: int, at: int) -> bytes:
    """Without its checksums. That of a request which is not right is as wrong in the answer."""
    return frame[:18] + frame[20:24] + frame[26 : at + 2] + frame[at + 4 : length]


ANY = WHOLE | changed() | st.binary(min_size=15, max_size=200)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(ANY)
@MANY
def test_the_ingress_sends_what_python_would_and_nothing_else(kernel: Kernel, frame: bytes):
    if frames.parse(frame) == frames.Dropped(ip.FORGED):
        return  # the daemon looks more closely whether anybody can have such a source
    kernel.put(ENTRY)
    sent = kernel.ingress(frame)
    wanted = expected(frame, ENTRY)
    if wanted is None or sent is None:
        assert sent == wanted
    elif wanted[12:14] == b"\x08\x00":  # an echo of IPv4 keeps the sender's identification
        assert checksum.is_valid(sent[14:34])
        assert echoed(sent, len(wanted), 34) == echoed(wanted, len(wanted), 34)
    elif wanted[20] == 58 and wanted[54] == 129:
        assert echoed(sent, len(wanted), 54) == echoed(wanted, len(wanted), 54)
    else:
        assert sent[: len(wanted)] == wanted


@given(ANY)
@MANY
def test_nothing_is_sent_where_nobody_sleeps(kernel: Kernel, frame: bytes):
    kernel.put(None)
    assert kernel.ingress(frame) is None
    assert not kernel.passes(frame)


@given(ANY)
@MANY
def test_nothing_is_sent_for_an_address_that_is_only_watched(kernel: Kernel, frame: bytes):
    kernel.put(type(ENTRY)(ENTRY.host, OWNER))
    assert kernel.ingress(frame) is None


def concerns(frame: bytes, answered: bool) -> bool | None:
    """Whether the daemon has to hear of it; None where it does not matter."""
    parsed = frames.parse(frame)
    if isinstance(parsed, frames.Dropped):
        return None
    source = parsed.eth_source
    if source == OURS:
        return False
    if source == OWNER:
        return True if not isinstance(parsed, arp.Arp) or parsed.sha == OWNER else None
    if isinstance(parsed, arp.Arp):
        if parsed.sha == OWNER:
            return None
        if parsed.spa == SLEEPER4 and parsed.sha == source:
            return True
        asks = parsed.operation == arp.REQUEST and parsed.tpa == SLEEPER4 and parsed.spa != SLEEPER4
        return asks and (parsed.spa == arp.NO_ADDRESS or not answered)
    if isinstance(parsed, ip.Echo):
        mine = parsed.destination in (SLEEPER4, SLEEPER6) and parsed.eth_destination in (HERE, OWNER)
        return mine and not answered and (frame[14] == 0x45 or None)
    if isinstance(parsed, (ndp.Solicitation, ndp.Advertisement)) and parsed.link_address == OWNER:
        return None
    if isinstance(parsed, ndp.Solicitation):
        return None if answered and parsed.source != ndp.UNSPECIFIED else parsed.target == SLEEPER6
    if isinstance(parsed, ndp.Advertisement):
        return parsed.target == SLEEPER6
    mine = parsed.destination in (SLEEPER4, SLEEPER6) and parsed.eth_destination in (HERE, OWNER)
    return mine and is_demand(parsed, ENTRY)


@given(WHOLE | changed())
@MANY
def test_what_means_something_to_the_daemon_passes_and_nothing_else(kernel: Kernel, frame: bytes):
    for acts in (False, True):
        kernel.put(ENTRY)
        wanted = concerns(frame, acts)
        # the outer header of a trial run says "to this host", whatever the frame's own does
        if wanted is not None and frame[:6] in (HERE, OWNER):
            assert kernel.passes(frame, acts) == wanted


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize("data", [b"", b"ab", b"\xff" * 40, bytes(range(100))])
def test_the_answer_to_a_right_echo_request_has_a_right_checksum(kernel: Kernel, six: bool, data: bytes):
    kernel.put(ENTRY)
    body = struct.pack("!BBHHH", 128 if six else 8, 0, 0, 1, 1) + data
    body = body[:2] + struct.pack("!H", checksum.checksum(body)) + body[4:]
    sent = kernel.ingress(packet(58 if six else 1, body, six))
    assert sent is not None
    if six:
        assert checksum.is_valid(checksum.pseudo_header(SLEEPER6, ASKER6, 58, len(body)) + sent[54:])
    else:
        assert checksum.is_valid(sent[34:])


def test_an_answer_is_of_no_flow_and_no_traffic_class_whatever_the_question_was_of(kernel: Kernel):
    kernel.put(ENTRY)
    question = ndp.solicitation(ASKER, ASKER6, SLEEPER6)
    sent = kernel.ingress(question[:14] + b"\x6c\x0a\xbc\xde" + question[18:])
    assert sent is not None and sent[:78] == ndp.answer(OURS, SLEEPER6, SLEEPER6, ASKER, ASKER6)[:78]


def test_who_was_told_is_remembered_once_and_the_newest_four(kernel: Kernel):
    kernel.put(ENTRY)
    askers = [bytes((2, 0, 0, 0, 0, number)) for number in range(1, 7)]
    for mac in (askers[0], askers[0], askers[1]):
        kernel.ingress(arp.request(mac, ASKER4, SLEEPER4))
    done = kernel.done(SLEEPER4)
    assert (done.answered, done.told, done.told_more) == (3, (askers[1], askers[0]), False)
    for mac in askers:
        kernel.ingress(arp.request(mac, ASKER4, SLEEPER4))
    done = kernel.done(SLEEPER4)
    assert (done.told, done.told_more) == (tuple(reversed(askers[2:])), True)


def test_a_frame_of_the_owner_stops_the_kernel(kernel: Kernel):
    kernel.put(ENTRY)
    assert kernel.ingress(packet(17, udp(9, b"x"), mac=OWNER)) is None
    assert kernel.done(SLEEPER4).owner_seen > 0
    assert kernel.done(SLEEPER6).owner_seen > 0
    assert kernel.ingress(arp.request(ASKER, ASKER4, SLEEPER4)) is None
    assert kernel.ingress(packet(6, tcp(22))) is None
    assert kernel.passes(packet(6, tcp(23)))


def test_an_announcement_in_the_owners_name_by_another_card_does_not_stop_it(kernel: Kernel):
    kernel.put(ENTRY)
    assert kernel.ingress(arp.announcement(OTHER, OWNER, SLEEPER4)) is None
    assert kernel.done(SLEEPER4).owner_seen == 0
    assert kernel.ingress(arp.request(ASKER, ASKER4, SLEEPER4)) is not None


def test_a_demand_fires_once_a_second(kernel: Kernel):
    kernel.put(ENTRY)
    assert kernel.ingress(packet(6, tcp(8080))) is not None
    assert kernel.ingress(packet(6, tcp(8080))) is None
    kernel.age(SLEEPER4, 1.1)
    assert kernel.ingress(packet(6, tcp(8080))) is not None


def test_a_magic_packet_is_as_long_as_it_should_be_whatever_asked_for_it(kernel: Kernel):
    for body in (udp(53, b"x" * 1400), udp(53, b"x")):
        kernel.put(ENTRY)
        assert kernel.ingress(packet(17, body)) == magic_frame(ENTRY)


def test_where_a_question_is_demand_it_is_answered_and_fires(kernel: Kernel):
    kernel.put(replace(ENTRY, answers=False, on_question=True))
    assert kernel.ingress(arp.request(ASKER, ASKER4, SLEEPER4)) == magic_frame(ENTRY)
    assert kernel.ingress(ndp.solicitation(ASKER, ASKER6, SLEEPER6)) == magic_frame(ENTRY)
    assert kernel.passes(arp.request(OTHER, OTHER4, SLEEPER4))


def test_more_ranges_than_fit_are_the_daemons_business(kernel: Kernel):
    kernel.put(replace(ENTRY, tcp=tuple((port, port) for port in range(1000, 1020))))
    assert kernel.ingress(packet(6, tcp(1003))) == magic_frame(ENTRY)
    kernel.put(replace(ENTRY, tcp=tuple((port, port) for port in range(1000, 1020))))
    assert kernel.ingress(packet(6, tcp(1019))) is None
    assert kernel.passes(packet(6, tcp(1019)))


def test_one_flow_passes_once_a_second_and_one_host_not_more_than_it_may(kernel: Kernel):
    kernel.put(ENTRY)
    assert kernel.passes(packet(6, tcp(22)))
    assert not kernel.passes(packet(6, tcp(22)))
    others = [struct.pack("!H", port) + tcp(22)[2:] for port in range(1, 200)]
    assert sum(kernel.passes(packet(6, body)) for body in others) == FOR_ADDRESS - 1


def test_a_card_that_is_watched_costs_so_many_frames_a_second(kernel: Kernel):
    kernel.put(ENTRY)
    chatter = ethernet.header(ethernet.BROADCAST, OWNER, 0x88CC) + bytes(46)
    assert sum(kernel.passes(chatter) for _turn in range(2 * FROM_CARD)) == FROM_CARD
    assert kernel.passes(arp.request(OWNER, OTHER4, ASKER4))


def test_the_first_fragment_of_a_datagram_wakes(kernel: Kernel):
    kernel.put(ENTRY)
    whole, whole6 = packet(17, udp(53, b"hello")), packet(17, udp(53, b"hello"), six=True)
    for frame, wakes in (
        (fragment(whole, 0x2000, 3000), True),
        (fragment(whole, 0x2000, 13), False),  # it says that it is whole
        (fragment(whole, 0x2001, 3000), False),
        (fragment(whole, 0x0001, 3000), False),
        (fragment(packet(6, tcp(22)), 0x2000, 0), False),
        (fragment6(whole6, 1, 3000), True),
        (fragment6(whole6, 1, 13), False),
        (fragment6(whole6, 0, 13), False),
        (fragment6(whole6, 9, 3000), False),
        (fragment6(whole6, 8, 3000), False),
        (fragment6(packet(6, tcp(22), six=True), 1, 0), False),
    ):
        assert (kernel.ingress(frame) == magic_frame(ENTRY)) is wakes
        kernel.put(ENTRY)
        assert kernel.passes(frame) is wakes
        kernel.put(ENTRY)
