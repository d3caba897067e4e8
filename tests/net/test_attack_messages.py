# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that are forged, truncated, replayed, endless, nested or compressed: refused by every way, and cheaply."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.net.attacker import BINARY, PING, Attacker, Cost, answered, chunked, frame, heard, noise, post, pushed
from tests.net.lan import Lan, Sleeper, wait_for
from tests.net.linked import Linked, linked, status

from powernap.shared.envelope import TO_CLIENT, TO_SERVER, Message, seal

MESSAGES, ENROL, LINK = "/api/v1/messages", "/api/v1/enrol", "/api/v1/link"
CHUNKED, GZIP = "Transfer-Encoding: chunked", "Content-Encoding: gzip"
HUGE = 100 << 20
GROWTH = 12 << 20  # bytes
KEY = "5" * 64
FORGED = seal(KEY, TO_SERVER, Message("web1", "hello", 1 << 62, {"nonce": "0" * 32, "state": "awake"}))
BOMB = gzip.compress(bytes(HUGE), 9)
PARTS = itertools.chain


class Scene:
    def __init__(self, lan: Lan) -> None:
        self.lan, self.evil = lan, Attacker(lan)
        self.web1: Linked = linked(lan, "web1", 3)

    def posts(self, head: bytes, parts: Iterator[bytes] | tuple[()] = ()) -> tuple[bytes, int]:
        """What is answered, and how many bytes of the parts were taken."""
        wire = self.evil.tls()
        wire.sendall(head)
        wire.settimeout(3)  # it may read no more until somebody reads its answers
        taken = pushed(wire, iter(parts))
        try:
            return answered(wire), taken
        except OSError:
            return b"", taken

    def frames(self, parts: Iterator[bytes]) -> tuple[bytes, int]:
        """The same by a WebSocket, until it is closed."""
        wire = self.evil.link()
        taken = pushed(wire, parts)
        wire.settimeout(20)
        found = wire.recv(65536) if taken < HUGE else b""
        wire.close()
        return found, taken


@pytest.fixture(scope="module")
def scene(module_lan: Lan) -> Scene:
    module_lan.server.start()
    return Scene(module_lan)


def nested(kind: bytes, depth: int) -> bytes:
    return (b'{"a":' if kind == b"{" else b"[") * depth + b"1" + (b"}" if kind == b"{" else b"]") * depth


def signed(body: bytes) -> bytes:
    return b"0" * 64 + b' {"host":"web1","kind":"hello","seq":1,"body":' + body + b"}"


