# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml with a canary of each kind, and the playbooks that ask the wake server: one story, told in order."""

from __future__ import annotations

import json
import pathlib
import time

import pytest
from channel import asked, powerwake
from playing import FAKE_CLOCK, Player

TOPOLOGY = pathlib.Path(__file__).with_name("playbooks.toml")
SERVERS = ("wake1", "wake2")
CLIENTS = ("web1", "db1", "db2")
SETTINGS = {
    "all": {"powerwaked_config": {"groups": {"web": {}, "db": {}}}},
    "clients": {
        "powernap_config": {
            "nap": {"absent_seconds": 86400, "min_awake_seconds": 1},
            "monitors": {"work": {"kind": "lock", "held": [], "exists": ["/run/work"]}},
        },
    },
    "webs": {"powernap_group": "web"},
    "wake1": {"powerwaked_subnets": ["198.18.0.0/16"]},
    "wake2": {"powerwaked_subnets": ["203.0.113.0/24"]},
    "dbs": {"powernap_group": "db"},
}
ONE_BY_ONE = ("-e", '{"powernap_serial": [1]}')
NIGHT = '[monitors.night]\nkind = "lock"\nheld = []\nexists = ["/run/night"]\n'


@pytest.fixture(scope="module")
def site(start_lab, tmp_path_factory):
    with start_lab("play", TOPOLOGY) as lab:
        for name in CLIENTS:
            lab.run(name, FAKE_CLOCK)
        for name, address in (("wake2", "203.0.113.9"), ("web1", "203.0.113.3")):
            lab.run(name, f"ip address add {address}/24 dev eth0")
        lab.run("web1", "mkdir -p /etc/powernap/profiles; cat >/etc/powernap/profiles/night.toml", input=NIGHT)
        yield lab, Player(lab, tmp_path_factory.mktemp("player"), SETTINGS)


def registered(lab, *servers):
    """By name, what the wake servers know."""
    return {host["name"]: host for server in servers or SERVERS for host in asked(lab, "list", host=server)["hosts"]}


def until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.5)
    return true()


def slept(lab, since):
    """Who has, since then."""
    return {event["host"] for event in lab.events(since) if event["event"] == "asleep"}


def awake(lab, *names):
    for name in names:
        if lab.state(name) != "awake":
            lab.button(name)
    lab.wait_state(list(names), "awake", 60)


def test_under_limit_one_machine_is_set_up_with_the_wake_server_of_its_network_and_proves_that_it_wakes(site):
    lab, player = site
    since = lab.mark()
    played = player.play("site", "--limit", "wake_servers,web1")
    assert played.status == 0, (played.failed, played.errors)
    assert set(registered(lab, "wake1")) == set() and set(registered(lab, "wake2")) == {"web1"}
    assert slept(lab, since) == {"web1"} and lab.state("web1") == "awake"
    assert registered(lab)["web1"]["status"]["canary_passed"]["host"] == "web1"


def test_after_a_failed_canary_the_later_batches_leave_its_group_alone_and_say_why(site):
    lab, player = site
    lab.set("db1", "deaf_to_magic", 1000)
    since = lab.mark()
    played = player.play("site", "--limit", "dbs", "-e", "powernap_timeout=20", *ONE_BY_ONE)
    assert played.status != 0 and set(played.failed) == {"db1", "db2"}, (played.failed, played.errors)
    assert slept(lab, since) == {"db1"} and played.count("unreachable") == 0
    assert "stays awake: db1 did not wake when that was tried" in played.failed["db1"][-1]
    assert "is left alone: db1 did not wake when that was tried" in played.failed["db2"][-1]
    assert "powerwake canary --clear db1" in played.failed["db2"][-1]
    assert set(registered(lab, "wake1")) == {"db1"}


