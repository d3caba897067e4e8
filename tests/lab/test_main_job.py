# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on real hosts: site.yml deploys, a host naps, a client knocks, the host wakes; and what may go wrong."""

import json
import pathlib
import time

import pytest
from ansible_collections.powernap.lab.plugins.module_utils.demo.playbook import SITE, Ansible
from ansible_collections.powernap.lab.plugins.module_utils.errors import LabError

NAP = {"absent_seconds": 3600, "grace_seconds": 2, "min_awake_seconds": 0, "backoff_seconds": 1}
STAGES = {"action": "powersave", "stage2_absent_seconds": 3600, "stage2_action": "poweroff"}
#: The times of [nap] stand, not the steps of the profile.
CLASSIC = {"night": {"enabled": False}, "sleep": {"enabled": False}}
CLIENTS = {
    "vars": {"powernap_profile": "web-server", "powernap_config": {"nap": NAP, "steps": CLASSIC}},
    "hosts": {"store1": {"powernap_config": {"nap": {**NAP, **STAGES}, "steps": CLASSIC}}},
}
#: The wake server has a certificate of the site's; those of the demo and of molecule have their own.
SSL = {
    "tls": "files",
    "tls_certificate": "/etc/ssl/wake1.pem",
    "tls_key": "/etc/ssl/wake1.key",
    "tls_ca": "/etc/ssl/site.pem",
}
WAKE_SERVERS = {"vars": {"powerwaked_config": {"listen": SSL}}}
#: No machine of the lab has a clock that wakes it, and without one a canary is refused.
ALL = {"powernap_canary": False}
VARIABLES = {"all": {"vars": ALL, "children": {"clients": CLIENTS, "wake_servers": WAKE_SERVERS}}}
CERTIFICATES = """
cd /etc/ssl && umask 077 && new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -days 9 -subj /CN=site -keyout site.key -out site.pem
openssl req $new -subj /CN=wake1 -keyout wake1.key -out wake1.csr
openssl x509 -req -in wake1.csr -CA site.pem -CAkey site.key -CAcreateserial -days 9 -out wake1.pem
"""


class Site:
    def __init__(self, lab):
        self.lab = lab
        self.hosts = lab.hosts()
        lab.run("wake1", CERTIFICATES)
        (lab.folder / "site.yml").write_text(json.dumps(VARIABLES))
        self.ansible = Ansible(lab.folder, [lab.folder / "inventory.yml", lab.folder / "site.yml"])
        self.first = self.ansible.play(SITE)
        assert (self.first.status, self.first.problems) == (0, []), self.first.errors

    def nap(self, host="web1"):
        self.lab.order(host, "powernap now", timeout=60)
        self.lab.wait_state(host, "asleep", 60)
        until = time.monotonic() + 60
        while self.known_state(host) != "proxied":  # the server first makes sure that the host is silent
            assert time.monotonic() < until, f"the wake server says that {host} is {self.known_state(host)}"
            time.sleep(0.1)

    def refuses(self, host="web1"):
        """What 'powernap now' says when it does not nap."""
        done = self.lab.order(host, "powernap now", check=False, timeout=60)
        time.sleep(1)
        assert self.lab.state(host) == "awake"
        return done.returncode, (done.stdout + done.stderr).strip()

    def fetch(self, url="http://198.18.0.3/", seconds=60):
        return self.lab.run("desk", f"curl -sS --max-time {seconds} '{url}'", check=False, timeout=seconds + 10)

    def known_state(self, host="web1"):
        return self.known(host)["wake_state"]

    def known(self, host):
        path = "/run/powerwaked/admin.sock"
        return json.loads(self.lab.run("wake1", f"curl -sS --unix-socket {path} http://x/api/v1/hosts/{host}").stdout)


@pytest.fixture(scope="module")
def running_site(start_lab):
    with start_lab("job", pathlib.Path(__file__).with_name("main_job.toml")) as lab:
        yield Site(lab)


@pytest.fixture
def site(running_site):
    yield running_site
    lab = running_site.lab
    lab.set("web1", "suspend", "ok")
    lab.set("web1", "deaf_to_magic", 0)
    lab.run("wake1", "systemctl start powerwaked")
    if lab.state("web1") != "awake":
        lab.button("web1")
        lab.wait_state("web1", "awake", 60)


def test_a_second_run_of_the_playbook_changes_nothing(site):
    again = site.ansible.play(SITE)
    assert (again.status, again.problems) == (0, []), again.errors
    assert again.changes == []
    assert {host: counts["changed"] for host, counts in again.stats.items()} == dict.fromkeys(again.stats, 0)


def test_machines_of_the_inventory_are_known_from_the_first_word_by_the_sites_own_certificate(site):
    lab = site.lab
    assert lab.run("web1", "cat /etc/powernap/server-ca.pem").stdout == lab.run("wake1", "cat /etc/ssl/site.pem").stdout
    assert lab.run("web1", "stat -c '%a %U' /etc/powernap/client.key").stdout == "600 root\n"
    assert lab.run("wake1", "stat -c '%a %U' /etc/ssl/wake1.key").stdout == "600 root\n"
    until = time.monotonic() + 60
    while not (link := site.known("web1")["status"]["link"]) and time.monotonic() < until:
        time.sleep(0.2)
    assert link["transport"] == "websocket"
    events = lab.run(
        "wake1", "curl -sS --unix-socket /run/powerwaked/admin.sock 'http://x/api/v1/events?since=0'"
    ).stdout
    kinds = {each["event"] for each in json.loads(events)["events"]}
    assert "hello" in kinds and "pending" not in kinds
    assert "no machine waits" in lab.run("wake1", "powerwake pending").stdout


