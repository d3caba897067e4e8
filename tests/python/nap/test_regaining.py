# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPv6 address that failed duplicate-address detection while the machine came back, on real kernels."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time

import pytest

from powernap.machine import dad
from powernap.machine.dad import Held
from powernap.machine.nics import Interface
from powernap.nap import regaining, setup
from powernap.nap.regaining import Regaining

ADDRESS = "fd4c::7/64"
HELD = Held("eth0", ADDRESS)
WITH_DAD = (
    "echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/eth0/router_solicitation_delay"
)


class Cable:
    """The end "here" of a segment, and another machine at the other."""

    def __init__(self, segment):
        self.segment = segment
        self.ip("link", "set", "eth0", "addrgenmode", "none")
        self.here("sh", "-c", WITH_DAD)

    def here(self, *command):
        command = ["ip", "netns", "exec", self.segment.names["here"], *command]
        return subprocess.run(command, check=True, timeout=10, capture_output=True, text=True).stdout

    def ip(self, *words, side="here"):
        subprocess.run(["ip", "-n", self.segment.names[side], *words], check=True, timeout=10)

    def other_has_it(self, has=True):
        self.ip("address", "add" if has else "del", ADDRESS, "dev", "eth0", *["nodad"][:has], side="there")

    def fails(self, *words):
        """The address is refused to this machine."""
        self.other_has_it()
        self.ip("address", "add", ADDRESS, "dev", "eth0", *words)
        self.until(lambda: self.flags() & dad.IFA_F_DADFAILED)

    def flags(self):
        with self.segment.on("here"):
            return dad.flags().get(HELD, 0)

    def shown(self):
        return self.here("ip", "-6", "address", "show", "to", ADDRESS)

    @staticmethod
    def until(done, seconds=20.0):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def cable(segment):
    return Cable(segment)


@pytest.fixture
def after(tmp_path, cable, caplog):
    """after(had=...): what powernapd tells after a resume; it had these addresses before."""
    file = tmp_path / "powernapd.toml"
    file.write_text('[nap]\ninterfaces = ["eth0"]\n')
    config = setup.load(file)

    def looked(had=(ADDRESS,), acts=True, times=1, cause="resume", restarted=False):
        tasks = []

        def spawn(work):
            tasks.append(asyncio.ensure_future(work))

        async def run():
            made = Regaining(tmp_path, spawn)
            made.pauses, made.settle_seconds, made.verdict_seconds = (0.0, 0.0), 0.0, 4.0
            if had:
                made.had([Interface("eth0", "02:00:00:00:00:01", had, ())])
            if restarted:
                again = Regaining(tmp_path, spawn)
                again.pauses, again.settle_seconds, again.verdict_seconds = made.pauses, 0.0, made.verdict_seconds
                made = again
            for _number in range(times):
                made.begin(cause, config, acts)
                await asyncio.gather(*tasks)
            return made.notes()

        caplog.clear()
        with cable.segment.on("here"), caplog.at_level(logging.INFO, "powernapd"):
            return asyncio.run(run())

    return looked


def test_an_address_that_was_refused_by_a_passing_answer_is_in_use_again(cable, after, caplog):
    cable.fails()
    cable.other_has_it(False)
    assert after() == ()
    assert "dadfailed" not in cable.shown() and "tentative" not in cable.shown()
    assert f"eth0: {ADDRESS} is in use again" in caplog.text


def test_so_it_is_after_a_restart_of_powernapd(cable, after):
    cable.fails()
    cable.other_has_it(False)
    assert after(cause="boot", restarted=True) == ()
    assert not cable.flags() & dad.IFA_F_DADFAILED


def test_what_it_had_it_keeps(cable, after):
    cable.fails("noprefixroute", "metric", "77", "preferred_lft", "0")
    cable.other_has_it(False)
    assert after() == ()
    assert "deprecated" in cable.shown() and "noprefixroute" in cable.shown() and "metric 77" in cable.shown()
    assert "valid_lft forever preferred_lft 0sec" in cable.shown()


