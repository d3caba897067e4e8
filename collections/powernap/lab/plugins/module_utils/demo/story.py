# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job of PowerNap, shown on the lab and checked as it is shown."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time

from ..client import Lab, default_dir
from ..errors import LabError
from . import timeline
from .playbook import SITE, Ansible
from .timeline import Moment

ABSENT, GRACE = 12, 4
"""Seconds: the times of a real site are minutes."""
PATIENCE = 60.0
"""How much longer than it should a thing may take, in seconds, on a machine that is busy."""
VARIABLES = {
    "all": {
        # A canary needs a clock that wakes it, should all else fail, and hosts of the lab have none.
        "vars": {"powernap_canary": False},
        "children": {
            "clients": {
                "vars": {
                    "powernap_config": {
                        "nap": {"min_awake_seconds": 2},
                        "steps": {
                            "night": {"enabled": False},
                            "sleep": {"after_seconds": ABSENT, "action": "suspend", "grace_seconds": GRACE},
                        },
                    }
                },
                "hosts": {
                    "web1": {"powernap_profile": "web-server"},
                    "file1": {"powernap_profile": "file-server", "powernap_config": {"nap": {"min_awake_seconds": 2}}},
                    "laptop1": {"powernap_profile": "laptop", "powernap_config": {}},
                },
            }
        },
    }
}