def test_told_to_go_on_it_sets_up_the_rest_of_the_group_which_stays_awake(site):
    lab, player = site
    lab.set("db1", "deaf_to_magic", 0)
    awake(lab, "db1")
    since = lab.mark()
    played = player.play("site", "--limit", "dbs", "-e", "powernap_go_on=true", *ONE_BY_ONE)
    assert played.status != 0 and set(played.failed) == {"db1", "db2"}, (played.failed, played.errors)
    assert slept(lab, since) == set(), "nothing is tried twice, and nobody instead of one that did not wake"
    for name in ("db1", "db2"):
        assert "stays awake: db1 did not wake when that was tried" in played.failed[name][-1]
    refused = powerwake(lab, "nap db2", check=False)
    assert "no machine of group db" in refused.stdout and lab.state("db2") == "awake"


def test_once_the_mark_is_cleared_the_next_run_tries_again_and_one_proves_for_all(site):
    lab, player = site
    powerwake(lab, "canary --clear db1")
    since = lab.mark()
    played = player.play("site", "--limit", "dbs")
    assert played.status == 0, (played.failed, played.errors)
    assert slept(lab, since) in ({"db1"}, {"db2"})
    assert registered(lab)["db2"]["status"]["canary_wanted"] == ""


def test_a_run_that_fails_lets_go_of_all_and_leaves_the_later_batches_alone(site):
    lab, player = site
    since = lab.mark()
    profile = json.dumps({"powernap_profile": "{{ 'nosuch' if inventory_hostname == 'db1' else 'base' }}"})
    played = player.play("site", "--limit", "clients", "-e", profile, "-e", '{"powernap_serial": [2]}')
    assert played.status != 0 and set(played.failed) == {"db1"}, (played.failed, played.errors)
    assert played.stats["web1"]["failures"] == 0 and "db2" not in played.stats
    assert any("1 of 2 machines have failed" in said for said in played.said["web1"])
    for server in SERVERS:
        given = asked(lab, "orders", host=server)["orders"][:2]
        assert [(order["verb"], order["counts"]["done"]) for order in given] == [("release", 1), ("inhibit", 1)]
    for name in ("web1", "db1"):
        assert "powernap.powernap.site" not in lab.run(name, "powernap inhibit --list").stdout
    assert slept(lab, since) == set()


def test_machines_nap_by_playbook_and_each_tells_its_result(site):
    lab, player = site
    since = lab.mark()
    would = player.play("nap", "-l", "dbs", "--check")
    assert would.status == 0 and {host: each["changed"] for host, each in would.stats.items()} == {"db1": 1, "db2": 1}
    assert slept(lab, since) == set()
    powerwake(lab, "inhibit db1 --for 10m --reason 'moving the rack'")
    played = player.play("nap", "-l", "dbs")
    assert played.status != 0 and "moving the rack" in played.failed["db1"][-1]
    assert played.stats["db2"]["changed"] == 1 and "db2" not in played.failed
    lab.wait_state("db2", "asleep", 60)
    powerwake(lab, "release db1 --reason 'moving the rack'")
    again = player.play("nap", "-l", "db2")
    assert (again.status, again.count("changed")) == (0, 0), "it sleeps already, and nobody woke it to ask"
    assert lab.state("db2") == "asleep"


def test_what_machines_are_is_shown_to_people_and_to_programs(site):
    lab, player = site
    table = player.play("status")
    assert (table.status, table.count("changed"), table.count("unreachable")) == (0, 0, 0)
    shown = "\n".join(line for lines in table.said.values() for line in lines)
    row = next(line for line in shown.splitlines() if "db2" in line)
    assert "napping" in row and "suspend" in row
    assert "web1" in shown and lab.state("db2") == "asleep"


def test_what_machines_are_goes_into_a_file_as_json(site, tmp_path):
    _lab, player = site
    file = tmp_path / "status.json"
    played = player.play("status", "-e", "powernap_format=json", "-e", f"powernap_output={file}", "-l", "dbs")
    assert played.status == 0, played.failed
    found = {host["name"]: host["status"] for host in json.loads(file.read_text())}
    assert set(found) == {"db1", "db2"} and found["db2"]["state"] == "napping" and found["db2"]["last_nap"]["began"]


