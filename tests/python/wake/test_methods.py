# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of waking: their frames, their schedule, programs that are slow or fail."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Iterable
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.net.interfaces import Interface
from powernap.wake.methods import METHODS, Means, Outcome, Target
from powernap.wake.methods.schedule import BadSchedule, Step, due, parse_schedule, starts
from powernap.wake.model import Address, Policy

scapy = pytest.importorskip("scapy.all")
CARD, OTHER = bytes.fromhex("024c00000003"), bytes.fromhex("024c00000004")
WEB = Address("eth0", bytes([198, 18, 0, 3]), CARD)
TARGET = Target("web1", ((CARD, "eth0"),), None, (WEB,))


class Wire:
    """A segment that keeps what is sent there."""

    def __init__(self, name: str = "eth0", number: int = 1, networks: Iterable[str] = ("198.18.0.1/16",)) -> None:
        networks = tuple(ip_interface(text) for text in networks)
        self.interface = Interface(name, number, bytes([2, 0x4C, 0, 0, number, 1]), networks=networks)
        self.sent: list[bytes] = []
        self.takes = True

    def send(self, frame: bytes) -> bool:
        if self.takes:
            self.sent.append(frame)
        return self.takes


def tried(name: str, target: Target = TARGET, *wires: Wire) -> Outcome:
    outcome = METHODS[name](Means({wire.interface.name: wire for wire in wires})).wake(target)
    assert isinstance(outcome, Outcome)
    return outcome


def magic(frame: bytes) -> bytes:
    """The magic packet in a frame, with what follows it."""
    return frame[frame.index(b"\xff" * 6 + CARD) :]


# Packets


def test_ethernet_goes_to_the_card_then_to_all() -> None:
    wire = Wire()
    assert tried("ethernet", TARGET, wire) == Outcome(2)
    assert [frame[:6] for frame in wire.sent] == [CARD, b"\xff" * 6]
    assert all(frame[12:14] == b"\x08\x42" for frame in wire.sent)


@pytest.mark.parametrize(
    ("name", "to", "card"),
    [
        ("udp_broadcast", ["255.255.255.255"], "ff:ff:ff:ff:ff:ff"),
        ("udp_directed", ["198.18.255.255", "10.1.2.255"], "ff:ff:ff:ff:ff:ff"),
        ("udp_unicast", ["198.18.0.3"], "02:4c:00:00:00:03"),
    ],
)
def test_udp_goes_where_it_is_to(name: str, to: list[str], card: str) -> None:
    wire = Wire(networks=("198.18.0.1/16", "10.1.2.1/24", "10.9.9.1/32", "fd4c::1/64"))
    assert tried(name, TARGET, wire).packets == len(to)
    packets = [scapy.Ether(frame) for frame in wire.sent]
    assert [packet[scapy.IP].dst for packet in packets] == to
    for packet in packets:
        assert packet.dst == card and packet[scapy.UDP].dport == 9
        assert bytes(packet[scapy.UDP].payload) == b"\xff" * 6 + CARD * 16
        again = scapy.Ether(bytes(packet))
        del again[scapy.IP].chksum, again[scapy.UDP].chksum
        assert bytes(scapy.Ether(bytes(again))) == bytes(packet), "its checksums are right"


@pytest.mark.parametrize("name", ["ethernet", "udp_broadcast", "udp_directed", "udp_unicast"])
def test_secureon_goes_everywhere(name: str) -> None:
    wire = Wire()
    tried(name, Target("web1", ((CARD, "eth0"),), "02:4c:aa:bb:cc:dd", (WEB,)), wire)
    assert wire.sent and all(magic(frame)[102:] == bytes.fromhex("024caabbccdd") for frame in wire.sent)


def test_a_card_of_which_nobody_knows_where_it_is_is_called_on_every_segment() -> None:
    near, far = Wire(), Wire("eth1", 2, ("10.0.0.1/8",))
    tried("ethernet", Target("web1", ((CARD, ""), (OTHER, "eth1"))), near, far)
    assert len(near.sent) == 2 and len(far.sent) == 4


def test_a_segment_that_takes_no_frames_is_told_of() -> None:
    wire = Wire()
    wire.takes = False
    assert tried("ethernet", TARGET, wire) == Outcome(0, "eth0 took no frame")


def test_an_address_that_changes_is_not_called_where_it_was() -> None:
    wire = Wire()
    method = METHODS["udp_unicast"](Means({"eth0": wire}))
    method.wake(TARGET)
    method.wake(Target("web1", ((CARD, "eth0"),), None, (WEB._replace(ip=bytes([198, 18, 0, 7])),)))
    assert [scapy.Ether(frame)[scapy.IP].dst for frame in wire.sent] == ["198.18.0.3", "198.18.0.7"]