class Demo:
    def __init__(self, lab: Lab):
        self.lab = lab
        inventory = lab.folder / "site.yml"
        inventory.write_text(json.dumps(VARIABLES, indent=2))
        self.ansible = Ansible(lab.folder, [lab.folder / "inventory.yml", inventory])
        self.hosts = lab.hosts()

    def tell(self) -> None:
        self.deploy()
        self.skipped_guest()
        idle = self.nap()
        self.asleep()
        knocked = self.knock()
        self.show_timeline(idle, knocked)
        self.wake_by_hand()
        self.deploy_again()

    def deploy(self) -> None:
        step(f"ansible-playbook {SITE}: powerwaked on wake1, powernapd on the clients")
        self.deployed = self._site(Progress())
        claim(self.deployed.changes, "the playbook set the hosts up", "the first run of site.yml changed nothing")
        fact(f"{len(self.deployed.changes)} changes in {self.deployed.seconds:.1f} s")

    def _site(self, show):
        outcome = self.ansible.site(show)
        bad = {host: c for host, c in outcome.stats.items() if c["failures"] or c["unreachable"]}
        if outcome.problems or bad or not outcome.stats:
            raise LabError("site.yml failed: " + ("; ".join(outcome.problems)[:3000] or "no host was reached") + ".")
        return outcome

    def skipped_guest(self) -> None:
        step("guest1 looks like a virtual machine: napping would save nothing there")
        reasons = [words for words in self.deployed.said.get("guest1", []) if "skipped" in words]
        claim(reasons, "the playbook said why it left guest1 alone", "the playbook does not say why guest1 is skipped")
        fact(f'"{reasons[0]}"')
        unit = self.lab.run("guest1", "systemctl cat powernapd.service", check=False)
        claim(unit.returncode != 0, "no powernapd on guest1", "powernapd was installed on guest1 all the same")

    def nap(self) -> float:
        step(
            f"web1 has nothing to do; it may nap after {ABSENT} s, the last {GRACE} of which... ".rstrip(". ")
            + " it warns"
        )
        since = time.time()
        while not self._asleep_within("web1", 3):
            why = self._why("web1")
            if time.time() - since > ABSENT + GRACE + PATIENCE:
                raise LabError(f"web1 did not nap; 'powernap why' there: {why[-1500:]}")
            if why:  # else it fell asleep over the answer
                words = " ".join(line.partition(" (")[0] for line in why.splitlines()[:2])
                print(f"  {time.time() - since:6.1f} s  {words}", flush=True)
        slept = self._event("web1", "asleep", 0)
        if slept["time"] < since:
            since = slept["time"] - 1
            fact("asleep already, while the playbook still set up the others")
        else:
            fact(f"asleep {slept['time'] - since:.1f} s after the playbook's last connection was closed")
        until = time.monotonic() + PATIENCE
        while not any(m.what == "proxied" for m in timeline.of_powerwaked(self.lab, "wake1", "web1", since)):
            if time.monotonic() > until:
                raise LabError(f"wake1 does not stand in for web1, which has been asleep for {PATIENCE:g} s.")
            time.sleep(0.2)
        fact("wake1 has made sure that web1 is silent, and stands in for it")
        return since

    def _asleep_within(self, host: str, seconds: float) -> bool:
        try:
            self.lab.wait_state(host, "asleep", seconds)
        except LabError:
            return False
        return True

    def _why(self, host: str) -> str:
        try:
            done = self.lab.order(host, "powernap why", check=False)
        except LabError as error:  # it fell asleep just now
            return str(error)
        return (done.stdout + done.stderr).strip()

    def asleep(self) -> None:
        step("Who answers for web1's address now? (arping on the desk)")
        web1, wake1 = self.hosts["web1"], self.hosts["wake1"]
        answers = self._arping(web1["ipv4"])
        for mac, count in answers.items():
            fact(f"{count} answers from {mac}, which is {self._owner(mac)}")
        claim(
            web1["mac"] not in answers,
            "web1's own NIC is silent",
            "web1 is said to be asleep, and its own NIC answers ARP",
        )
        claim(
            set(answers) == {wake1["mac"]},
            "only wake1 answers, standing in for it",
            f"not wake1 alone stands in for web1; answers came from {', '.join(answers) or 'nobody'}",
        )
        claim(self.lab.state("web1") == "asleep", "asking did not wake it", "an ARP request alone woke web1")

    def _arping(self, address: str) -> dict:
        out = self.lab.run("desk", ["arping", "-c", "3", "-w", "4", "-I", "eth0", address], check=False).stdout
        macs = [line.split("[")[1].split("]")[0].lower() for line in out.splitlines() if "reply from" in line]
        return {mac: macs.count(mac) for mac in macs}

    def _owner(self, mac: str) -> str:
        return next((name for name, host in self.hosts.items() if host["mac"] == mac), "unknown")

    def knock(self) -> float:
        step("The desk asks web1 for a page: curl http://web1/")
        knocked = time.time()
        page = self.lab.run("desk", "curl -sS --max-time 60 http://web1/", check=False, timeout=70)
        self.answered = time.time()
        claim(page.returncode == 0, "the page came", f"curl failed: {page.stderr.strip()}")
        fact(f"{page.stdout.strip()}  after {self.answered - knocked:.2f} s")
        claim("Served by web1" in page.stdout, "web1 served it", f"the page is not web1's: {page.stdout[:200]!r}")
        magic, resumed = self._event("web1", "magic packet", knocked), self._event("web1", "resumed", knocked)
        claim(
            magic and resumed and knocked <= magic["time"] <= resumed["time"] <= self.answered,
            "it was woken by a magic packet in between",
            "the page came, but web1 was not woken by a magic packet between question and answer",
        )
        neighbour = self.lab.run("desk", ["ip", "neigh", "show", self.hosts["web1"]["ipv4"]]).stdout
        claim(
            self.hosts["web1"]["mac"] in neighbour,
            "the desk speaks to web1's own NIC again",
            f"web1 is awake, but the desk's neighbour entry is still: {neighbour.strip() or 'none'}",
        )
        return knocked

    def show_timeline(self, idle: float, knocked: float) -> None:
        step("What happened when, seen by the machine, both daemons and the desk (seconds from the knock)")
        moments = [
            Moment(idle, "ansible", "done", "its last connection to web1 is closed"),
            *timeline.of_powernapd(self.lab, "web1", idle, ABSENT),
            *timeline.of_powerwaked(self.lab, "wake1", "web1", idle),
            *timeline.of_hardware(self.lab, "web1", idle),
            Moment(knocked, "desk", "knocked", "curl http://web1/"),
            Moment(self.answered, "desk", "answered", "the page is there"),
        ]
        moments = [moment for moment in moments if moment.time <= self.answered + 1]
        for line in timeline.render(moments, knocked):
            print(line)
        magic, resumed = self._event("web1", "magic packet", knocked), self._event("web1", "resumed", knocked)
        delay = self.lab.host("web1")["settings"]["resume_delay"]
        fact(f"knock to magic packet {(magic['time'] - knocked) * 1000:.0f} ms (with the start of curl)")
        fact(f"resume {resumed['time'] - magic['time']:.2f} s ({delay:g} s of it is what this lab's hardware takes)")
        fact(f"awake to answered {(self.answered - resumed['time']) * 1000:.0f} ms")
        said = self._says_who_knocked()
        claim(
            self.hosts["desk"]["ipv4"] in said or self.hosts["desk"]["ipv6"] in said,
            "web1 was told who knocked",
            f"web1 does not know that the desk knocked: {said or 'it says nothing'}",
        )
        fact(f"powernap status there: {said}")

    def _says_who_knocked(self) -> str:
        """Its wake server tells it a moment after it is awake."""
        until = time.monotonic() + PATIENCE
        while True:
            lines = self.lab.run("web1", "powernap status", check=False).stdout.splitlines()
            said = next((line for line in lines if line.startswith("woken last for")), "")
            if said or time.monotonic() > until:
                return said
            time.sleep(0.2)

    def wake_by_hand(self) -> None:
        command = "ansible wake_servers -m powernap.powernap.powerwake -a name=file1"
        step(f"file1 is ordered to sleep (powerwake nap file1, on wake1) and woken by hand: {command}")
        since = time.time()
        now = self.lab.run("wake1", "powerwake nap file1", check=False, timeout=150)
        claim(
            now.returncode == 0, "file1 obeyed", f"'powerwake nap file1' on wake1: {(now.stdout + now.stderr).strip()}"
        )
        fact(now.stdout.strip())
        self.lab.wait_state("file1", "asleep", PATIENCE)
        fact(f"file1 asleep after {self._event('file1', 'asleep', since)['time'] - since:.2f} s")
        result = self.ansible.adhoc("wake_servers", "powernap.powernap.powerwake", "name=file1")
        shown = {key: result.get(key) for key in ("name", "was", "state", "changed", "seconds", "magic_packets")}
        fact(json.dumps(shown))
        claim(
            result["changed"] and result["was"] == "asleep" and result["state"] == "awake",
            "the module woke it and says how long it took",
            f"the module did not wake a sleeping file1: {shown}",
        )
        claim(
            self.lab.state("file1") == "awake" and self._event("file1", "resumed", since),
            "file1 is awake",
            "the module says that file1 is awake, and the machine sleeps",
        )

    def deploy_again(self) -> None:
        step(f"ansible-playbook {SITE}, the second time")
        outcome = self._site(lambda *_: None)
        for host, counts in outcome.stats.items():
            fact(f"{host:8} ok={counts['ok']} changed={counts['changed']} failed={counts['failures']}")
        claim(
            not outcome.changes and not any(counts["changed"] for counts in outcome.stats.values()),
            f"changed=0 on all of them ({outcome.seconds:.1f} s)",
            f"the second run of site.yml changed something: {'; '.join(outcome.changes)}",
        )

    def _event(self, host: str, event: str, since: float):
        found = [e for e in self.lab.events() if e["host"] == host and e["event"] == event and e["time"] >= since]
        return found[0] if found else None


