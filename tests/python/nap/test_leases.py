# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: limited in time by a clock that nobody sets, bound to real processes, kept over a restart."""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest

from powernap.nap.leases import LeaseError, Leases

NOW = 5000.0


def run(work):
    return asyncio.run(work())


def made(folder, changed=lambda: None, boot="boot-1"):
    return Leases(folder, changed, boot)


def test_a_lease_holds_until_its_time_is_over(tmp_path):
    leases = made(tmp_path)
    lease = leases.take("kim", "moving data", 60, 3600, NOW)
    assert [each.id for each in leases.current(NOW + 59)] == [lease.id]
    assert lease.sentence(NOW + 10) == "kim holds lease 1 for another 50 s: moving data"
    ordered = leases.take("ops", "moving data", 60, 3600, NOW, ordered=True)
    assert ordered.sentence(NOW) == "ops ordered, at the wake server, lease 2 for another 60 s: moving data"
    assert leases.current(NOW + 60) == ()


def test_a_restart_of_the_daemon_keeps_it_and_does_not_lengthen_it(tmp_path):
    made(tmp_path).take("kim", "moving data", 60, 3600, NOW)
    again = made(tmp_path)
    again.load(NOW + 50)
    (lease,) = again.current(NOW + 50)
    assert lease.until == NOW + 60
    assert again.take("lee", "more", 60, 3600, NOW + 50).id == "2"
    late = made(tmp_path)
    late.load(NOW + 200)
    assert late.current(NOW + 200) == ()


def test_it_ends_with_the_boot_that_it_was_taken_in(tmp_path):
    made(tmp_path).take("kim", "moving data", 3600, 3600, NOW)
    again = made(tmp_path, boot="boot-2")
    again.load(10.0)
    assert again.current(10.0) == ()


def test_an_ordered_one_is_renewed_by_its_owner_and_reason_and_ended_without_touching_others(tmp_path):
    leases = made(tmp_path)
    own = leases.take("kim", "inventory", 60, 3600, NOW)
    leases.take("alice", "inventory", 60, 3600, NOW, ordered=True)
    again = leases.take("alice", "inventory", 600, 3600, NOW + 30, ordered=True)
    other = leases.take("alice", "backup", 600, 3600, NOW, ordered=True)
    assert leases.current(NOW + 31) == (own, again, other)
    restarted = made(tmp_path)
    restarted.load(NOW + 31)
    assert restarted.release_ordered(NOW + 31, reason=" inventory ") == (again,)
    assert restarted.release_ordered(NOW + 31, identifier=own.id) == ()
    assert restarted.current(NOW + 31) == (own, other)


@pytest.mark.parametrize("seconds", [3601, 0, -1, float("inf")])
def test_a_limit_is_compulsory(tmp_path, seconds):
    with pytest.raises(LeaseError, match=r"at most 3600 s \(inhibitors\.max_lease_seconds\)"):
        made(tmp_path).take("kim", "moving data", seconds, 3600, NOW)


@pytest.mark.parametrize(("who", "reason"), [("", "why"), ("kim", " \n ")])
def test_an_owner_and_a_reason_are_compulsory(tmp_path, who, reason):
    with pytest.raises(LeaseError, match="an owner and a reason"):
        made(tmp_path).take(who, reason, 60, 3600, NOW)


def test_lines_cannot_be_smuggled_into_what_people_read(tmp_path):
    lease = made(tmp_path).take("kim\nroot", "a\n\nb", 60, 3600, NOW)
    assert (lease.who, lease.reason) == ("kim root", "a b")


def test_only_root_and_the_owner_end_it(tmp_path):
    leases = made(tmp_path)
    leases.take("kim", "one", 60, 3600, NOW, uid=1000)
    leases.take("kim", "two", 60, 3600, NOW, uid=1000)
    with pytest.raises(LeaseError, match="another user's"):
        leases.release("1", uid=1001)
    leases.release("1", uid=1000)
    leases.release("2", uid=0)
    assert leases.current(NOW) == ()
    with pytest.raises(LeaseError, match="there is no lease 2"):
        leases.release("2")


def test_it_ends_with_its_process_even_by_kill_9(tmp_path):
    process = subprocess.Popen(["sleep", "60"])

    async def work():
        ended = asyncio.Event()
        leases = made(tmp_path, ended.set)
        leases.take("kim", "a job", 600, 3600, NOW, pid=process.pid)
        assert len(leases.current(NOW)) == 1
        process.kill()
        await asyncio.wait_for(ended.wait(), 5)
        process.wait()
        return leases.current(NOW)

    assert run(work) == ()


def test_after_a_restart_a_lease_of_a_process_that_has_ended_is_gone(tmp_path):
    process = subprocess.Popen(["sleep", "60"])

    async def work():
        first = made(tmp_path)
        first.take("kim", "a job", 600, 3600, NOW, pid=process.pid)
        first.close()
        running = made(tmp_path)
        running.load(NOW)
        kept = len(running.current(NOW))
        running.close()
        process.kill()
        process.wait()
        again = made(tmp_path)
        again.load(NOW)
        return kept, again.current(NOW)

    assert run(work) == (1, ())


def test_another_process_of_the_same_number_does_not_hold_it(tmp_path):
    async def work():
        leases = made(tmp_path)
        leases.take("kim", "a job", 600, 3600, NOW, pid=os.getpid())
        leases.close()
        file = tmp_path / "leases.json"
        file.write_text(file.read_text().replace('"started": "', '"started": "9'))
        again = made(tmp_path)
        again.load(NOW)
        return again.current(NOW)

    assert run(work) == ()


def test_a_process_that_is_not_there_takes_none(tmp_path):
    with pytest.raises(LeaseError, match="has ended"):
        made(tmp_path).take("kim", "a job", 60, 3600, NOW, pid=2**22 + 1)


def test_a_full_disk_takes_no_lease_away(tmp_path, caplog):
    (tmp_path / "leases.new").mkdir()  # whatever is written: it fails
    leases = made(tmp_path)
    leases.take("kim", "moving data", 60, 3600, NOW)
    assert len(leases.current(NOW)) == 1
    assert "would not outlive a restart" in caplog.text


@pytest.mark.parametrize("text", ["", "[]", '{"boot_id": "boot-1", "leases": [{"id": 3}]}', "\0"])
def test_a_broken_file_is_told_and_left(tmp_path, caplog, text):
    (tmp_path / "leases.json").write_text(text)
    leases = made(tmp_path)
    leases.load(NOW)
    assert leases.current(NOW) == ()
    assert "leases.json" in caplog.text


def test_there_are_not_endlessly_many(tmp_path):
    leases = made(tmp_path)
    for number in range(100):
        leases.take("kim", f"job {number}", 60, 3600, NOW)
    with pytest.raises(LeaseError, match="there are 100 leases"):
        leases.take("kim", "one more", 60, 3600, NOW)
