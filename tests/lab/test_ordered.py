# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders of the wake server to real machines, what its policy says to their naps, and the same from another machine."""

from __future__ import annotations

import json

import pytest
from channel import TOPOLOGY, URL, asked, powerwake
from meddling import LATER
from napping import QUIET, Napper, authority, install

POLICY = "[groups.web]\nkeep_awake = 1\n"
#: No machine of the lab has a clock that wakes it, and without one a canary is refused. This one never rings.
FAKE_CLOCK = """
mkdir -p /run/class/rtc/rtc0
cd /sys/class
for each in *; do mkdir -p /run/class/$each; mount --bind $each /run/class/$each; done
: >/run/class/rtc/rtc0/wakealarm; date +%s >/run/class/rtc/rtc0/since_epoch
mount --rbind /run/class /sys/class
mkdir -p /run/systemd/system/powernap-hands.service.d
printf '[Service]\\nReadWritePaths=/sys/class/rtc\\n' >/run/systemd/system/powernap-hands.service.d/clock.conf
systemctl daemon-reload
"""
SITE = '[monitors.site]\nkind = "lock"\nheld = []\nexists = ["/run/site"]\n'


@pytest.fixture(scope="module")
def machines(start_lab):
    with start_lab("order", TOPOLOGY) as lab:
        lab.run("web1", FAKE_CLOCK)
        both = [Napper(lab, name) for name in ("web1", "web2")]
        for each in both:
            each.run("mkdir -p /etc/powernap/profiles; cat >/etc/powernap/profiles/site.toml", input=SITE)
            each.start(LATER + QUIET)
        yield both


@pytest.fixture
def web(machines):
    """web1 and web2, awake and linked."""
    for each in machines:
        if each.lab.state(each.name) == "asleep":
            each.lab.button(each.name)
            each.lab.wait_state(each.name, "awake", 60)
        each.known_as("awake")
        each.is_linked(30)
    return machines


def test_an_ordered_nap_is_a_real_one_and_the_next_order_wakes(web):
    web1, _web2 = web
    lab = web1.lab
    would = powerwake(lab, "nap --where state=awake --dry-run").stdout
    assert "web1: would" in would and "web2: would" in would
    assert lab.state("web1") == "awake"
    said = asked(lab, "nap web1")["results"]["web1"]
    assert said["outcome"] == "done", said
    web1.falls_asleep()
    web1.known_as("proxied")
    assert lab.state("web2") == "awake"

    away = powerwake(lab, "reload --all", check=False)
    assert away.returncode == 1
    assert "web1: not delivered: is asleep" in away.stdout and "web2: done" in away.stdout
    woken = asked(lab, "recover --where state=napping --wake")["results"]
    assert {name: each["outcome"] for name, each in woken.items()} == {"web1": "done"}
    assert lab.state("web1") == "awake"
    assert "nap of root" in web1.run("powernap history").stdout
    assert "root" in powerwake(lab, "status web1").stdout


def test_an_inhibitor_from_afar_is_a_lease_and_recover_a_fresh_start(web):
    web1, _web2 = web
    lab = web1.lab
    said = powerwake(lab, "inhibit web1 --for 10m --reason 'moving the rack'").stdout
    assert "held awake by lease" in said
    assert "moving the rack" in web1.run("powernap why").stdout
    refused = powerwake(lab, "nap web1", check=False)
    assert refused.returncode == 1 and "moving the rack" in refused.stdout
    assert lab.state("web1") == "awake"
    web1.run("powernap inhibit --release 1")
    assert "web1: done" in powerwake(lab, "recover web1").stdout


def test_another_profile_holds_over_a_restart_until_it_is_taken_back(web):
    web1, _web2 = web
    lab = web1.lab
    assert "profile site is in use" in powerwake(lab, "profile site web1").stdout
    web1.run("systemctl restart powernapd")
    web1.until(lambda: "site" in {each["name"] for each in web1.status()["monitors"]})
    web1.is_linked(30)
    wrong = powerwake(lab, "profile nosuch web1", check=False)
    assert wrong.returncode == 1 and "nosuch" in wrong.stdout
    assert "web1: done" in powerwake(lab, "profile '' web1").stdout
    assert "site" not in {each["name"] for each in web1.status()["monitors"]}


def test_a_reload_brings_a_new_configuration_into_effect_and_tells_of_a_wrong_one(web):
    web1, _web2 = web
    lab, path = web1.lab, "/etc/powernap/powernapd.d/extra.toml"
    web1.run(f"cat >{path}", input=SITE)
    assert "web1: done" in powerwake(lab, "reload web1").stdout
    assert "site" in {each["name"] for each in web1.status()["monitors"]}
    web1.run(f"cat >{path}", input=SITE.replace("exists", "exist"))
    wrong = powerwake(lab, "reload web1", check=False)
    assert wrong.returncode == 1 and "did you mean exists" in wrong.stdout, wrong.stdout
    web1.run(f"rm {path}")
    assert "web1: done" in powerwake(lab, "reload web1").stdout