def step(text: str) -> None:
    print(f"\n== {text}", flush=True)


def fact(text: str) -> None:
    print(f"     {text}", flush=True)


def claim(true, yes: str, no: str) -> None:
    """Nothing is claimed that was not looked at."""
    if not true:
        raise LabError(no + ".")
    print(f"  ok {yes}", flush=True)


class Progress:
    """A line for each task that changed something or took long; the others are quick questions."""

    def __init__(self):
        self.shown = 0.0

    def __call__(self, seconds: float, task: str, counts: dict) -> None:
        if counts.keys() & {"changed", "failed", "unreachable"} or seconds - self.shown > 3:
            summary = ", ".join(f"{count} {status}" for status, count in counts.items())
            print(f"  {seconds:6.1f} s  {task[:62]:62}  {summary}", flush=True)
            self.shown = seconds


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="PowerNap in a datacenter in a box.")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end, to look around")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    began, lab, failed = time.monotonic(), None, False
    try:
        step("A datacenter in a box: systemd hosts on one Ethernet segment, inside this machine")
        lab = Lab.up(say=lambda text: print(f"     {text}", flush=True))
        fact(f"up {time.monotonic() - began:.1f} s after the start")
        Demo(lab).tell()
    except LabError as error:
        print(f"\ndemo: FAILED: {error}", file=sys.stderr)
        failed = True
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        failed = True
    finally:
        if lab and not options.keep:
            lab.down()
    print(f"\n{'failed' if failed else 'done'} after {time.monotonic() - began:.1f} s")
    if lab and options.keep:
        print(_LOOK_AROUND)
    elif lab and not failed:
        print(f"the hosts are gone, and so is {default_dir()}; only the base image stays, for the next time")
    return 1 if failed else 0


_LOOK_AROUND = """
The lab is still up. Look around:
  scripts/lab status                       the hosts and their states
  scripts/lab ssh web1                     then: powernap status, powernap why, powernap now
  scripts/lab exec wake1 -- powerwake list (status web1, nap web1, inhibit --all --seconds 600 --reason tea)
  scripts/lab exec desk -- curl http://web1/
  scripts/lab events
  scripts/lab down                         ends it; nothing is left"""