def test_a_second_run_wakes_who_sleeps_and_changes_nothing(site):
    lab, player = site
    assert lab.state("db2") == "asleep"
    since = lab.mark()
    played = player.play("site")
    assert played.status == 0, (played.failed, played.errors)
    assert (played.count("changed"), played.count("unreachable")) == (0, 0), played.changes
    assert slept(lab, since) == set(), "no canary where one has passed and nothing changed"
    assert not any("powernap.powernap.site" in lab.run(name, "powernap inhibit --list").stdout for name in CLIENTS)


def test_machines_are_woken_by_playbook(site):
    lab, player = site
    assert player.play("nap", "-l", "db2").status == 0
    lab.wait_state("db2", "asleep", 60)
    would = player.play("wake", "-l", "dbs", "--check")
    assert {host: each["changed"] for host, each in would.stats.items()} == {"db1": 0, "db2": 1}
    assert lab.state("db2") == "asleep"
    played = player.play("wake", "-l", "dbs")
    assert played.status == 0 and played.stats["db2"]["changed"] == 1 and lab.state("db2") == "awake"
    assert player.play("wake", "-l", "dbs").count("changed") == 0


def test_another_profile_by_playbook_holds_until_it_is_taken_back(site):
    lab, player = site
    played = player.play("profile", "-l", "web1,db1", "-e", "powernap_ordered_profile=night")
    assert played.stats["web1"]["changed"] == 1
    assert until(lambda: registered(lab)["web1"]["status"]["profile"] == "night")
    assert "night" in played.failed["db1"][-1], "it has no such profile, and says so for itself"
    assert player.play("profile", "-l", "web1", "-e", "powernap_ordered_profile=night").count("changed") == 0
    back = player.play("profile", "-l", "web1", "-e", "powernap_ordered_profile=")
    assert (back.status, back.count("changed")) == (0, 1)
    assert player.play("profile", "-l", "web1").status != 0


def test_who_sleeps_may_be_left_out_of_a_run(site):
    lab, player = site
    assert player.play("nap", "-l", "db2").status == 0
    lab.wait_state("db2", "asleep", 60)
    played = player.play("site", "-e", "powernap_skip_asleep=true", "--limit", "db2")
    assert played.status == 0, (played.failed, played.errors)
    assert (played.count("unreachable"), played.count("changed")) == (0, 0)
    assert lab.state("db2") == "asleep"


def test_a_wake_server_that_does_not_answer_costs_only_its_own_machines(site):
    lab, player = site
    awake(lab, *CLIENTS)
    lab.run("wake2", "systemctl stop powerwaked")
    table = player.play("status")
    woken = player.play("wake", "-l", "db1,web1")
    lab.run("wake2", "systemctl start powerwaked")
    shown = "\n".join(line for lines in table.said.values() for line in lines if isinstance(line, str))
    assert table.status != 0 and "db1" in shown, (table.said, table.failed)
    assert all("wake2: " in said[-1] for said in table.failed.values()), table.failed
    assert set(woken.failed) == {"web1"}, woken.failed
    assert "no wake server that answered knows it (wake2: " in woken.failed["web1"][-1]


def test_who_sleeps_is_woken_to_be_removed_and_is_forgotten(site):
    lab, player = site
    awake(lab, "web1")
    assert until(lambda: registered(lab)["web1"]["status"]["link"], 120), "its wake server was away in the test before"
    napped = player.play("nap", "-l", "web1")
    assert napped.status == 0, (napped.failed, napped.errors)
    lab.wait_state("web1", "asleep", 60)
    played = player.play("remove", "-l", "web1")
    assert played.status == 0 and played.count("unreachable") == 0, (played.failed, played.errors)
    assert lab.state("web1") == "awake" and "web1" not in registered(lab)
    assert lab.run("web1", "ls /usr/sbin/powernapd", check=False).returncode != 0
