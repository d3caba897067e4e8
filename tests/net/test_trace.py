# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake trace on a real segment: a wake from the first question to the replay, told while it happens, and again
from the pcap.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.net.lan import Lan, wait_for

from powernap.shared.mac import magic_packet

pytest.importorskip("scapy")


def powerwake(lan: Lan, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "powernap", "powerwake", *arguments, "--socket", lan.server.admin.path]


class Trace:
    """A running trace; what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.remarks: list[str] = []
        self.lines: list[str] = []
        for stream, into in ((process.stderr, self.remarks), (process.stdout, self.lines)):
            threading.Thread(target=lambda s, i: i.extend_from(s), args=(stream, _Into(into)), daemon=True).start()

    def wait_for(self, *words: str) -> str:
        def found() -> str:
            return next((line for line in list(self.lines) if all(word in line for word in words)), "")

        try:
            return wait_for(found)
        except AssertionError:
            raise AssertionError(f"{words} in none of:\n" + "".join((*self.remarks, *self.lines))) from None

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)


class _Into:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def extend_from(self, stream: Any) -> None:
        for line in stream:
            self._lines.append(line)


@contextmanager
def tracing(lan: Lan, *arguments: str) -> Iterator[Trace]:
    command = ["ip", "netns", "exec", lan.server.namespace, *powerwake(lan, "trace", *arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    trace = Trace(process)
    try:
        wait_for(lambda: any("listening on" in line for line in trace.remarks), 20)
        yield trace
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def test_a_wake_is_told_while_it_happens_and_again_from_the_pcap(lan: Lan, tmp_path: Path) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    listener = web1.listen(80)
    web1.nap(tcp="80")
    web1.resume_delay = 0.5
    pcap = tmp_path / "wake.pcap"
    with tracing(lan, "--pcap", str(pcap)) as trace:
        desk.connect(web1.ipv4, 80)[0].close()
        trace.wait_for(f"{desk.ipv4} ({desk.mac}) asks for web1 {web1.ipv4}", "wake server answers")
        trace.wait_for(f"SYN {desk.ipv4}:", "-> web1:80", "demand: powerwaked wakes web1")
        for how in ("EtherType, unicast", "EtherType, broadcast", "UDP port 9, broadcast"):
            trace.wait_for(f"magic packet for web1 ({web1.mac})", how, "from wake server")
        trace.wait_for("powerwaked, web1: demand")
        trace.wait_for("-> web1:80: passed on by the wake server")
        trace.wait_for(f"gives {web1.ipv4} back to web1")
        assert trace.end() == 0
        assert trace.lines == sorted(trace.lines, key=lambda line: line[:12])
    assert stat.S_IMODE(pcap.stat().st_mode) == 0o600
    again = lan.server.run(*powerwake(lan, "trace", "--read", str(pcap), "--json")).stdout.splitlines()
    told = [json.loads(line) for line in again]
    assert any("wake server answers" in line["text"] for line in told)
    assert {"magic packet", "SYN", "announcement"} <= {line["frame"]["kind"] for line in told}
    assert all("web1" in line["hosts"] for line in told if line["frame"]["kind"] == "SYN")
    listener.close()


def test_only_what_concerns_one_host_and_only_so_many_frames(lan: Lan, tmp_path: Path) -> None:
    desk, web1 = lan.client(), lan.sleeper()
    web1.nap(tcp="80")
    pcap = tmp_path / "web1.pcap"
    with tracing(lan, "--host", "web1", "--count", "2", "--json", "--pcap", str(pcap)) as trace:
        desk.knows(lan.server.ipv4)
        desk.run("ping", "-c1", "-W1", "-n", web1.ipv4, check=False)
        assert trace.process.wait(15) == 0
    frames = [json.loads(line) for line in trace.lines if "frame" in json.loads(line)]
    assert len(frames) == 2 and all("web1" in line["hosts"] for line in frames)
    # The server may announce it once more just then.
    questions = [line for line in frames if line["frame"]["kind"] == "question"]
    assert all(line["came_of_it"] == "wake server answers" for line in questions)


def test_without_a_wake_server_frames_are_told_without_names(bare_lan: Lan) -> None:
    desk, server = bare_lan.client(), bare_lan.server
    with tracing(bare_lan, "-i", "eth0", "--seconds", "3") as trace:
        desk.raw().send(b"\xff" * 6 + bytes.fromhex(desk.mac.replace(":", "")) + b"\x08\x42" + magic_packet(server.mac))
        trace.wait_for(f"magic packet for {server.mac}, which is not registered", f"from {desk.mac}")
        assert trace.process.wait(15) == 0
    assert any("there is no wake server" in line and "without names" in line for line in trace.remarks)


def test_the_wake_servers_own_traffic_is_left_out(lan: Lan) -> None:
    desk = lan.client()
    with tracing(lan, "--seconds", "4", "--json") as trace:
        listener = lan.server.inside(lambda: __import__("socket").create_server((lan.server.ipv4, 8000)))
        connection, _at = desk.connect(lan.server.ipv4, 8000)
        connection.sendall(b"x" * 4000)
        trace.wait_for('"SYN"', '"port": 8000')
        assert trace.process.wait(15) == 0
        connection.close()
        listener.close()
    assert "TCP segment" not in "".join(trace.lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-i", "eth7"), "eth7 is not an Ethernet interface"),
        (("-i", "lo"), "lo is not an Ethernet interface"),
        (("--host", "nobody"), "no machine nobody"),
        (("--read", "/nonexistent.pcap"), "/nonexistent.pcap cannot be read (No such file or directory)"),
        (("--read", "/etc/hostname"), "/etc/hostname is no pcap file"),
        (("--pcap", "/nonexistent/x.pcap"), "/nonexistent/x.pcap cannot be written"),
    ],
)
def test_what_cannot_be_traced_is_said_in_one_sentence(shared: Lan, arguments: tuple[str, ...], words: str) -> None:
    done = shared.server.run(*powerwake(shared, "trace", *arguments), check=False)
    assert done.returncode in (1, 2) and words in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("powerwake: ")


def test_without_the_right_to_listen_it_says_so(shared: Lan) -> None:
    bare = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    done = shared.server.run(*bare, *powerwake(shared, "trace", "-i", "eth0"), check=False)
    assert done.returncode == 2 and "CAP_NET_RAW" in done.stderr and done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def shared(_able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    made = Lan(tmp_path_factory.mktemp("trace"))
    try:
        made.server.start()
        yield made
    finally:
        made.close()
