# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs as children, as on a machine without systemd; tests/lab/test_outside.py runs them under systemd."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from powernap.machine import outside
from powernap.machine.outside import ProgramError


@pytest.fixture(autouse=True)
def without_systemd(monkeypatch, tmp_path):
    monkeypatch.setattr(outside, "SYSTEMD", tmp_path / "nothing")


def run(*argv, seconds=5.0, **more):
    return asyncio.run(outside.run(argv, seconds=seconds, **more))


def gone(pid: int) -> bool:
    """Dead, or a zombie that whoever inherited it has not yet collected."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_status_and_both_outputs_come_back():
    done = run("sh", "-c", "echo good; echo bad >&2; exit 3")
    assert (done.status, sorted(done.output.split())) == (3, ["bad", "good"])
    assert done.complaint().startswith("ended with status 3: ")


def test_arguments_are_taken_literally():
    words = ("$HOME", "$$", "${PATH}", "a b", "%n", "'")
    assert run("printf", "%s\\n", *words).output.splitlines() == list(words)


def test_input_and_environment_reach_it():
    assert run("sh", "-c", "cat; echo $LUNCH", stdin="soup\n", environment={"LUNCH": "$bread"}).output == (
        "soup\n$bread\n"
    )


def test_a_program_that_reads_nothing_may_be_given_much():
    assert run("true", stdin="x" * 1_000_000).status == 0


def test_it_knows_nothing_of_the_daemons_environment(monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    assert "NOTIFY_SOCKET" not in run("env").output


def test_what_is_missing_or_not_executable_is_named(tmp_path):
    with pytest.raises(ProgramError, match=r"/nowhere/prog cannot be run: No such file"):
        run("/nowhere/prog")
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    with pytest.raises(ProgramError, match=r"plain cannot be run: Permission denied"):
        run(str(tmp_path / "plain"))


def test_out_of_time_the_whole_group_is_killed(tmp_path):
    begun = time.monotonic()
    script = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/pid; wait; sleep 60"
    with pytest.raises(ProgramError, match=r"sh took longer than 0\.3 s and was killed"):
        run("sh", "-c", script, seconds=0.3)
    assert time.monotonic() - begun < 20
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_it_leaves_behind_is_killed_and_not_waited_for():
    begun = time.monotonic()
    done = run("sh", "-c", "sleep 60 & echo $!")
    assert time.monotonic() - begun < 20
    assert gone(int(done.output))


def test_a_child_that_left_the_group_does_not_hold_up_the_end():
    begun = time.monotonic()
    done = run("sh", "-c", "setsid sleep 20 & echo said")
    assert time.monotonic() - begun < 15
    assert done.output == "said\n"


def test_endless_output_is_cut():
    done = run("sh", "-c", "head -c 1000000 /dev/zero")
    assert (done.status, len(done.output)) == (0, outside.OUTPUT_LIMIT)


def test_a_signal_is_a_failure():
    assert run("sh", "-c", "kill -9 $$").status == outside.KILLED


def test_a_cancelled_wait_kills_it(tmp_path):
    async def cancelled():
        script = f"echo $$ > {tmp_path}/pid; exec sleep 60"
        task = asyncio.ensure_future(outside.run(["sh", "-c", script], seconds=60))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert gone(int((tmp_path / "pid").read_text()))


def test_many_at_once_do_not_mix():
    async def many():
        return await asyncio.gather(*(outside.run(["echo", str(number)], seconds=5) for number in range(20)))

    assert [done.output for done in asyncio.run(many())] == [f"{number}\n" for number in range(20)]


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_it_becomes_the_user():
    assert run("sh", "-c", "id -un; id -gn; echo $HOME", user="nobody").output.split()[:2] == ["nobody", "nogroup"]


def test_an_unknown_user_is_named():
    with pytest.raises(ProgramError, match="there is no user 'nobody-here'"):
        run("true", user="nobody-here")


def test_under_systemd_dollars_and_the_search_for_the_program_are_left_to_the_outside():
    words = outside._as_unit(["backup", "$HOME"], "u.service", 5, "web", {"A": "$b"})
    assert words[-3:] == ("sh", "backup", "$$HOME")
    assert "--uid=web" in words
    assert "--setenv=A=$b" in words