def test_another_machine_that_has_it_keeps_it_and_that_is_told(cable, after, caplog, monkeypatch):
    tried = []
    add_anew = dad.add_anew
    monkeypatch.setattr(regaining.dad, "add_anew", lambda held: (tried.append(held), add_anew(held)))
    cable.fails()
    (said,) = after(times=3)
    assert tried == [HELD]
    assert cable.flags() & dad.IFA_F_DADFAILED
    assert said.startswith(f"eth0 has lost the use of {ADDRESS}, as duplicate-address detection failed")
    assert f"'ip address del {ADDRESS} dev eth0' and 'ip address add {ADDRESS} dev eth0'" in said
    assert "again after it was added anew" in caplog.text


@pytest.mark.parametrize("how", [{"had": ("fd4c::1/64",)}, {"acts": False}], ids=["not had before", "observing"])
def test_it_is_only_told_of_what_must_not_be_touched(cable, after, how, caplog):
    cable.fails()
    cable.other_has_it(False)
    (said,) = after(**how)
    assert "detection failed: make sure" in said
    assert "added anew" not in caplog.text
    assert cable.flags() & dad.IFA_F_DADFAILED


def test_of_addresses_in_use_nothing_is_told(cable, after, caplog):
    assert after(had=("fd4c::1/64",)) == ()
    assert caplog.text == ""


def test_an_address_that_somebody_took_away_is_told_no_longer(cable, after):
    cable.fails()
    assert len(after(acts=False)) == 1
    cable.ip("address", "del", ADDRESS, "dev", "eth0")
    assert after(acts=False) == ()


def test_a_user_needs_no_more_for_it_than_powernapds_unit_gives(cable):
    cable.fails()
    cable.other_has_it(False)
    code = f"from powernap.machine import dad; dad.add_anew(dad.Held('eth0', {ADDRESS!r}))"
    needed = "-all,+net_admin,+dac_read_search"  # the latter for a Python that is only root's to enter
    user = ["--reuid", "nobody", "--clear-groups", "--inh-caps", needed, "--ambient-caps", needed]
    cable.here("setpriv", *user, "--no-new-privs", sys.executable, "-c", code)
    cable.until(lambda: cable.flags() and not cable.flags() & (dad.IFA_F_DADFAILED | dad.IFA_F_TENTATIVE))


def test_powernapd_adds_an_address_anew_that_was_refused_during_a_sleep(machine, cable):
    cable.ip("address", "add", ADDRESS, "dev", "eth0", "nodad")
    machine.write(absent=3600)
    machine.start()
    machine.logind.somebody_suspends()
    machine.until(lambda: any(said["cause"] == "resume" for said in machine.server.said("awake")), "it does not resume")
    (slept,) = machine.server.said("asleep")
    assert ADDRESS in slept["interfaces"][0]["addresses"]
    cable.ip("address", "del", ADDRESS, "dev", "eth0")  # as a manager of networks does that makes all anew
    cable.fails()
    machine.until(lambda: "it is deleted and added anew, once" in machine.text(), "it does not see it")
    machine.until(lambda: f"eth0 has lost the use of {ADDRESS}" in machine.ask("why")["text"], "it does not tell")
    assert "failed again after it was added anew" in machine.ask("why")["text"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"dynamic": True}, "it is dynamic, so whoever gave it must give it again"),
        ({"address": "fd4c::8"}, "it is address, so"),
        ({"valid_life_time": 600}, "it is no permanent address, so"),
        ({"dadfailed": False}, "it is gone"),
    ],
)
def test_what_cannot_be_added_as_it_was_is_left(more, why):
    entry = {"family": "inet6", "local": "fd4c::7", "prefixlen": 64, "dadfailed": True, "tentative": True, **more}
    with pytest.raises(dad.NotAdded, match=why):
        dad.command(HELD, [{"ifname": "eth0", "addr_info": [entry]}])


def test_its_maker_is_named_again():
    entry = {"local": "fd4c::7", "prefixlen": 64, "dadfailed": True, "protocol": "kernel_ll", "mngtmpaddr": True}
    assert dad.command(HELD, [{"addr_info": [entry]}]) == f"{ADDRESS} dev eth0 proto kernel_ll mngtmpaddr"
