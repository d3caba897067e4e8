# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays over machines of which some sleep: woken, held awake and let go, or left out; and ssh to one that sleeps."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from channel import URL, asked
from conftest import ROOT
from desk import Desk
from meddling import LATER, SOON
from napping import QUIET, Napper

#: They nap whenever nobody holds them: two seconds after whatever woke them, ssh sessions or not.
IDLE = SOON.replace("absent_seconds = 1", "absent_seconds = 2") + QUIET
#: As the profiles have it: an open session holds the machine awake by itself.
SESSIONS = '[monitors.ssh]\nkind = "tcp"\nports = ["22"]\n'
CONFIG = {"web1": IDLE + SESSIONS, "web2": IDLE, "web3": LATER + QUIET}
LINGERS = 5  # seconds that a play does nothing on a machine that would nap after two
GHOST = {"mac": "02:4c:00:00:00:77", "address": "198.18.0.119"}


@pytest.fixture(scope="module")
def desk(start_lab, tmp_path_factory):
    """Before anything naps: with a connection to web2 that was left open."""
    with start_lab("awake", ROOT / "tests/lab/awake.toml") as lab:
        machines = {name: Napper(lab, name) for name in CONFIG}
        desk = Desk(lab, tmp_path_factory.mktemp("desk"), [("ghost", GHOST["address"])])
        desk.machines = machines
        desk.play({"ansible.builtin.command": "true"}, limit="web2")
        yield desk
        desk.hang_up()


@pytest.fixture(scope="module")
def fleet(desk):
    lab, machines = desk.lab, desk.machines
    for name, each in machines.items():
        host = lab.host(name)
        each.run("ethtool -s eth0 wol g")
        # By order alone, so that no connection wakes what a play should wake.
        asked(lab, f"register {name} --mac {host['mac']} --address {host['ipv4']} --wake-on never")
        each.start(CONFIG[name])
    each.is_linked()
    asked(lab, f"register ghost --mac {GHOST['mac']} --address {GHOST['address']}")
    return machines


@pytest.fixture
def asleep(fleet):
    """web1 and web2 sleep, web3 does not; a connection to web2 was left open."""
    for name in ("web1", "web2"):
        fleet[name].falls_asleep()
        fleet[name].known_as("proxied")
    return fleet


WORK = {"name": "Work on", "ansible.builtin.command": f"sleep {LINGERS}", "changed_when": False}
SERVER_FOR_ALL = {"group/powernap.powernap.powerwake": {"server": URL}}
LEASES = {"name": "Leases", "ansible.builtin.command": "powernap inhibit --list", "register": "leases"}
SHOW_LEASES = {"name": "Show leases", "ansible.builtin.debug": {"msg": "leases {{ leases.stdout }}"}}


def seen(lab, since, event):
    """The hosts to which that happened."""
    return {each["host"] for each in lab.events(since) if each["event"] == event}


def test_a_play_wakes_who_sleeps_and_holds_all_awake_until_it_has_failed(asleep, desk):
    lab = desk.lab
    since = lab.mark()
    status, out, here = desk.play(
        {"powernap.powernap.awake": {"server": URL, "timeout": 8}},
        WORK,
        LEASES,
        SHOW_LEASES,
        {"name": "Fail", "ansible.builtin.fail": {"msg": "as it happens"}, "when": "inventory_hostname == 'web1'"},
    )
    assert status != 0
    assert {name: (each["was"], each["changed"]) for name, each in here.items()} == {
        "web1": ("asleep", True),
        "web2": ("asleep", True),
        "web3": ("awake", False),
    }
    assert all(each["held"] and each["tries"] >= 1 for each in here.values())
    assert out.count("fatal: ") == 2 and "fatal: [ghost]: FAILED!" in out and "fatal: [web1]: FAILED!" in out
    assert "ghost did not wake within 8 s" in out
    assert len(re.findall(r"leases \d+: alice .* play Work of \w+ on ", out)) == 3
    assert seen(lab, since, "resumed") == {"web1", "web2"}
    assert [each["verb"] for each in asked(lab, "orders")["orders"][:2]] == ["release", "inhibit"], "one order for all"
    assert "play Work" not in asleep["web3"].run("powernap inhibit --list").stdout
    for name in ("web1", "web2"):  # and nobody holds them any more
        asleep[name].falls_asleep()


