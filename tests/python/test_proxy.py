# SPDX-License-Identifier: GPL-3.0-or-later
"""powerwake proxy as ssh runs it, between real sockets; waking is in tests/net and tests/lab."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from powernap.cli.proxying import NotConnected, connect, plainly

BIG = os.urandom(1 << 16) * 160  # 10 MiB, more than any buffer on the way
NOBODY = {"POWERWAKE_SOCKET": "/nonexistent/admin.sock", "POWERWAKE_SERVER": ""}


def proxy(port, *options, **how):
    command = [sys.executable, "-m", "powernap", "powerwake", "proxy", "127.0.0.1", str(port), *options]
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen(command, env={**os.environ, **NOBODY}, **how)


@pytest.fixture
def listener():
    socket.setdefaulttimeout(60)  # nothing here may wait for ever
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening
    socket.setdefaulttimeout(None)


def test_bytes_go_both_ways_at_once_and_each_direction_ends_by_itself(listener):
    process = proxy(listener.getsockname()[1])
    far, _address = listener.accept()
    got = bytearray()

    def talk_first_and_listen_then():
        far.sendall(BIG)
        while part := far.recv(1 << 16):
            got.extend(part)
        far.sendall(b"last words")  # after the other side has said that it is through
        far.close()

    there = threading.Thread(target=talk_first_and_listen_then)
    there.start()
    out, errors = process.communicate(BIG, timeout=60)
    there.join(30)
    assert process.returncode == 0 and errors == b""
    assert bytes(got) == BIG and out == BIG + b"last words"


def test_between_plain_files_too(listener, tmp_path):
    (tmp_path / "in").write_bytes(BIG)
    with (tmp_path / "in").open("rb") as said, (tmp_path / "out").open("wb") as heard:
        process = proxy(listener.getsockname()[1], stdin=said, stdout=heard)
        far, _address = listener.accept()
        got = bytearray()
        while part := far.recv(1 << 16):
            got.extend(part)
        far.sendall(b"thanks")
        far.close()
        assert process.wait(30) == 0
    assert bytes(got) == BIG and (tmp_path / "out").read_bytes() == b"thanks"


def test_it_ends_with_ssh_also_where_the_machine_says_nothing_any_more(listener):
    process = proxy(listener.getsockname()[1])
    far, _address = listener.accept()
    process.stdin.write(b"hello")
    process.stdin.flush()
    assert far.recv(5) == b"hello"
    process.stdin.close()
    process.stdout.close()
    assert process.wait(20) == 0
    far.close()


def test_a_connection_is_handed_over_to_ssh(listener):
    here, there = socket.socketpair()
    with here, there:
        process = proxy(listener.getsockname()[1], "--fdpass", stdin=there, stdout=there)
        here.settimeout(30)
        _message, (number,), _flags, _address = socket.recv_fds(here, 1, 1)
        assert process.wait(20) == 0
        far, _address = listener.accept()
        with socket.socket(fileno=number) as passed:
            passed.sendall(b"straight")
            assert far.recv(8) == b"straight"
        far.close()


def test_nothing_that_asks_a_wake_server_is_loaded_for_a_machine_that_is_awake(listener):
    code = (
        "import sys; from powernap.cli import powerwake\n"
        "status = powerwake.main(['proxy', '127.0.0.1', sys.argv[1], '--server', 'https://wake1:20709'])\n"
        "heavy = {'argparse', 'ssl', 'http.client', 'asyncio', 'json'}\n"
        "print(status, sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code, str(listener.getsockname()[1])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    far, _address = listener.accept()
    far.close()
    assert process.communicate(timeout=30) == (b"", b"0 []\n")


def test_where_nobody_can_be_asked_it_says_so_in_one_sentence(listener):
    port = listener.getsockname()[1]
    listener.close()
    process = proxy(port)
    out, errors = process.communicate(timeout=30)
    text = errors.decode()
    assert process.returncode == 1 and out == b"" and text.count("\n") == 1
    assert text.startswith(f"powerwake: 127.0.0.1 port {port}: Connection refused; and it cannot be woken: there is no")


def test_one_that_is_starting_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    began = []

    def ask(answer):
        answer.awake = answer.woken = True
        time.sleep(1.0)
        began.append(socket.create_server(("127.0.0.1", port)))

    connect("127.0.0.1", port, 30, ask).close()
    assert began
    began[0].close()


@pytest.mark.parametrize(
    ("answer_is", "said"),
    [
        ({"failed": True, "why": "web1 did not wake within 9 s"}, "web1 did not wake within 9 s"),
        ({"awake": True}, "is awake, but does not take connections on port"),
        ({"helpless": True, "why": "no host web1 is registered"}, "cannot be woken: no host web1 is registered"),
        ({}, "could not be woken in time"),
    ],
)
def test_who_does_not_take_the_connection_is_given_up_for_a_reason(answer_is, said):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(NotConnected, match=said):
        connect("127.0.0.1", port, 3, lambda answer: answer.__dict__.update(answer_is))


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        (["web1", "22"], ("web1", 22, 300.0, False)),
        (["--server", "https://wake1:20709", "web1", "22", "--fdpass"], ("web1", 22, 300.0, True)),
        (["web1", "22", "--timeout", "90"], ("web1", 22, 90.0, False)),
        (["web1"], None),
        (["web1", "ssh"], None),
        (["web1", "22", "--timeout", "0"], None),
        (["web1", "22", "--timeout", "4000"], None),
        (["web1", "22", "--timeout", "9.5"], None),
        (["web1", "22", "--timeout"], None),
        (["--help"], None),
    ],
)
def test_what_is_not_plain_is_left_to_argparse(words, understood):
    assert plainly(words) == understood
