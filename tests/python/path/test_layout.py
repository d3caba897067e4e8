# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.wake.path import layout
from powernap.wake.path.base import GATES, Alike, Done, Entry, Ignored, Key, Unwelcome

MAC = bytes.fromhex("024c00000003")
RANGE = st.tuples(st.integers(1, 0xFFFF), st.integers(1, 0xFFFF)).map(lambda pair: (min(pair), max(pair)))
RANGES = st.lists(RANGE, max_size=layout.RANGES).map(tuple)
ENTRIES = st.builds(
    Entry,
    host=st.integers(1, 2**63),
    mac=st.binary(min_size=6, max_size=6),
    answers=st.booleans(),
    fires=st.booleans(),
    on_question=st.booleans(),
    pings=st.booleans(),
    tcp=RANGES,
    udp=RANGES,
    password=st.sampled_from([b"", b"abcd", b"abcdef", b"\0\0\0\0"]),
    gate=st.integers(0, GATES - 1),
)


@given(
    st.builds(
        Key,
        st.integers(1, 2**31),
        st.integers(0, 4095),
        st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    )
)
def test_a_key_comes_back_as_it_was(key):
    assert layout.unpack_key(layout.pack_key(key)) == key


def test_an_ipv4_address_is_not_the_ipv6_address_that_begins_with_it():
    assert layout.pack_key(Key(1, 0, b"\x0a\0\0\1")) != layout.pack_key(Key(1, 0, b"\x0a\0\0\1" + bytes(12)))


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry):
    value = layout.pack_entry(entry, 5)
    assert len(value) == layout.ENTRY_BYTES
    assert layout.unpack_entry(value) == entry


@given(ENTRIES, st.integers(1, 2**31), st.sampled_from([4, 16]), st.data())
def test_many_that_are_alike_are_packed_as_each_alone(entry, interface, length, data):
    addresses = data.draw(st.lists(st.binary(min_size=length, max_size=length), min_size=1, max_size=5))
    hosts = data.draw(st.lists(st.integers(1, 2**63), min_size=len(addresses), max_size=len(addresses)))
    macs = [bytes([2, 0, 0, 0, 0, number]) for number in range(len(addresses))]
    keys, values = layout.pack_alike(Alike(interface, entry, hosts, length, b"".join(addresses), b"".join(macs)), 5)
    assert keys == b"".join(layout.pack_key(Key(interface, 0, ip)) for ip in addresses)
    each = (replace(entry, host=host, mac=mac) for host, mac in zip(hosts, macs, strict=True))
    assert values == b"".join(layout.pack_entry(one, 5) for one in each)
    bits = layout.sieve_bits(b"".join(addresses), length)
    assert list(bits) == [layout.sieve_bit(ip) for ip in addresses]


def test_cards_are_packed_with_their_hosts():
    keys, values = layout.pack_cards([MAC, bytes(6)], [7, 2**40])
    assert keys == layout.MAC.pack(MAC) + layout.MAC.pack(bytes(6))
    assert values == layout.CARD.pack(7, 0, 0, 0) + layout.CARD.pack(2**40, 0, 0, 0)


@pytest.mark.parametrize(
    "who", [Unwelcome(b"\x0a\0\0\1"), Unwelcome(b"\x0a\0\0\1" + bytes(12), "tcp", 22), Unwelcome(bytes(16), "question")]
)
def test_who_is_unwelcome_comes_back_as_it_was(who):
    assert layout.unpack_unwelcome(layout.pack_unwelcome(who)) == who


@pytest.mark.parametrize(("until", "packed"), [(-5.0, 0), (2.0, 2 * 10**9), (float("inf"), 2**63 - 1)])
def test_until_when_is_in_nanoseconds_and_what_was_ignored_is_kept(until, packed):
    before = layout.UNTIL.pack(5, 3, 10**9, 7, 6, b"\0\x16")
    value = layout.pack_until(until, before)
    assert layout.STAMP.unpack_from(value) == (packed,)
    assert layout.unpack_ignored(value) == Ignored(3, 1.0, 7, "tcp", 22)
    assert layout.unpack_ignored(layout.pack_until(until, None)).times == 0


def test_more_ranges_than_fit_are_marked():
    ranges = tuple((port, port) for port in range(1, layout.RANGES + 2))
    value = layout.pack_entry(Entry(1, MAC, tcp=ranges), 5)
    assert value[layout.FLAGS_AT] == layout.MORE_TCP
    assert layout.unpack_entry(value).tcp == ranges[: layout.RANGES]


def _did(entry: Entry, answered: int, fired: int, told: list[bytes]) -> bytes:
    value = bytearray(layout.pack_entry(entry, 10))
    value[layout.ANSWERED : layout.ANSWERED + 8] = layout.STAMP.pack(answered)
    value[layout.FIRED_AT : layout.FIRED_AT + 8] = layout.STAMP.pack(fired)
    value[layout.TOLD_COUNT : layout.TOLD_COUNT + 4] = layout.INDEX.pack(len(told))
    for place, mac in enumerate(told[: layout.TOLD]):
        value[layout.TOLD_AT + 8 * place : layout.TOLD_AT + 8 * place + 6] = mac
    return bytes(value)


def test_what_was_done_is_kept_for_the_same_host():
    before = _did(Entry(7, MAC, answers=True), 3, 10**9, [b"abcdef"])
    value = layout.keep(layout.pack_entry(Entry(7, MAC, fires=True), 20), before)
    assert layout.unpack_done(value, 0) == Done(3, 1.0, 0.0, (b"abcdef",))
    assert layout.unpack_entry(value) == Entry(7, MAC, fires=True)


def test_nothing_is_kept_of_another_host():
    before = _did(Entry(7, MAC, answers=True), 3, 10**9, [b"abcdef"])
    assert layout.unpack_done(layout.keep(layout.pack_entry(Entry(8, MAC), 20), before), 0) == Done()


def test_an_owner_seen_before_the_entry_was_put_does_not_count():
    value = layout.pack_entry(Entry(7, MAC), 2 * 10**9)
    assert layout.unpack_done(value, 10**9).owner_seen == 0.0
    assert layout.unpack_done(value, 3 * 10**9).owner_seen == 3.0


def test_more_cards_than_fit_are_told_of():
    told = [bytes([number] * 6) for number in range(5)]
    done = layout.unpack_done(_did(Entry(7, MAC), 5, 0, told), 0)
    assert done.told == tuple(told[:4])
    assert done.told_more


@pytest.mark.parametrize(
    ("trusted", "bits", "family"),
    [("10.0.0.0/8", 40, 4), ("10.1.2.3", 64, 4), ("fd00::/8", 40, 6), ("02:00:00:00:00:01", 80, 1)],
)
def test_networks_addresses_and_macs_are_trusted(trusted, bits, family):
    assert layout.TRUSTED.unpack(layout.pack_trusted(trusted))[:2] == (bits, family)


def test_a_trusted_source_that_is_none_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        layout.pack_trusted("nonsense")


def test_a_source_may_save_its_wakes_of_one_minute():
    assert layout.SETTINGS.unpack(layout.pack_limit(30)) == (2 * 10**9, 58 * 10**9)
    assert layout.SETTINGS.unpack(layout.pack_limit(0)) == (0, 0)
