# SPDX-License-Identifier: GPL-3.0-or-later
"""The audio monitor. No machine of the tests has a sound card: its files are written as the kernel writes them."""

from __future__ import annotations

import asyncio

import pytest
from attached import attached, is_called

from powernap.nap.monitors.audio import AudioMonitor

RUNNING = "state: {state}\nowner_pid   : 2164\ntrigger_time: 811.1\ntstamp      : 812.2\ndelay       : 1024\n"


@pytest.fixture
def card(tmp_path):
    """Sets the state of a stream, such as card0/pcm0p."""
    (tmp_path / "dev/snd").mkdir(parents=True)

    def write(stream, state):
        file = tmp_path / "proc/asound" / stream / "sub0/status"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("closed\n" if state == "closed" else RUNNING.format(state=state))
        (tmp_path / "dev/snd" / "pcmC0D0p").touch()
        return tmp_path

    return write


def test_a_stream_that_runs_is_active_and_named(card):
    reading = AudioMonitor("sound", {}, card("card0/pcm0p", "RUNNING")).look(100.0)
    assert reading.active_now and reading.detail == "card0 plays (pcm0p)"


@pytest.mark.parametrize("state", ["closed", "PAUSED", "SETUP", "PREPARED", "SUSPENDED"])
def test_a_stream_that_is_closed_or_paused_is_idle(card, state):
    assert AudioMonitor("sound", {}, card("card0/pcm0p", state)).look(100.0).last_active is None


def test_recording_can_be_left_out_and_playing_too(card):
    root = card("card1/pcm0c", "RUNNING")
    assert AudioMonitor("sound", {}, root).look(100.0).detail == "card1 records (pcm0c)"
    assert not AudioMonitor("sound", {"capture": False}, root).look(100.0).active_now
    assert AudioMonitor("sound", {"playback": False}, root).look(100.0).active_now
    assert not AudioMonitor("sound", {"playback": False, "capture": False}, root).look(100.0).active_now


def test_a_machine_without_a_sound_card_is_silent(tmp_path):
    assert AudioMonitor("sound", {}, tmp_path).look(100.0).detail == "no sound on 0 cards"


def test_the_end_is_remembered(card):
    monitor = AudioMonitor("sound", {}, card("card0/pcm0p", "RUNNING"))
    monitor.look(100.0)
    card("card0/pcm0p", "closed")
    reading = monitor.look(160.0)
    assert reading.last_active == 100.0 and not reading.active_now


def test_whoever_opens_a_card_calls_an_armed_monitor_which_then_looks_until_it_is_closed(card):
    root = card("card0/pcm0p", "closed")
    monitor = AudioMonitor("sound", {}, root)

    async def run():
        async with attached(monitor) as called:
            monitor.arm()
            assert monitor.look(100.0).calls
            with (root / "dev/snd/pcmC0D0p").open():
                await is_called(called)
                card("card0/pcm0p", "PREPARED")
                assert not monitor.look(101.0).calls
            card("card0/pcm0p", "closed")
            assert monitor.look(102.0).calls

    asyncio.run(run())


def test_a_card_that_is_plugged_in_calls(card):
    root = card("card0/pcm0p", "closed")
    monitor = AudioMonitor("sound", {}, root)

    async def run():
        async with attached(monitor) as called:
            monitor.arm()
            (root / "dev/snd/pcmC1D0p").touch()
            await is_called(called)

    asyncio.run(run())