def test_by_way_of_the_wake_servers_own_socket_with_a_last_task_and_without_one(asleep, desk):
    lab = desk.lab
    delegated = {"delegate_to": "{{ powernap_wake_server }}"}
    status, out, here = desk.play(
        {"powernap.powernap.awake": {"hold": 600}, **delegated},
        WORK,
        {"name": "Fail", "ansible.builtin.fail": {"msg": "as it happens"}, "when": "inventory_hostname == 'web1'"},
        {"name": "Let go", "powernap.powernap.awake": {"state": "released"}, **delegated},
        limit="web1,web2",
    )
    assert status != 0 and "WARNING" not in out, out
    assert {name: (each["was"], each["held"], each.get("not_held")) for name, each in here.items()} == {
        "web1": ("asleep", True, None),
        "web2": ("asleep", True, None),
    }
    assert "changed: [web2 -> wake1" in out.partition("TASK [Let go]")[2]
    assert [each["verb"] for each in asked(lab, "orders")["orders"][:3]] == ["release", "release", "inhibit"]
    for name in ("web1", "web2"):
        asleep[name].falls_asleep()


def test_who_sleeps_is_left_out_and_nobody_is_woken(asleep, desk):
    lab = desk.lab
    since = lab.mark()
    status, out, here = desk.play(
        {"powernap.powernap.awake": {"server": URL}, "vars": {"powernap_skip_asleep": True}},
        {"name": "End", "ansible.builtin.meta": "end_host", "when": "here is skipped"},
        {"name": "Work", "ansible.builtin.command": "true", "changed_when": False},
    )
    assert status == 0 and "fatal" not in out, out
    assert {name for name, each in here.items() if not each.get("skipped")} == {"web3"}
    assert here["web1"]["skip_reason"] == "web1 is asleep"
    assert out.partition("TASK [Work]")[2].count("ok: [") == 1
    assert not seen(lab, since, "magic packet") and not seen(lab, since, "resumed")


def test_check_mode_says_who_would_be_woken_and_wakes_nobody(asleep, desk):
    lab = desk.lab
    since = lab.mark()
    status, _out, here = desk.play(
        {"powernap.powernap.awake": {}, "check_mode": True}, limit="web2,web3", defaults=SERVER_FOR_ALL
    )
    assert status == 0
    assert {name: (each["was"], each["changed"]) for name, each in here.items()} == {
        "web2": ("asleep", True),
        "web3": ("awake", False),
    }
    assert not seen(lab, since, "magic packet")


def test_a_nap_by_the_module_is_a_real_one_and_the_play_wakes_the_machine_when_it_goes_on(fleet, desk):
    lab = desk.lab
    since = lab.mark()
    info = {"powernap.powernap.powerwake_info": {"gather": ["hosts"], "name": ["web3"]}, "delegate_to": "localhost"}
    status, out, here = desk.play(
        {"powernap.powernap.powernap": {"state": "napping", "nap_delay": 2}},
        {**info, "register": "seen", "until": "seen.hosts[0].wake_state == 'proxied'", "retries": 60, "delay": 1},
        {"name": "Wake", "powernap.powernap.awake": {}},
        {"name": "Work", "ansible.builtin.command": "hostname", "changed_when": False},
        limit="web3",
        defaults=SERVER_FOR_ALL,
    )
    assert status == 0 and "fatal" not in out, out
    assert (here["web3"]["changed"], here["web3"]["action"]) == (True, "suspend")
    assert "changed: [web3]" in out.partition("TASK [Wake]")[2].partition("TASK [Work]")[0]
    happened = [each["event"] for each in lab.events(since) if each["host"] == "web3"]
    assert "resumed" in happened[happened.index("asleep") :]


def test_site_asks_the_wake_server_of_the_environment_where_the_inventory_has_none(asleep, desk):
    lab = desk.lab
    since = lab.mark()
    hosts = json.loads((desk.folder / "hosts.yml").read_text())
    del hosts["all"]["children"]["wake_servers"]
    hosts["all"]["children"]["clients"]["vars"] = {"powernap_config": {"server": {"url": URL}}}
    (desk.folder / "clients.yml").write_text(json.dumps(hosts))
    site = ["powernap.powernap.site", "--tags", "none", "--limit", "web1,web2", "-e", '{"powernap_serial": [2]}']
    status, out = desk.playbook(desk.folder / "clients.yml", *site, POWERWAKE_SERVER=URL)
    assert status == 0, out
    assert seen(lab, since, "resumed") == {"web1", "web2"}
    orders = asked(lab, "orders")["orders"][:2]
    assert [(each["verb"], each["by"].split()[0], each["counts"]) for each in orders] == [
        ("release", "alice", {"done": 2}),
        ("inhibit", "alice", {"done": 2}),
    ]


