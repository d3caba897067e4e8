# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet path in eBPF on a veth of the real kernel."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from tests.net.lan import missing, run
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

from powernap.net import arp, checksum, ethernet, interfaces, ndp
from powernap.net.rawsocket import RawSocket
from powernap.wake.clock import clock
from powernap.wake.path.base import Entry, Key, Unwelcome, gate_of
from powernap.wake.path.ebpf import EbpfPath
from powernap.wake.path.tables import MOST_REFUSED

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


def test_an_echo_request_is_answered_where_the_host_wants_it(path: Path, cable: Wire):
    scapy = pytest.importorskip("scapy.all")
    request = scapy.Ether(src=ASKER.hex(":"), dst=OURS.hex(":")) / scapy.IP(src="198.18.0.9", dst="198.18.0.3")
    request = bytes(request / scapy.ICMP(id=3, seq=4) / b"payload")
    cable.send(request)
    (frame,) = cable.answers()
    reply = scapy.Ether(frame)
    assert (reply.dst, reply[scapy.IP].dst, reply[scapy.ICMP].type) == (ASKER.hex(":"), "198.18.0.9", 0)
    assert nothing_more(path.raw)
    path.put(pings=False)
    cable.send(request)
    assert not cable.answers(1, 0.2)
    assert nothing_more(path.raw)


def test_a_tagged_frame_is_not_for_the_untagged_address(path: Path, cable: Wire):
    tagged = question()[:12] + b"\x81\x00\x00\x05" + question()[12:]
    cable.send(tagged)
    assert not cable.answers(1, 0.2)
    assert nothing_more(path.raw)
    path.path.put({path.key(vlan=5): ENTRY})
    cable.send(tagged)
    (frame,) = cable.answers()
    answer = arp.answer(OURS, SLEEPER4, ASKER, ASKER4)
    # the tag is sent with the frame, or beside it where the receiver's card is said to strip it
    assert frame[:42] in (answer, (answer[:12] + b"\x81\x00\x00\x05" + answer[12:])[:42])


def test_a_tag_that_only_has_a_priority_is_none(path: Path, cable: Wire):
    cable.send(question()[:12] + b"\x81\x00\x60\x00" + question()[12:])
    assert len(cable.answers()) == 1


def test_what_is_more_than_a_question_reaches_the_daemon(path: Path, cable: Wire):
    for frame in (
        arp.request(OTHER, arp.NO_ADDRESS, SLEEPER4),
        arp.announcement(OTHER, OTHER, SLEEPER4),
        arp.answer(OTHER, SLEEPER4, OURS, bytes((198, 18, 0, 1))),
        ndp.solicitation(OTHER, ndp.UNSPECIFIED, SLEEPER6),
        ndp.announcement(OTHER, SLEEPER6, OTHER, SLEEPER6),
    ):
        cable.send(frame)
        assert received(path.raw) == [frame.ljust(60, b"\0")]
    assert not cable.answers(1, 0.2)


def test_an_address_that_is_only_watched_is_the_daemons(path: Path, cable: Wire):
    path.put(answers=False, fires=False)
    for frame in (question(), solicitation(), _syn(22), _syn(9999)):
        cable.send(frame)
        assert received(path.raw) == [frame.ljust(60, b"\0")]
    assert not cable.answers(1, 0.2)


def test_a_removed_address_concerns_nobody(path: Path, cable: Wire):
    path.path.remove([path.key(), path.key(SLEEPER6), path.key(ASKER6)])
    path.path.forget_cards([OWNER])
    for frame in (question(), solicitation(), _syn(22), arp.request(OWNER, SLEEPER4, ASKER4)):
        cable.send(frame)
    assert not cable.answers(1, 0.2)
    assert nothing_more(path.raw)


def test_a_source_over_its_limit_wakes_nobody_more(path: Path, cable: Wire):
    path.path.limit(2, [])
    others = [Key(path.index, 0, bytes((198, 18, 2, number))) for number in range(5)]
    path.path.put(dict.fromkeys(others, ENTRY))
    for key in others:
        frame = bytearray(_syn(22))
        frame[30:34] = key.ip
        frame[24:26] = b"\0\0"
        frame[24:26] = checksum.checksum(bytes(frame[14:34])).to_bytes(2, "big")
        cable.send(bytes(frame))
    assert len(cable.answers(5, 0.5)) == 2
    assert len(received(path.raw, 5, 0.2)) == 2
    counters = path.path.counters()
    assert (counters["fired"], counters["passed"]) == (2, 2)
    assert [(source, each.times) for source, each in path.path.limited().items()] == [(ASKER4, 3)]
    assert counters["over the limit"] == 6  # the filter's three, and the same three at the ingress


def test_a_group_whose_gate_is_shut_does_not_fire_until_it_is_open(path: Path, cable: Wire):
    path.put(gate=gate_of("lab"))
    for shut, fires in (({gate_of("lab")}, 0), ({0}, 0), ({gate_of("rack1")}, 1)):
        path.path.shut(shut)
        cable.send(_syn(22))
        assert len(cable.answers(1, 0.5)) == fires
    assert received(path.raw), "the daemon hears of it all the same"


