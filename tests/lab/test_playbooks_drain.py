# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook drain, by the names that it knows and with a script of a site's: around naps of machines of the lab.

HAProxy is real; Slurm, Kubernetes and Nova are fakes of their programs, which refuse arguments that they do not know.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import time

import pytest
from channel import powerwake
from conftest import ROOT
from meddling import LATER
from napping import QUIET, Napper
from playing import Player

TOPOLOGY = pathlib.Path(__file__).with_name("drain.toml")
FAKE = ROOT / "tests/python/drain/fake_cluster.py"
BALANCER = "198.18.0.10"
HAPROXY = f"""
global
    stats socket ipv4@{BALANCER}:9999 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend site
    bind {BALANCER}:80
    default_backend web
backend web
    server web1 198.18.0.3:80 check inter 500ms
    server spare {BALANCER}:81 backup
listen spare
    bind {BALANCER}:81
    http-request return status 200 content-type text/plain string "Served by another.\\n"
"""
ASK = """
import socket, sys
runtime = socket.create_connection((sys.argv[1], 9999), 5)
runtime.sendall(b"show stat\\n")
print(runtime.makefile().read())
"""
CLUSTERS = {  # machine: kind, programs, its name there, what the node is at first, what is done before a nap and after
    "node7": ("slurm", ("scontrol", "squeue"), "", "IDLE", ["drain"], ["resume"]),
    "kube1": ("kubernetes", ("kubectl",), "KUBERNETES_NODE", "", ["cordon", "drain"], ["uncordon"]),
    "nova1": ("nova", ("openstack",), "NOVA_HOST", "enabled", ["disable"], ["enable"]),
}
BALANCED = {"HAPROXY": f"{BALANCER}:9999", "HAPROXY_SERVERS": "web/web1", "HAPROXY_SECONDS": 2}
SETTINGS = {
    "web1": {"powernap_drain": "haproxy", "powernap_drain_settings": BALANCED},
    **{
        name: {"powernap_drain": kind, **({"powernap_drain_settings": {setting: "node7"}} if setting else {})}
        for name, (kind, _programs, setting, *_rest) in CLUSTERS.items()
    },
}
SCRIPT = """#!/bin/sh
. /etc/powernap/drain.env
echo "$1 $POOL" >>/run/drained
[ "$1" = false ] || [ ! -e /run/busy ] || { echo "sessions go on" >&2; exit 1; }
"""


class Site:
    """Machines with powernapd, which nap by order alone, behind HAProxy on the desk or in fakes of clusters."""

    def __init__(self, lab, scratch) -> None:
        self.lab, self.player = lab, Player(lab, scratch, SETTINGS)
        self.nappers = {name: Napper(lab, name) for name in SETTINGS}
        for each in self.nappers.values():
            each.start(LATER + QUIET)
        for name, (_kind, programs, _setting, free, *_calls) in CLUSTERS.items():
            for program in programs:
                path = f"/usr/local/bin/{program}"
                lab.run(name, f"cat >{path}; chmod 755 {path}", input=FAKE.read_text())
            known = {"state": free, "reason": "", "work": [], "calls": []}
            lab.run(name, "cat >/run/cluster.json", input=json.dumps(known))
        self.web1 = self.nappers["web1"]

    def balancer(self, field="status"):
        """What HAProxy says of web1."""
        told = self.lab.run("desk", ["python3", "-c", ASK, BALANCER]).stdout
        rows = [line.split(",") for line in told.splitlines() if line]
        return next(row[rows[0].index(field)] for row in rows if row[:2] == ["web", "web1"])

    def in_service(self):
        self.web1.until(lambda: self.balancer() == "UP", 60, "the balancer's word")

    def page(self, address=BALANCER):
        return self.lab.run("desk", f"curl -sS --max-time 60 http://{address}/", timeout=70).stdout

    def nap(self, name):
        """By order; it is asleep when this returns."""
        assert f"{name}: done" in powerwake(self.lab, f"nap {name}").stdout
        self.nappers[name].falls_asleep()
        self.nappers[name].known_as("proxied")

    def calls(self, name):
        return json.loads(self.lab.run(name, "cat /run/cluster.json").stdout)["calls"]