def test_a_host_that_nobody_knows_and_a_wake_server_that_is_away_are_told_of_in_one_sentence(asleep, desk):
    lab = desk.lab
    _status, out, _here = desk.play({"powernap.powernap.awake": {"server": URL, "name": "nobody"}}, limit="web3")
    assert "the wake server knows no host nobody: register it" in out
    assert desk.connected("web2"), "on that, whoever does not hang up first would wait without an end"
    lab.run("wake1", "systemctl stop powerwaked")
    try:
        _status, out, here = desk.play(
            {"powernap.powernap.awake": {"server": URL}}, limit="web2,web3", ANSIBLE_TIMEOUT="3"
        )
    finally:
        lab.run("wake1", "systemctl start powerwaked")
    assert here["web3"]["was"] == "unknown" and "web3 is neither woken nor held awake" in out
    assert out.count("fatal: ") == 1 and "and web2 cannot be reached without it" in out


PROXY = {  # of the inventory plugin, with which plays need to know nothing
    "plugin": "powernap.powernap.powerwaked",
    "server": URL,
    "wake_on_connect": True,
    "groups": {"clients": "inventory_hostname != 'ghost'"},
    "compose": {"ansible_user": "'root'", "ansible_python_interpreter": "'/usr/bin/python3'"},
}
STOCK = [
    {
        "name": "Look at machines",
        "hosts": "clients",
        "tasks": [
            {"name": "Ask", "ansible.builtin.command": "hostname", "changed_when": False, "register": "said"},
            {"name": "Show", "ansible.builtin.debug": {"msg": "{{ said.stdout }} is {{ ansible_facts.hostname }}"}},
        ],
    }
]


def test_ssh_and_what_runs_over_it_wake_the_machine_by_the_proxy_command(asleep, desk):
    lab, address = desk.lab, {name: f"root@{lab_host['ipv4']}" for name, lab_host in desk.lab.hosts().items()}
    since = lab.mark()
    proxy = f"{desk.powerwake()} proxy --server {URL} %h %p"
    handed = [*desk.ssh, "-o", f"ProxyCommand={proxy} --fdpass", "-o", "ProxyUseFdpass=yes"]
    done = desk.run("ssh", *handed, address["web2"], "hostname")
    assert (done.returncode, done.stdout, done.stderr) == (0, "web2\n", "")
    done = desk.run("scp", *desk.ssh, "-o", f"ProxyCommand={proxy}", f"{address['web1']}:/etc/hostname", desk.folder)
    assert (done.returncode, (desk.folder / "hostname").read_text()) == (0, "web1\n"), done.stderr
    assert seen(lab, since, "resumed") == {"web1", "web2"}

    asleep["web2"].falls_asleep()
    asleep["web2"].known_as("proxied")
    shell = " ".join(["ssh", *map(shlex.quote, handed)])
    done = desk.run("rsync", "-e", shell, desk.folder / "hostname", f"{address['web2']}:/root/from-web1")
    assert done.returncode == 0, done.stderr
    assert asleep["web2"].run("cat /root/from-web1").stdout == "web1\n"

    lost = desk.run("ssh", *desk.ssh, "-o", f"ProxyCommand={proxy} --timeout 6", f"root@{GHOST['address']}", "hostname")
    assert lost.returncode == 255 and "powerwake: ghost did not wake within 6 s" in lost.stderr


@pytest.fixture
def patient(asleep, desk):
    """Machines that do not nap between two tasks; web1 and web2 sleep by order."""
    for name in ("web1", "web2"):
        desk.lab.button(name)
        desk.lab.wait_state(name, "awake", 60)
        asleep[name].start(LATER + QUIET)
        asleep[name].is_linked()
    desk.hang_up()
    asked(desk.lab, "nap web1 web2")
    for name in ("web1", "web2"):
        asleep[name].falls_asleep()
        asleep[name].known_as("proxied")


def test_a_play_that_knows_nothing_wakes_whom_it_needs_where_the_inventory_plugin_says_so(patient, desk):
    lab = desk.lab
    since = lab.mark()
    by_proxy = {
        "token_file": str(desk.token),
        "ca_file": str(desk.ca),
        "powerwake_program": str(desk.powerwake()),
        "ssh_common_args": " ".join(desk.ssh),
    }
    (desk.folder / "site.powerwaked.yml").write_text(json.dumps(PROXY | by_proxy))
    (desk.folder / "stock.yml").write_text(json.dumps(STOCK))
    status, out = desk.playbook(desk.folder / "site.powerwaked.yml", desk.folder / "stock.yml")
    assert status == 0 and "failed=0" in out, out
    assert sorted(re.findall(r'"msg": "(\w+) is (\w+)"', out)) == [(name, name) for name in sorted(CONFIG)]
    assert seen(lab, since, "resumed") == {"web1", "web2"}
    running = desk.run("ps", "-eo", "args").stdout.splitlines()
    assert not [line for line in running if "-m powernap powerwake proxy" in line and str(desk.token) in line]
