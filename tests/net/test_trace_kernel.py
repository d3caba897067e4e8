# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel answers and sends by itself is seen by powerwake trace too, beside what made it do so."""

from __future__ import annotations

import contextlib
import time

import pytest
from tests.net.lan import missing
from tests.net.wire import ASKER, OURS, OWNER, SLEEPER4, no_ebpf, question, wire

pytest.importorskip("scapy")

from powernap.trace import capture
from powernap.trace.decode import decode
from powernap.trace.lines import Lines
from powernap.trace.names import Names
from powernap.wake.path.base import Entry, Key
from powernap.wake.path.ebpf import EbpfPath

CARDS = [OWNER.hex(":")]
WEB1 = {"name": "web1", "wake_state": "proxied", "macs": CARDS, "addresses": ["198.18.0.3"], "wake_on": "arp"}


def test_an_answer_and_a_magic_packet_from_the_kernel_are_told() -> None:
    why = missing() or no_ebpf()
    if why:
        pytest.skip(why)
    with wire() as cable, contextlib.ExitStack() as ends:
        path = cable.inside(cable.here, EbpfPath)
        ends.callback(path.close, keep=False)
        if not path.acts:
            pytest.skip(path.name)
        raw, interface = cable.raw(), cable.interface
        ends.callback(raw.close)
        cable.inside(cable.here, lambda: path.attach(raw, interface))
        path.put({Key(interface.index, 0, SLEEPER4): Entry(7, OWNER, answers=True, fires=True, on_question=True)})
        trace = ends.enter_context(contextlib.closing(cable.inside(cable.here, lambda: capture.Wire(["pn0"]))))
        names = Names([OURS.hex(":")], ["198.18.0.1"])
        names.put({**WEB1, "tcp_ports": "", "udp_ports": ""})
        lines = Lines(names, live=False)
        cable.send(question())
        end, kinds = time.monotonic() + 5, set[str]()
        while time.monotonic() < end and len(kinds) < 3:
            for frame in trace.frames(0.2):
                seen = decode(frame.raw, frame.time, frame.interface)
                kinds.add(seen.kind.value)
                lines.frame(seen)
        told = [line.text for line in lines.take(float("inf"))]
    assert f"198.18.0.9 ({ASKER.hex(':')}) asks for web1 198.18.0.3 -> wake server answers" in told
    assert any(line.startswith("magic packet for web1") and line.endswith("from wake server") for line in told), told