def test_the_unwelcome_do_not_fire_and_are_not_heard_of_until_they_are_welcome_again(path: Path, cable: Wire):
    who, other = Unwelcome(ASKER4, "tcp", 22), Unwelcome(SLEEPER4)
    path.path.refuse({who: clock() + 600, other: float("inf")})
    cable.send(_syn(22))
    assert not cable.answers(1, 0.3)
    assert nothing_more(path.raw)
    found = path.path.refused()
    assert found.keys() == {who}
    assert (found[who].times, found[who].host, found[who].protocol, found[who].port) == (1, 7, "tcp", 22)
    assert path.path.counters()["refused"] == 1
    path.path.refuse({who: clock() + 600})
    assert path.path.refused() == found, "what was counted stays"
    path.path.refuse({})
    cable.send(_syn(22))
    assert len(cable.answers(1, 1.0)) == 1
    with pytest.raises(OSError, match="too long"):
        path.path.refuse({Unwelcome(number.to_bytes(4, "big")): 1.0 for number in range(MOST_REFUSED + 1)})


def test_this_machines_own_questions_to_all_reach_the_daemon(path: Path, cable: Wire):
    def ask(address: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (address, 9))

    cable.inside(cable.here, lambda: ask("198.18.0.3"))
    (frame,) = received(path.raw)
    assert frame[:42] == arp.request(OURS, bytes((198, 18, 0, 1)), SLEEPER4)
    cable.inside(cable.here, lambda: ask("198.18.0.77"))
    assert nothing_more(path.raw)
    # with a neighbour entry, what it sends to a registered port is demand as anybody's
    run("ip", "-n", cable.here, "neigh", "replace", "198.18.0.3", "lladdr", OWNER.hex(":"), "dev", "pn0")

    def knock() -> None:
        with socket.socket() as sock:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(("198.18.0.3", 22))

    cable.inside(cable.here, knock)
    assert received(path.raw)[0][:14] == ethernet.header(OWNER, OURS, ethernet.IPV4)
    assert path.path.done(path.key()).fired_at == 0.0
    run("ip", "-n", cable.here, "neigh", "del", "198.18.0.3", "dev", "pn0")


def test_an_interface_that_is_made_anew_is_answered_on_again(cable: Wire):
    path = cable.inside(cable.here, EbpfPath)
    add = f"link add pn7 address {OURS.hex(':')} type veth peer name pn8\nlink set pn7 up\nlink set pn8 up\n"
    for _turn in range(2):
        run("ip", "-n", cable.here, "-batch", "-", input=add)
        interface = cable.inside(cable.here, lambda: interfaces.read()["pn7"])
        raw = cable.inside(cable.here, lambda: RawSocket("pn7"))
        cable.inside(cable.here, lambda raw=raw, interface=interface: path.attach(raw, interface))
        path.put({Key(interface.index, 0, SLEEPER4): ENTRY})
        far = cable.inside(cable.here, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        cable.inside(cable.here, lambda far=far: far.bind(("pn8", 0x0806)))
        far.settimeout(3)
        far.send(question().ljust(60, b"\0"))
        assert far.recv(2048)[:42] == arp.answer(OURS, SLEEPER4, ASKER, ASKER4)
        run("ip", "-n", cable.here, "link", "del", "pn7")
        path.detach(interface.index)
        raw.close()
        far.close()
    path.close(keep=False)


def test_on_a_bridge_it_answers_at_the_bridge(cable: Wire):
    """Frames of a port arrive at the bridge, and leave by the port behind which the asker is."""
    setup = f"""link add br7 address {OURS.hex(":")} type bridge forward_delay 0
        link set br7 up
        link add pn7 type veth peer name pn8
        link set pn7 master br7
        link set pn7 up
        link set pn8 up"""
    run("ip", "-n", cable.here, "-batch", "-", input=setup)
    path = cable.inside(cable.here, EbpfPath)
    interface = cable.inside(cable.here, lambda: interfaces.read()["br7"])
    raw = cable.inside(cable.here, lambda: RawSocket("br7"))
    far = cable.inside(cable.here, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    try:
        cable.inside(cable.here, lambda: path.attach(raw, interface))
        path.put({Key(interface.index, 0, SLEEPER4): ENTRY})
        cable.inside(cable.here, lambda: far.bind(("pn8", 3)))
        far.settimeout(3)

        def answer_to(frame: bytes, ethertype: int) -> bytes:
            far.send(frame.ljust(60, b"\0"))
            while True:
                got, where = far.recvfrom(2048)
                if where[2] != socket.PACKET_OUTGOING and where[1] == ethertype:
                    return got

        assert answer_to(question(), ethernet.ARP)[:42] == arp.answer(OURS, SLEEPER4, ASKER, ASKER4)
        assert answer_to(_syn(22), ethernet.MAGIC)[14:].startswith(MAGIC)
        assert len(received(raw)) == 1
    finally:
        path.close(keep=False)
        raw.close()
        far.close()
        run("ip", "-n", cable.here, "link", "del", "pn7")
        run("ip", "-n", cable.here, "link", "del", "br7")
