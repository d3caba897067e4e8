# SPDX-License-Identifier: GPL-3.0-or-later
"""What is held for a host that wakes: which frames, how many, and that they arrive whole."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.net.crowd import Crowd, syn
from tests.net.lan import Lan, Node, on_each_path, wait_for

from powernap.net import ip
from powernap.net.checksum import is_valid, pseudo_header
from powernap.net.frames import parse

FAMILIES = ("ipv4", "ipv6")


def held(lan: Lan) -> int:
    return int(lan.server.admin.get("/api/v1/status")["held_frames"])


def from_the_server(ears: socket.socket, lan: Lan, seconds: float) -> Iterator[bytes]:
    """The IP packets that come from the server's card in the next seconds and are for no address of its own."""
    mac, end = bytes.fromhex(lan.server.mac.replace(":", "")), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ears.settimeout(left)
        try:
            frame = ears.recv(2048)
        except TimeoutError:
            return
        packet = parse(frame)
        if frame[6:12] == mac and isinstance(packet, ip.Packet) and packet.port != 9 and packet.source_port != 20709:
            yield frame


def checksum_is_right(frame: bytes) -> bool:
    if frame[12:14] == b"\x86\xdd":
        source, destination, protocol, payload = frame[22:38], frame[38:54], frame[20], frame[54:]
    else:
        source, destination, protocol = frame[26:30], frame[30:34], frame[23]
        payload = frame[34 : 14 + int.from_bytes(frame[16:18], "big")]
    return is_valid(pseudo_header(source, destination, protocol, len(payload)) + payload)


def datagrams(host: Node, port: int) -> socket.socket:
    def act() -> socket.socket:
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.bind(("::", port))
        opened.settimeout(8)
        return opened

    return host.inside(act)


def send_datagram(client: Node, address: str, port: int, data: bytes) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with client.inside(lambda: socket.socket(family, socket.SOCK_DGRAM)) as sender:
        sender.sendto(data, (address, port))


@on_each_path
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("offload", ["on", "off"])
def test_what_is_replayed_has_a_whole_checksum(lan: Lan, family: str, offload: str) -> None:
    """With offload on, the sender's kernel leaves it to the card, which on a virtual network nobody has."""
    desk, web1 = lan.client(), lan.sleeper()
    desk.run("ethtool", "-K", "eth0", "tx", offload)
    address = getattr(web1, family)
    web1.serve(80)
    receiver = datagrams(web1, 5000)
    web1.nap(tcp="80", udp="5000")
    web1.resume_delay = 0.4
    ears = web1.raw()
    send_datagram(desk, address, 5000, b"first")
    _, connected = desk.connect(address, 80)
    assert receiver.recv(100) == b"first"
    assert connected - web1.ready_at < 0.5
    frames = list(from_the_server(ears, lan, 0.3))
    assert {parse(frame).protocol for frame in frames} == {6, 17}
    assert all(checksum_is_right(frame) for frame in frames)


@on_each_path
def test_ports_may_be_given_as_ranges(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(8042)
    receiver = datagrams(web1, 5042)
    web1.nap(tcp="22,8000-8099", udp="5000-5099")
    for port in (7999, 8100):
        with pytest.raises(OSError):
            desk.connect(web1.ipv4, port, 0.3)
    for port in (4999, 5100):
        send_datagram(desk, web1.ipv4, port, b"not for us")
    assert lan.state("web1") == "proxied" and not web1.magic_at
    desk.connect(web1.ipv4, 8042)
    assert web1.magic_at
    lan.wait_for_state("web1", "awake")
    web1.settle()
    web1.nap(tcp="22,8000-8099", udp="5000-5099")
    send_datagram(desk, web1.ipv6, 5042, b"in the range")
    assert receiver.recv(100) == b"in the range"


def test_of_each_connection_the_newest_syn_is_held_and_64_connections_of_a_host(lan: Lan) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap()
    web1.resume_delay = 0.5
    with desk.raw() as wire, web1.raw() as ears:
        for sequence in (7, 8, 9):
            for port in range(100):
                wire.send(syn(lan.server.mac, desk.mac, desk.ipv4, web1.ipv4, 40000 + port, sequence=sequence))
        wait_for(lambda: held(lan) == 64)
        frames = list(from_the_server(ears, lan, 1.0))
    flows = {(int.from_bytes(frame[34:36], "big"), int.from_bytes(frame[38:42], "big")) for frame in frames}
    assert flows == {(40000 + port, 9) for port in range(64)}
    wait_for(lambda: held(lan) == 0)


def test_nothing_is_held_where_that_is_not_wanted_and_the_host_wakes_all_the_same(bare_lan: Lan) -> None:
    lan = bare_lan
    lan.server.settings["hold_frames"] = "false"
    lan.server.start()
    desk, web1 = lan.client(), lan.sleeper()
    web1.serve(80)
    web1.nap()
    web1.resume_delay = 1.5
    _, connected = desk.connect(web1.ipv4, 80)
    assert web1.magic_at
    assert not lan.events("web1", "replayed")
    assert connected > web1.ready_at + 0.1, "Linux repeats a SYN each second at first"


@on_each_path
def test_at_most_4096_frames_are_held_in_all(bare_lan: Lan) -> None:
    lan = bare_lan
    lan.server.settings |= {"wakes_per_source": "0", "wakes_per_minute": "0"}
    lan.server.start()
    desk, crowd = lan.client(), Crowd(lan, 70)
    with desk.raw() as wire:
        for member in crowd.members:
            for port in range(64):
                wire.send(crowd.syn(member, (desk.mac, desk.ipv4), 40000 + port))
            time.sleep(0.01)
    wait_for(lambda: held(lan) == 4096)
    wait_for(lambda: len(crowd.woken) == 70)
    assert held(lan) == 4096