def test_a_canary_sleeps_really_and_is_woken_by_magic_packets(web):
    web1, _web2 = web
    lab = web1.lab
    since = lab.mark()
    said = powerwake(lab, "canary web1").stdout
    assert said.startswith("web1: done: woke after") and "magic packet" in said
    seen = [event["event"] for event in lab.events(since) if event["host"] == "web1"]
    assert "magic packet" in seen[seen.index("asleep") :] and "resumed" in seen[seen.index("asleep") :]
    assert lab.state("web1") == "awake"


def test_no_canary_where_no_clock_would_end_it(web):
    _web1, web2 = web
    refused = powerwake(web2.lab, "canary web2", check=False)
    assert refused.returncode == 1 and "no clock that can wake it" in refused.stdout
    assert web2.lab.state("web2") == "awake"


def test_the_policy_keeps_one_awake_and_the_machine_says_why(web):
    web1, web2 = web
    lab = web1.lab
    lab.run("wake1", "mkdir -p /etc/powernap/powerwaked.d; cat >/etc/powernap/powerwaked.d/site.toml", input=POLICY)
    lab.run("wake1", "systemctl reload powerwaked")
    for each in web:
        host = lab.host(each.name)
        asked(lab, f"register {each.name} --mac {host['mac']} --address {host['ipv4']} --group web")
    try:
        assert asked(lab, "nap web1")["results"]["web1"]["outcome"] == "done"
        web1.falls_asleep()
        web1.known_as("proxied")
        refused = powerwake(lab, "nap web2", check=False)
        assert refused.returncode == 1 and "group web keeps 1 of 2 awake" in refused.stdout
        own = web2.run("powernap now", check=False)
        assert own.returncode != 0 and "group web keeps 1 of 2 awake" in own.stderr
        assert "group web keeps 1 of 2 awake" in web2.run("powernap why").stdout
        assert lab.state("web2") == "awake"
    finally:
        lab.run("wake1", "rm /etc/powernap/powerwaked.d/site.toml; systemctl reload powerwaked")


def test_from_another_machine_with_a_token_over_tls(web):
    web1, _web2 = web
    lab = web1.lab
    install(lab, "desk", "powerwake")
    token = asked(lab, "token create --role operator --name alice")["token"]
    lab.run("desk", "umask 077; cat >/root/token", input=token + "\n")
    lab.run("desk", "cat >/root/ca.pem", input=authority(lab))
    reach = f"--server {URL} --token-file /root/token --ca-file /root/ca.pem"
    curl = f'curl -sS --max-time 60 --cacert /root/ca.pem -H "Authorization: Bearer $(cat /root/token)" {URL}'
    lab.run("desk", f"systemd-run -q --collect --unit=stream sh -c '{curl}/api/v1/stream?host=web1 -N >/root/stream'")

    given = json.loads(
        lab.run("desk", f'{curl}/api/v1/orders -d \'{{"verb": "nap", "all": true, "dry_run": true}}\'').stdout
    )
    assert given["hosts"] == 2 and given["dry_run"]
    assert powerwake(lab, f"nap web1 {reach}", host="desk").stdout.startswith("web1: done")
    web1.falls_asleep()
    web1.known_as("proxied")
    listed = {each["name"]: each for each in json.loads(lab.run("desk", f"{curl}/api/v1/hosts").stdout)["hosts"]}
    assert listed["web1"]["status"]["state"] == "napping" and listed["web2"]["status"]["state"] == "awake"
    woken = powerwake(lab, f"wake web1 {reach}", host="desk").stdout
    assert woken.startswith("web1 is awake after")
    web1.until(lambda: "event: awake" in lab.run("desk", "cat /root/stream").stdout, 20, "the wake in the stream")
    stream = [line.partition(": ")[2] for line in lab.run("desk", "cat /root/stream").stdout.splitlines()]
    kinds = [each for each in stream if each in ("proxied", "ordered", "awake")]
    assert kinds == ["proxied", "ordered", "awake"]
    assert "powerwaked_wakes_total" in lab.run("desk", f"{curl}/metrics").stdout
    refused = powerwake(lab, f"forget web1 {reach}", host="desk", check=False)
    assert refused.returncode != 0 and "admin" in refused.stderr
    assert "alice" in powerwake(lab, "audit").stdout
    knock = web1.until(lambda: web1.status()["server"].get("woken_for"))
    assert "alice" in knock["sentence"] or "desk" in knock["sentence"]
    without = lab.run("desk", f"curl -sS --max-time 20 {URL}/api/v1/hosts", check=False)
    assert without.returncode == 60, "nobody but the site's CA vouches for it"