#: What is sent by POST: (head, parts of the body, status that is answered or 0: closed without a word).
POSTS: dict[str, Callable[[], tuple[bytes, Iterator[bytes], int]]] = {
    "forged": lambda: (post(MESSAGES, FORGED.encode()), iter(()), 401),
    "forged without a length": lambda: (post(MESSAGES, FORGED.encode(), length=-1), iter(()), 400),
    "truncated": lambda: (post(MESSAGES, FORGED[:100].encode()), iter(()), 400),
    "nothing": lambda: (post(MESSAGES, b""), iter(()), 400),
    "nested lists": lambda: (post(MESSAGES, b"0" * 64 + b" " + nested(b"[", 30_000)), iter(()), 400),
    "nested objects": lambda: (post(MESSAGES, signed(nested(b"{", 9000))), iter(()), 400),
    "100 MB": lambda: (post(MESSAGES, b"", length=HUGE), noise(HUGE), 413),
    "100 MB in chunks": lambda: (post(MESSAGES, b"", CHUNKED, length=-1), chunked(noise(HUGE)), 413),
    "100 MB to enrol": lambda: (post(ENROL, b"", length=HUGE), noise(HUGE), 413),
    "100 MB to enrol in chunks": lambda: (post(ENROL, b"", CHUNKED, length=-1), chunked(noise(HUGE)), 413),
    "100 MB without a token": lambda: (post("/api/v1/orders", b"", length=HUGE), noise(HUGE), 401),
    "100 MB to nowhere": lambda: (post("/nowhere", b"", length=HUGE), noise(HUGE), 404),
    "100 MB to the link": lambda: (post(LINK, b"", length=HUGE), noise(HUGE), 405),
    "a bomb": lambda: (post(MESSAGES, BOMB[:60_000], GZIP), iter(()), 400),
    "a bomb in chunks": lambda: (post(MESSAGES, b"", GZIP, CHUNKED, length=-1), chunked(iter([BOMB])), 400),
    "a bomb to enrol": lambda: (post(ENROL, BOMB[:60_000], GZIP), iter(()), 400),
    "no gzip": lambda: (post(MESSAGES, b"x" * 100, GZIP), iter(()), 400),
    "no deflate": lambda: (post(MESSAGES, b"x" * 100, "Content-Encoding: deflate"), iter(()), 400),
    "no chunks": lambda: (post(MESSAGES, b"zz\r\nzz\r\n", CHUNKED, length=-1), iter(()), 400),
    "nested to enrol": lambda: (post(ENROL, b'{"name":' + nested(b"[", 30_000)), iter(()), 400),
    "an endless head": lambda: (b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX: ", noise(HUGE), 400),
    "endless heads": lambda: (b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n", iter([b"X: y\r\n" * 1_000_000]), 400),
    "an endless path": lambda: (b"GET /api/v1/", iter([b"x" * (1 << 20)]), 400),
    "no HTTP": lambda: (b"\x00\x01\x02\xff" * 100 + b"\r\n\r\n", iter(()), 400),
    "a link that is none": lambda: (b"GET /api/v1/link HTTP/1.1\r\nHost: x\r\n\r\n", iter(()), 400),
    "two lengths": lambda: (post(MESSAGES, b"x", "Content-Length: 5"), iter(()), 400),
    "many at once": lambda: (b"", itertools.repeat(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 2000, 50), 404),
    "a length and chunks": lambda: (post(MESSAGES, b"0\r\n\r\n", CHUNKED), iter(()), 400),
}


@pytest.mark.parametrize("what", POSTS)
def test_by_post_it_is_refused_in_a_sentence_and_costs_little(scene: Scene, what: str) -> None:
    head, parts, wanted = POSTS[what]()
    logged = scene.lan.server.log.stat().st_size
    began = time.monotonic()
    with Cost(scene.lan) as cost:
        said, taken = scene.posts(head, parts)
    print(f"{what}: {said[9:12]!r}, {taken} bytes taken, {cost.cpu:.2f} s of CPU, {cost.grown >> 10} KiB")
    assert time.monotonic() - began < 15
    assert (
        said.startswith(f"HTTP/1.1 {wanted} ".encode())
        or said.startswith(f"HTTP/1.0 {wanted} ".encode())
        or (taken > 65536 and not said)
    )
    assert taken < 8 << 20, "it goes on reading what it has refused"  # what the kernels of both sides hold is counted
    assert cost.grown < GROWTH
    assert scene.lan.server.log.stat().st_size == logged, scene.lan.server.log.read_text()[logged:]


FRAMES: dict[str, Callable[[], Iterator[bytes]]] = {
    "forged": lambda: iter([frame(FORGED.encode())]),
    "truncated": lambda: iter([frame(FORGED[:90].encode())]),
    "no text": lambda: iter([frame(b"\xff\xfe\xfd" * 40)]),
    "binary": lambda: iter([frame(FORGED.encode(), BINARY)]),
    "nested": lambda: iter([frame(signed(nested(b"[", 30_000)))]),
    "100 MB": lambda: PARTS([frame(b"", says=HUGE)], noise(HUGE)),
    "2^63 bytes": lambda: PARTS([frame(b"", says=(1 << 63) - 1)], noise(HUGE)),
    "parts": lambda: PARTS(
        [frame(b"a" * 1000, last=False)], (frame(b"a" * 1000, 0, False) for _ in range(HUGE // 1000))
    ),
    "empty parts": lambda: PARTS([frame(b"a", last=False)], (frame(b"", 0, False) * 10_000 for _ in range(2000))),
    "pings": lambda: (frame(b"a" * 100, PING) * 100 for _ in range(HUGE // 10_000)),
    "a frame that never ends": lambda: PARTS([frame(b"", says=60_000)], iter([b"x" * 1000])),
}


@pytest.mark.parametrize("what", [each for each in FRAMES if each != "a frame that never ends"])
def test_by_a_frame_it_ends_the_connection_and_costs_little(scene: Scene, what: str) -> None:
    logged = scene.lan.server.log.stat().st_size
    with Cost(scene.lan) as cost:
        said, taken = scene.frames(FRAMES[what]())
    print(f"{what}: {said[:60]!r}, {taken} bytes taken, {cost.cpu:.2f} s of CPU, {cost.grown >> 10} KiB")
    assert not said or said[0] in (0x88, 0x8A), said
    assert taken < 8 << 20
    assert cost.grown < GROWTH
    assert scene.lan.server.log.stat().st_size == logged, scene.lan.server.log.read_text()[logged:]


@pytest.mark.parametrize("depth", [20, 100, 900, 950])
def test_a_known_host_cannot_nest_so_deep_that_others_cannot_read_of_it(scene: Scene, depth: int) -> None:
    web1 = scene.web1
    for kind, body in (
        ("state", b'{"state":"awake","activity":{"load":%b}}' % nested(b"[", depth)),
        ("asleep", b'{"interfaces":%b}' % nested(b"{", depth)),
        ("hello", b'{"nonce":"00112233445566778899","state":"awake","cards":[{"mac":"%b","x":%b}]}')[:2],
    ):
        if kind == "hello":
            body %= (web1.mac.encode(), nested(b"[", depth))
        status_, said = web1.say(kind, body)
        assert status_ == 400 or not said.get("ok", False)
    assert scene.lan.server.admin.get("/api/v1/hosts/web1")["status"]["state"] == "awake"


def test_what_is_no_json_number_or_no_text_is_not_passed_on(scene: Scene) -> None:
    web1 = scene.web1
    for value in (b"NaN", b"Infinity", b"1e999", b'"\\ud800"', b"[1]"):
        body = b'{"state":"awake","why":"w","activity":{"load":{"active":true,"value":%b}}}' % value
        status_, said = web1.say("state", body)
        assert status_ != 200, (value, said)
    bad = b'{"nonce":"00112233445566778899","state":"awake","cause":"boot\\ud800"}'
    assert web1.say("hello", bad)[0] != 200

    def refuse(text: str) -> None:
        raise AssertionError(text)

    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(scene.lan.server.admin.path)
        admin.sendall(b"GET /api/v1/hosts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        json.loads(answered(admin).partition(b"\r\n\r\n")[2], parse_constant=refuse)


def test_what_a_host_says_forges_no_line_of_the_journal_and_no_command_to_a_terminal(scene: Scene) -> None:
    web1, forged = scene.web1, "boot\nweb9: forgotten\x1b[2J\u202e\r"
    hello = {"nonce": "0" * 32, "state": "awake", "cause": forged, "profile": forged, "version": forged}
    assert web1.say("hello", hello)[0] == 200
    assert web1.say("state", {"state": "awake", "why": forged})[0] == 200
    told = json.dumps(scene.lan.server.admin.get("/api/v1/hosts/web1"))
    told += json.dumps(scene.lan.server.admin.get("/api/v1/events"))
    wait_for(lambda: "web9: forgotten" in scene.lan.server.log.read_text())
    log = scene.lan.server.log.read_bytes()
    assert b"\nweb9" not in log and b"\x1b" not in log and b"\r" not in log
    assert "\\u001b" not in told and "\\n" not in told and "\\u202e" not in told


def test_a_message_is_of_one_direction_and_done_once(scene: Scene) -> None:
    web1 = scene.web1
    body = {"nonce": "0" * 32, "state": "awake", "cause": "boot"}
    number = web1.sequence = web1.sequence + 1
    hello = seal(web1.key, TO_SERVER, Message("web1", "hello", number, body))
    first, again = (scene.posts(post(MESSAGES, hello.encode()))[0].partition(b"\r\n\r\n")[2] for _ in range(2))
    assert first == again and b'"welcome"' in first  # the very answer, and not done again
    assert len([each for each in scene.lan.events("web1", "hello") if each["detail"] == "boot"]) >= 1
    played_back = first.strip()  # what the server has said, to the server
    assert scene.posts(post(MESSAGES, played_back))[0].startswith(b"HTTP/1.1 401")
    other_way = seal(web1.key, TO_CLIENT, Message("web1", "awake", number + 1, {"cause": "boot"}))
    assert scene.posts(post(MESSAGES, other_way.encode()))[0].startswith(b"HTTP/1.1 401")
    newer = seal(web1.key, TO_SERVER, Message("web1", "awake", number + 1, {"cause": "boot"}))
    assert b'"ok":true' in scene.posts(post(MESSAGES, newer.encode()))[0]
    assert b"was used before" in scene.posts(post(MESSAGES, hello.encode()))[0]
    web1.sequence = number + 1


def test_who_has_a_key_speaks_for_nobody_else(scene: Scene) -> None:
    web2 = scene.lan.sleeper("web2", 4)
    before = status(scene.lan, "web1")
    assert web2.say("hello", {"nonce": "0" * 32, "state": "off"}, name="web1")[0] == 401
    assert web2.say("asleep", web2.registration(), name="web1")[0] == 401
    body = seal(web2.key, TO_SERVER, Message("web2", "bye", 1 << 61, {"cause": "poweroff"})).replace("web2", "web1")
    assert scene.posts(post(MESSAGES, body.encode()))[0].startswith(b"HTTP/1.1 401")
    assert status(scene.lan, "web1")["link"] == before["link"]


def test_who_is_forgotten_is_nobody_at_once_by_every_way(scene: Scene) -> None:
    web5 = linked(scene.lan, "web5", 6)
    assert scene.lan.server.admin.delete("/api/v1/hosts/web5")
    assert web5.say("asleep", web5.registration())[0] == 401
    assert web5.say("hello", {"nonce": "0" * 32, "state": "awake"})[0] == 401
    link = scene.evil.link()
    link.sendall(frame(seal(web5.key, TO_SERVER, Message("web5", "hello", 1 << 61, {})).encode()))
    assert heard(link).startswith(b"\x88")


def test_wakes_go_on_while_all_of_it_comes_at_once(scene: Scene) -> None:
    lan, desk = scene.lan, scene.lan.client()
    web6: Sleeper = lan.sleeper("web6", 7)
    web6.serve(80)
    over, refused = threading.Event(), [0]

    def posts(*kinds: str) -> None:
        for kind in itertools.cycle(kinds):
            if over.is_set():
                return
            head, parts, _wanted = POSTS[kind]()
            scene.posts(head, parts)
            refused[0] += 1

    def frames() -> None:
        for kind in itertools.cycle(["100 MB", "parts", "empty parts", "pings", "forged"]):
            if over.is_set():
                return
            scene.frames(FRAMES[kind]())
            refused[0] += 1

    kinds = (("100 MB", "a bomb in chunks"), ("nested objects", "forged"), ("100 MB in chunks", "endless heads"))
    threads = [threading.Thread(target=posts, args=each) for each in kinds] + [threading.Thread(target=frames)]
    with Cost(lan) as cost:
        for thread in threads:
            thread.start()
        try:
            for _time in range(3):
                web6.nap()
                asked = time.monotonic()
                desk.connect(web6.ipv4, 80, 15)[0].close()
                print(f"magic packet after {(web6.magic_at[0] - asked) * 1000:.0f} ms")
                assert web6.magic_at[0] - asked < 2
                web6.settle()
        finally:
            over.set()
            for thread in threads:
                thread.join(30)
    print(f"{refused[0]} refused, {cost.cpu / refused[0] * 1000:.1f} ms of CPU each, {cost.grown >> 10} KiB")
    assert refused[0] > 10 and cost.grown < GROWTH
    assert scene.web1.tell("state", {"state": "awake"}).body["ok"] is True
