# SPDX-License-Identifier: GPL-3.0-or-later
"""The bits before the table of entries: no address that sleeps is sifted out, in Python's or the kernel's reckoning."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.python.path.kernel import ASKER, ASKER4, ASKER6, ENTRY, HERE, SLEEPER4, Kernel, forbidden
from tests.python.path.packets import tcp

from powernap.net import checksum, ethernet
from powernap.wake.path import layout, tables
from powernap.wake.path.base import Alike, Entry, Key
from powernap.wake.path.ebpf import Adopted, EbpfPath
from powernap.wake.path.sieve import Sieve
from powernap.wake.path.tables import Tables

NOT_HOSTS = (0, 127, *range(224, 256))
IPV4 = st.binary(min_size=4, max_size=4).filter(lambda ip: ip[0] not in NOT_HOSTS and ip != ASKER4)
IPV6 = st.binary(min_size=16, max_size=16).filter(lambda ip: ip[0] != 0xFF and ip != ASKER6)
KEYS = [Key(1, 0, bytes((10, 0, 0, number))) for number in range(1, 9)]


def knock(to: bytes) -> bytes:
    body = tcp(22)
    if len(to) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 6, 0) + ASKER4 + to
        head = head[:10] + struct.pack("!H", checksum.checksum(head)) + head[12:]
        return ethernet.header(HERE, ASKER, ethernet.IPV4) + head + body
    head = struct.pack("!IHBB", 6 << 28, len(body), 6, 64) + ASKER6 + to
    return ethernet.header(HERE, ASKER, ethernet.IPV6) + head + body


@pytest.fixture
def sieve() -> Iterator[Sieve]:
    if forbidden():
        pytest.skip(forbidden())
    shared = Tables(None)
    made = Sieve(shared["sieve"], fresh=True)
    yield made
    made.close()
    shared.close()


@pytest.fixture
def path() -> Iterator[EbpfPath]:
    if forbidden():
        pytest.skip(forbidden())
    made = EbpfPath()
    yield made
    made.close(keep=False)


@given(to=IPV4 | IPV6)
def test_whoever_has_an_entry_is_woken_by_his_address(kernel: Kernel, to: bytes):
    kernel.put(ENTRY, to)
    assert kernel.ingress(knock(to)) is not None


def test_an_address_whose_bit_is_not_set_concerns_nobody(kernel: Kernel):
    kernel.put(ENTRY, SLEEPER4)
    kernel.sieve.renew(())
    assert kernel.ingress(knock(SLEEPER4)) is None


def test_addresses_of_one_network_share_no_bits():
    network = (bytes((10, 9, *divmod(number, 256))) for number in range(1 << 16))
    assert len({layout.sieve_bit(ip) for ip in network}) == 1 << 16


def test_the_same_hosts_that_sleep_again_and_again_do_not_fill_it(sieve: Sieve):
    sieve._limit = len(KEYS)
    for _turn in range(3):
        sieve.add(key.ip for key in KEYS)
    assert not sieve.is_stale
    sieve.add([bytes((10, 0, 1, 1))])
    assert sieve.is_stale
    sieve.renew(key.ip for key in KEYS)
    assert not sieve.is_stale


def test_what_a_former_daemon_has_set_is_counted(path: EbpfPath):
    path.put(dict.fromkeys(KEYS, ENTRY))
    adopted = Sieve(path._tables["sieve"], fresh=False)
    assert adopted._set == len(KEYS)
    adopted.close()


def bits(path: EbpfPath) -> set[bytes]:
    def is_set(bit: int) -> bool:
        return bool(path._sieve._bits[bit >> 3] >> (bit & 7) & 1)

    return {key.ip for key in KEYS if is_set(layout.sieve_bit(key.ip))}


def test_when_many_have_gone_those_that_sleep_keep_their_bits(path: EbpfPath):
    path.put(dict.fromkeys(KEYS, ENTRY))
    assert len(bits(path)) == len(KEYS)
    path.remove(KEYS[:4])
    assert len(bits(path)) == len(KEYS)
    path._sieve._limit = 0
    path.remove(KEYS[4:6])
    assert bits(path) == {key.ip for key in KEYS[6:]}


def kind(hosts: range, entry: Entry = ENTRY) -> Alike:
    ips = b"".join(bytes((10, 0, 0, host)) for host in hosts)
    return Alike(1, entry, list(hosts), 4, ips, b"".join(bytes((2, 0, 0, 0, 0, host)) for host in hosts))


def test_of_many_put_again_it_is_kept_what_was_done(path: EbpfPath):
    path.put_alike([kind(range(1, 5))])
    key = Key(1, 0, bytes((10, 0, 0, 2)))
    table = path._tables["entries"]
    value = bytearray(table.lookup(layout.pack_key(key)) or b"")
    value[layout.ANSWERED : layout.ANSWERED + 8] = layout.STAMP.pack(3)
    table.update(layout.pack_key(key), bytes(value))
    path.put_alike([kind(range(5, 9)), kind(range(9, 11))])
    assert path.done(key).answered == 3
    path.put_alike([kind(range(1, 11), replace(ENTRY, pings=False))])
    assert path.done(key).answered == 3
    found = dict(Adopted(table).pairs())
    assert found[key] == replace(ENTRY, pings=False, host=2, mac=bytes((2, 0, 0, 0, 0, 2)))
    assert len(found) == 10


def test_of_one_put_alone_before_it_is_kept_what_was_done(path: EbpfPath):
    key = Key(1, 0, bytes((10, 0, 0, 7)))
    path.put({key: replace(ENTRY, host=7)})
    table = path._tables["entries"]
    value = bytearray(table.lookup(layout.pack_key(key)) or b"")
    value[layout.ANSWERED : layout.ANSWERED + 8] = layout.STAMP.pack(3)
    table.update(layout.pack_key(key), bytes(value))
    path.put_alike([kind(range(1, 9))])
    assert path.done(key).answered == 3


def test_the_table_grows_under_many(path: EbpfPath, monkeypatch: pytest.MonkeyPatch):
    small = {name: tables._KINDS[name]._replace(entries=64) for name in ("entries", "cards")}
    monkeypatch.setattr(tables, "_KINDS", {**tables._KINDS, **small})
    own = EbpfPath()
    own.put_alike([kind(range(1, 200))])
    own.watch_cards({bytes((2, 0, 0, 0, 0, host)): host for host in range(1, 200)})
    assert len(Adopted(own._tables["entries"])) == 199
    assert own._tables["cards"].lookup(layout.MAC.pack(bytes((2, 0, 0, 0, 0, 199)))) == layout.CARD.pack(199, 0, 0, 0)
    own.close(keep=False)
