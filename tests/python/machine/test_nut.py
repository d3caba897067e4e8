# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of NUT against a real upsd with its own simulated UPS (dummy-ups)."""

from __future__ import annotations

import asyncio
import socket

import pytest
from real_upsd import wait_for

from powernap.machine import nut


def test_a_real_upsd_tells_mains_battery_and_that_it_is_low(upsd):
    address, change, processes = upsd
    found = asyncio.run(nut.ask(address))
    assert found.on_battery is False and not found.low and found.charge == 87.5 and found.runtime_seconds == 1200
    change("OB LB DISCHRG", battery_charge=9)
    found = wait_for(address, lambda ups: ups.low)
    assert found.on_battery is True and found.low
    with pytest.raises(nut.UpsError, match="no UPS of that name"):
        asyncio.run(nut.ask(address.replace("rack1", "other")))
    processes[0].terminate()
    processes[0].wait(5)
    with pytest.raises(nut.UpsError, match="lost the UPS's driver"):
        wait_for(address, lambda _ups: False)


def answered(*lines, silent=False):
    """Ask somebody who answers so."""

    async def run():
        async def answer(_reader, writer):
            writer.write("".join(f"{line}\n" for line in lines).encode())
            if silent:
                await asyncio.sleep(1)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await nut.ask(f"ups@127.0.0.1:{port}", 0.3)
        finally:
            server.close()

    return asyncio.run(run())


def test_what_the_ups_does_not_tell_is_not_known():
    found = answered('VAR ups ups.status "OL"', "ERR VAR-NOT-SUPPORTED", 'VAR ups battery.runtime "n/a"')
    assert found == nut.Ups(frozenset({"OL"}), None, None)


@pytest.mark.parametrize("status", ["WAIT", "CAL", "OFF", ""])
def test_a_ups_that_says_neither_mains_nor_battery_is_not_known(status):
    assert answered(f'VAR ups ups.status "{status}"', *["ERR VAR-NOT-SUPPORTED"] * 2).on_battery is None


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["ERR DATA-STALE"], "has not heard from the UPS"),
        (["ERR ACCESS-DENIED"], "refuses this machine"),
        (["<html>"], "upsd answers '<html>'"),
        ([""], "upsd answers ''"),
        (["ERR VAR-NOT-SUPPORTED"] * 3, "does not tell its status"),
        ([], "upsd answers ''|Connection reset"),
    ],
)
def test_an_answer_that_means_nothing_is_a_failure_in_a_sentence(lines, sentence):
    with pytest.raises(nut.UpsError, match=sentence):
        answered(*lines)


def test_a_upsd_that_hangs_or_is_not_there_is_given_up():
    with pytest.raises(nut.UpsError, match=r"did not answer within 0\.3 s"):
        answered(silent=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(nut.UpsError, match="upsd cannot be asked"):
            asyncio.run(nut.ask(f"ups@127.0.0.1:{taken.getsockname()[1]}"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rack1@nut.example.com", ("rack1", "nut.example.com", 3493)),
        ("ups@[fd4c::1]:4000", ("ups", "fd4c::1", 4000)),
        ("ups@10.0.0.1:3493", ("ups", "10.0.0.1", 3493)),
    ],
)
def test_addresses_are_understood(text, parts):
    assert nut.address(text) == parts


@pytest.mark.parametrize("text", ["rack1", "rack1@", "@host", "a b@host", "ups@host:0", "ups@host:99999", "ups\n@host"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(nut.UpsError, match="write UPS@HOST"):
        nut.address(text)
