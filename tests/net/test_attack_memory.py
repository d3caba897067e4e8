# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever has the key of one machine cannot fill the memory of the wake server with what it will not hear."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time

import pytest
from tests.net.attacker import Attacker, Cost, frame
from tests.net.lan import Lan, wait_for
from tests.net.linked import linked

from powernap.shared.envelope import TO_SERVER, Message, seal

pytestmark = pytest.mark.alone
#: Bytes: 128 connections from one address by which nobody has proved who he is, and what is read of each.
MOST = 96 << 20


def test_links_that_are_filled_and_left_leave_nothing_behind(bare_lan: Lan) -> None:
    bare_lan.server.start()
    web1, evil, over, sent = linked(bare_lan, "web1", 3), Attacker(bare_lan), threading.Event(), [0, 0]
    numbers = iter(range(1 << 61, 1 << 62))
    old = [Message("web1", "state", number, {"state": "awake"}) for number in range(1, 401)]
    replays = b"".join(frame(seal(web1.key, TO_SERVER, each).encode()) for each in old)

    def floods() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, AssertionError):
                link = evil.link()
                link.settimeout(2)
                body = {"nonce": os.urandom(16).hex(), "state": "awake", "cause": "boot"}
                link.sendall(frame(seal(web1.key, TO_SERVER, Message("web1", "hello", next(numbers), body)).encode()))
                for _each in range(8):
                    link.sendall(replays)
                    sent[1] += 400
                sent[0] += 1
                link.close()

    threads = [threading.Thread(target=floods) for _each in range(4)]
    most = 0
    with Cost(bare_lan) as cost:
        for thread in threads:
            thread.start()
        end = time.monotonic() + 40
        while sent[0] < 600 and time.monotonic() < end:
            time.sleep(0.2)
            most = max(most, cost.growing())
        over.set()
        for thread in threads:
            thread.join(30)
    print(f"links and messages {sent}; {cost.cpu:.1f} s of CPU; at most {most >> 20} MiB, {cost.grown >> 20} MiB stay")
    assert most < MOST
    web1.sequence = 1 << 62

    def is_heard() -> bool:
        with contextlib.suppress(AssertionError, OSError, queue.Empty):
            web1.opens_link()
            return True
        return False

    wait_for(is_heard, 60, 1)
