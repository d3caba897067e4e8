# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet path in eBPF on a veth of the real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.net.lan import missing
from tests.net.wire import (
    ASKER,
    ASKER4,
    ASKER6,
    OTHER,
    OURS,
    OWNER,
    SLEEPER4,
    SLEEPER6,
    Wire,
    no_ebpf,
    nothing_more,
    question,
    received,
    solicitation,
    wire,
)

from powernap.net import arp, ethernet, ndp
from powernap.wake.path.base import Entry, Key
from powernap.wake.path.ebpf import EbpfPath

MAGIC = b"\xff" * 6 + OWNER * 16
ENTRY = Entry(7, OWNER, answers=True, fires=True, pings=True, tcp=((22, 22), (8000, 8099)), udp=((53, 53),))


@pytest.fixture(scope="module")
def cable() -> Iterator[Wire]:
    why = missing() or no_ebpf()
    if why:
        pytest.skip(why)
    with wire() as made:
        yield made


class Path:
    def __init__(self, cable: Wire) -> None:
        self.cable = cable
        self.raw = cable.raw()
        self.path = cable.inside(cable.here, EbpfPath)
        if not self.path.acts:
            pytest.skip(self.path.name)
        interface = cable.interface
        self.index = interface.index
        cable.inside(cable.here, lambda: self.path.attach(self.raw, interface))
        self.path.watch_cards({OWNER: 7})

    def key(self, ip: bytes = SLEEPER4, vlan: int = 0) -> Key:
        return Key(self.index, vlan, ip)

    def put(self, **changes: object) -> None:
        entry = Entry(**{**{name: getattr(ENTRY, name) for name in Entry.__slots__}, **changes})
        self.path.put({self.key(): entry, self.key(SLEEPER6): entry})


@pytest.fixture
def path(cable: Wire) -> Iterator[Path]:
    made = Path(cable)
    made.put()
    cable.drain()
    try:
        yield made
    finally:
        made.path.close(keep=False)
        made.raw.close()


def test_a_question_is_answered_by_the_kernel_and_does_not_reach_the_daemon(path: Path, cable: Wire):
    cable.send(question())
    (frame,) = cable.answers()
    assert frame[:42] == arp.answer(OURS, SLEEPER4, ASKER, ASKER4)
    assert nothing_more(path.raw)
    done = path.path.done(path.key())
    assert (done.answered, done.told, done.fired_at, done.owner_seen) == (1, (ASKER,), 0.0, 0.0)


def test_a_solicitation_is_answered_by_the_kernel(path: Path, cable: Wire):
    cable.send(solicitation())
    (frame,) = cable.answers()
    assert frame == ndp.answer(OURS, SLEEPER6, SLEEPER6, ASKER, ASKER6)
    assert nothing_more(path.raw)


def test_a_question_for_somebody_else_is_let_be(path: Path, cable: Wire):
    cable.send(question(bytes((198, 18, 0, 77))))
    assert not cable.answers(1, 0.2)
    assert nothing_more(path.raw)


def _syn(port: int, source_port: int = 40000, mac: bytes = OURS, source: bytes = ASKER4) -> bytes:
    scapy = pytest.importorskip("scapy.all")
    layers = scapy.Ether(src=ASKER.hex(":"), dst=mac.hex(":")) / scapy.IP(
        src=".".join(map(str, source)), dst=".".join(map(str, SLEEPER4))
    )
    return bytes(layers / scapy.TCP(sport=source_port, dport=port, flags="S"))


def test_the_first_syn_to_a_registered_port_sends_a_magic_packet_and_reaches_the_daemon(path: Path, cable: Wire):
    syn = _syn(8080)
    cable.send(syn)
    (frame,) = cable.answers()
    assert frame[:14] == ethernet.header(ethernet.BROADCAST, OURS, ethernet.MAGIC)
    assert frame[14:].startswith(MAGIC)
    assert received(path.raw) == [syn.ljust(60, b"\0")]
    assert path.path.done(path.key()).fired_at > 0
    # within the hold-off another connection reaches the daemon, but fires no more
    cable.send(_syn(8080, 40001))
    assert len(received(path.raw)) == 1
    cable.send(_syn(8080, 40001))
    assert nothing_more(path.raw)
    assert not cable.answers(1, 0.2)


def test_a_syn_to_another_port_wakes_nobody(path: Path, cable: Wire):
    cable.send(_syn(23))
    assert nothing_more(path.raw)
    assert not cable.answers(1, 0.2)


def test_the_owners_own_frame_stops_the_kernel(path: Path, cable: Wire):
    cable.send(arp.request(OWNER, SLEEPER4, ASKER4))
    assert len(received(path.raw)) == 1
    assert path.path.done(path.key()).owner_seen > 0
    assert path.path.last_seen(OWNER) == pytest.approx(path.path.done(path.key()).owner_seen, abs=0.1)
    cable.send(question(mac=OTHER))
    assert len(received(path.raw)) == 1
    cable.send(_syn(8080))
    assert len(received(path.raw)) == 1
    assert not cable.answers(1, 0.2)
    path.put()
    cable.send(question())
    assert len(cable.answers()) == 1