@pytest.mark.parametrize("url", ["http://198.18.0.3/", "http://[fd4c::3]/"])
def test_a_request_wakes_the_sleeping_web_server_and_is_answered_by_it(site, url):
    since = site.lab.mark()
    site.nap()
    page = site.fetch(url)
    assert page.stdout == "Served by web1.\n", page.stderr
    events = [e["event"] for e in site.lab.events(since) if e["host"] == "web1"]
    assert events[:2] == ["suspending", "asleep"]
    assert "magic packet" in events
    assert "resumed" in events
    assert site.lab.arp_answers("web1") == {site.hosts["web1"]["mac"]}


def test_the_wake_server_stands_in_for_a_sleeping_host_and_asking_does_not_wake(site):
    site.nap()
    assert site.lab.arp_answers("web1") == {site.hosts["wake1"]["mac"]}
    site.lab.run("desk", "ping -c2 -W1 198.18.0.3", check=False)
    assert site.fetch("http://198.18.0.3:4444/", seconds=3).returncode != 0  # nothing listens there
    assert site.lab.state("web1") == "asleep"
    assert site.known_state() != "awake"


def test_a_request_wakes_although_magic_packets_get_lost(site):
    site.lab.set("web1", "deaf_to_magic", 4)
    site.nap()
    since = site.lab.mark()
    assert site.fetch().stdout == "Served by web1.\n"
    lost = [e for e in site.lab.events(since) if e["event"] == "magic packet ignored"]
    assert len(lost) >= 4


def test_the_module_wakes_waits_and_is_idempotent(site):
    site.nap()
    woken = site.ansible.adhoc("wake_servers", "powernap.powernap.powerwake", "name=web1")
    assert (woken["changed"], woken["was"], woken["state"]) == (True, "asleep", "awake")
    assert 1.0 <= woken["seconds"] < 10
    again = site.ansible.adhoc("wake_servers", "powernap.powernap.powerwake", "name=web1")
    assert (again["changed"], again["state"]) == (False, "awake")


def test_a_host_that_is_cut_off_while_asleep_is_said_not_to_wake(site):
    site.nap()
    site.lab.cut("web1")
    with pytest.raises(LabError, match="web1"):
        site.ansible.adhoc("wake_servers", "powernap.powernap.powerwake", "name=web1 timeout=3")


def test_without_its_wake_server_a_host_stays_awake_and_says_so(site):
    site.lab.run("wake1", "systemctl stop powerwaked")
    status, says = site.refuses()
    assert status != 0
    assert "wake server" in says


def test_a_host_that_cannot_be_woken_stays_awake_and_says_so(site):
    status, says = site.refuses("old1")
    assert status != 0
    assert "Wake-on-LAN" in says


def test_after_a_failed_suspend_the_host_answers_for_itself_again(site):
    site.lab.set("web1", "suspend", "fail")
    site.lab.order("web1", "powernap now", check=False, timeout=60)
    until = time.monotonic() + 60
    while site.lab.last("web1", "suspend failed") is None and time.monotonic() < until:
        time.sleep(0.1)
    assert site.lab.last("web1", "suspend failed")
    until = time.monotonic() + 60
    while site.known_state() != "awake" and time.monotonic() < until:
        time.sleep(0.2)
    assert site.known_state() == "awake"
    assert site.lab.arp_answers("web1") == {site.hosts["web1"]["mac"]}
    assert site.fetch().stdout == "Served by web1.\n"


def test_a_wake_server_that_restarts_still_stands_in(site):
    site.nap()
    site.lab.run("wake1", "systemctl restart powerwaked")
    assert site.lab.state("web1") == "asleep"
    assert site.fetch().stdout == "Served by web1.\n"


def test_in_two_stages_down_to_poweroff_and_back_by_a_request(site):
    lab = site.lab
    assert lab.run("store1", "powernap now").returncode == 0
    assert json.loads(lab.run("store1", "powernap status --json").stdout)["state"] == "powersave"
    assert lab.state("store1") == "awake"
    lab.run("store1", "powernap recover")
    assert json.loads(lab.run("store1", "powernap status --json").stdout)["state"] == "awake"
    lab.run("store1", "powernap now")
    lab.order("store1", "powernap now", timeout=60)
    lab.wait_state("store1", "off", 60)
    until = time.monotonic() + 60
    while site.known_state("store1") != "proxied" and time.monotonic() < until:
        time.sleep(0.1)
    assert site.fetch("http://198.18.0.5/").stdout == "Served by store1.\n"
    lab.wait_state("store1", "awake", 60)
    until = time.monotonic() + 60
    while site.known_state("store1") != "awake" and time.monotonic() < until:
        time.sleep(0.1)
    assert site.known_state("store1") == "awake"
    assert lab.arp_answers("store1") == {site.hosts["store1"]["mac"]}