def test_a_network_behind_a_router_hears_it_by_the_kernels_way() -> None:
    """Loopback has a network with a broadcast address, too."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        there.bind(("127.255.255.255", 0))
        there.settimeout(10)
        method = METHODS["udp_directed"](Means({}, udp_port=there.getsockname()[1]))
        target = Target("web1", ((CARD, ""),), subnets=(ip_network("127.0.0.0/8"),))
        assert method.wake(target) == Outcome(1)
        assert there.recv(2000) == b"\xff" * 6 + CARD * 16
        method.close()


# The schedule


def test_a_schedule_says_what_is_tried_from_when_on() -> None:
    schedule = parse_schedule(("ethernet", "udp_directed@1", "exec@10"), METHODS)
    assert schedule == (Step("ethernet", 0.0), Step("udp_directed", 1.0), Step("exec", 10.0))
    assert starts([schedule, (Step("exec", 5.0),)]) == (1.0, 5.0, 10.0)


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (("ethernat",), "did you mean ethernet"),
        (("ethernet", "exec@soon"), "such as exec@10"),
        (("ethernet", "exec@-1"), "such as exec@10"),
        (("ethernet", "exec@nan"), "such as exec@10"),
        (("ethernet", "ethernet@4"), "leave one out"),
        (("exec@10",), "nothing is tried at once"),
        ((), "nothing is tried at once"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(texts: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(BadSchedule, match=complaint):
        parse_schedule(texts, METHODS)


def test_a_program_is_run_once_at_its_second_and_packets_go_on() -> None:
    schedule = parse_schedule(("ethernet", "udp_unicast@1", "exec@10"), METHODS)
    times = Policy(escalate_at=starts([schedule])).volley_times()
    volleys = [due(schedule, METHODS, times, volley) for volley in range(len(times) + 2)]
    assert volleys[0] == ("ethernet",)
    assert [time for time, ways in zip(times, volleys, strict=False) if "exec" in ways] == [10.0]
    assert all("ethernet" in ways for ways in volleys)
    assert all(("udp_unicast" in ways) == (time >= 1) for time, ways in zip(times, volleys, strict=False))
    assert volleys[-1] == ("ethernet", "udp_unicast"), "demand again sends packets again, but runs no program"


@given(st.lists(st.tuples(st.sampled_from(sorted(METHODS)), st.integers(0, 100)), max_size=5), st.integers(1, 30))
def test_every_way_has_its_time_and_programs_have_it_once(steps: list[tuple[str, int]], volleys: int) -> None:
    schedule = tuple(Step(name, float(start)) for name, start in dict(steps).items())
    times = Policy(volleys=volleys, escalate_at=starts([schedule])).volley_times()
    fired = [due(schedule, METHODS, times, volley) for volley in range(len(times))]
    for step in schedule:
        at = [time for time, ways in zip(times, fired, strict=True) if step.method in ways]
        assert at[0] == step.start
        assert len(at) == 1 or not METHODS[step.method].once
        assert min(at) >= step.start


# Programs


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def run(script: str, seconds: float = 20.0, target: Target = TARGET) -> Outcome:
    async def play() -> Outcome:
        outcome = METHODS["exec"](Means({}, program=(script, "an argument"), program_seconds=seconds)).wake(target)
        assert not isinstance(outcome, Outcome)
        return await outcome

    return asyncio.run(play())


def test_a_program_is_told_whom_to_wake(tmp_path: Path) -> None:
    script = program(tmp_path / "wake", f'env >{tmp_path}/env; echo "$1"; echo power is on')
    target = Target("web1", ((CARD, "eth0"), (OTHER, "")), "geheim", (WEB,), group="rack1", reason="demand")
    assert run(script, target=target) == Outcome(0, "power is on")
    told = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert told["POWERNAP_HOST"] == "web1"
    assert told["POWERNAP_MACS"] == "02:4c:00:00:00:03 02:4c:00:00:00:04"
    assert told["POWERNAP_ADDRESSES"] == "198.18.0.3"
    assert told["POWERNAP_GROUP"] == "rack1" and told["POWERNAP_REASON"] == "demand"
    assert told["POWERNAP_PASSWORD"] == "geheim"


def test_a_program_that_fails_or_is_not_there_is_told_of(tmp_path: Path) -> None:
    assert run(program(tmp_path / "wake", "echo no such outlet; exit 3")).text == "ended with status 3: no such outlet"
    assert "cannot be run" in run(str(tmp_path / "missing")).text


def test_a_program_that_hangs_is_killed_with_all_its_children(tmp_path: Path) -> None:
    script = program(tmp_path / "wake", f"sleep 987 & echo $! >{tmp_path}/child; wait")
    begun = time.monotonic()
    assert "took longer than 1 s" in run(script, seconds=1).text
    assert time.monotonic() - begun < 30
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    for _ in range(100):
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("the child lives on")