@pytest.fixture(scope="module")
def site(start_lab, tmp_path_factory):
    """With each machine's own program in place."""
    if not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    scratch = tmp_path_factory.mktemp("site")
    (scratch / "haproxy.cfg").write_text(HAPROXY)
    with start_lab("drain", TOPOLOGY) as lab:
        site = Site(lab, scratch)
        inside = ["nsenter", f"--net=/proc/{lab.host('desk')['pid']}/ns/net", "--"]
        balancer = subprocess.Popen([*inside, "haproxy", "-db", "-f", scratch / "haproxy.cfg"])
        try:
            played = site.player.play("drain")
            assert played.status == 0 and played.count("unreachable") == 0, (played.failed, played.errors)
            for each in site.nappers.values():
                each.is_linked()
            yield site
        finally:
            balancer.terminate()
            balancer.wait(20)


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_node_is_taken_out_of_its_cluster_before_its_nap_and_put_back_after_it(site, name):
    takes, gives = CLUSTERS[name][4:]
    site.nap(name)
    powerwake(site.lab, f"wake {name}")
    site.nappers[name].until(lambda: site.calls(name) == takes + gives, 60, "the node in service")


def test_a_balancer_neither_sends_anybody_to_a_machine_that_naps_nor_wakes_it(site):
    site.in_service()
    assert site.page() == "Served by web1.\n"
    since = site.lab.mark()
    site.nap("web1")
    assert site.balancer() == "MAINT" and site.page() == "Served by another.\n"
    until = time.monotonic() + 4  # eight of the looks that HAProxy takes at servers that are in service
    while time.monotonic() < until:
        assert site.lab.state("web1") == "asleep"
        time.sleep(0.2)
    assert not [each for each in site.lab.events(since) if each["event"] == "magic packet"]


def test_one_that_is_woken_early_by_a_knock_is_back_in_service(site):
    assert site.lab.state("web1") == "asleep"
    assert site.page(address="198.18.0.3") == "Served by web1.\n"
    site.in_service()
    assert site.page() == "Served by web1.\n"


def test_one_that_is_refused_its_nap_for_a_session_that_goes_on_is_back_in_service(site):
    site.web1.run("truncate -s 20M /var/www/html/big")
    site.lab.run("desk", f"systemd-run -q --unit=long curl -sS --limit-rate 64k -o /dev/null http://{BALANCER}/big")
    site.web1.until(lambda: site.balancer("scur") == "1", what="a session")
    refused = site.player.play("nap", "-l", "web1")
    assert refused.status != 0 and "1 sessions go on after 2 s" in refused.failed["web1"][-1], refused.failed
    site.in_service()
    assert site.lab.state("web1") == "awake"
    site.lab.run("desk", "systemctl stop long")


def test_one_whose_sleep_fails_is_back_in_service(site):
    site.lab.set("web1", "suspend", "fail")
    failed = site.player.play("nap", "-l", "web1")
    site.lab.set("web1", "suspend", "ok")
    assert failed.status != 0 or failed.count("changed"), failed.said
    site.in_service()
    assert site.lab.state("web1") == "awake"


def test_a_script_of_the_sites_own_takes_its_place_and_all_of_it_is_taken_away(site, tmp_path):
    web1, script, player = site.web1, tmp_path / "drain.sh", site.player
    script.write_text(SCRIPT)
    given = ("-l", "web1", "-e", f"powernap_drain={script}", "-e", '{"powernap_drain_settings": {"POOL": "web pool"}}')
    first = player.play("drain", *given)
    assert first.status == 0 and first.count("changed") > 0, (first.failed, first.errors)
    assert player.play("drain", *given).count("changed") == 0
    web1.is_linked(60)
    web1.run("touch /run/busy")
    refused = powerwake(site.lab, "nap web1", check=False)
    assert refused.returncode == 1 and "sessions go on" in refused.stdout and site.lab.state("web1") == "awake"
    assert web1.run("cat /run/drained").stdout.split("\n")[:2] == ["true web pool", "false web pool"]

    gone = player.play("drain", "-e", "powernap_drain=")
    assert gone.status == 0 and gone.count("changed") > 0, (gone.failed, gone.errors)
    for each in site.nappers.values():
        assert each.run("ls /etc/powernap /etc/powernap/powernapd.d").stdout.count("drain") == 0
