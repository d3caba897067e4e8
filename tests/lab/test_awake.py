# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays over machines of which some sleep: woken, held awake and let go, or left out; and ssh to one that sleeps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.powernap.lab.plugins.module_utils import inventory
from channel import URL, asked
from conftest import ROOT, TestLab
from meddling import LATER, SOON
from napping import QUIET, Napper, authority

#: They nap whenever nobody holds them: two seconds after whatever woke them, ssh sessions or not.
IDLE = SOON.replace("absent_seconds = 1", "absent_seconds = 2") + QUIET
#: As the profiles have it: an open session holds the machine awake by itself.
SESSIONS = '[monitors.ssh]\nkind = "tcp"\nports = ["22"]\n'
CONFIG = {"web1": IDLE + SESSIONS, "web2": IDLE, "web3": LATER + QUIET}
LINGERS = 5  # seconds that a play does nothing on a machine that would nap after two
GHOST = {"mac": "02:4c:00:00:00:77", "address": "198.18.0.119"}


class Desk:
    """ansible-playbook and powerwake of this checkout, in the network of the host desk."""

    def __init__(self, lab: TestLab, folder) -> None:
        self.lab, self.folder = lab, folder
        self.token, self.ca = folder / "token", folder / "ca.pem"
        self.token.write_text(asked(lab, "token create --role operator --name alice")["token"])
        self.token.chmod(0o600)
        self.ca.write_text(authority(lab))
        self.ssh = inventory.ssh_options(lab)[2:]  # straight, not by the lab's own way in
        hosts = inventory.data(lab)
        hosts["all"]["vars"]["ansible_ssh_common_args"] = " ".join(self.ssh)
        # Longer than a nap is in coming: a play finds the connections of the one before, to machines that sleep by now.
        hosts["all"]["vars"]["ansible_ssh_args"] = "-o ControlMaster=auto -o ControlPersist=300s"
        hosts["all"]["vars"]["ansible_control_path"] = "%(directory)s/%%h"
        hosts["all"]["children"]["clients"]["hosts"]["ghost"] = {"ansible_host": GHOST["address"]}
        hosts["all"]["children"]["clients"]["vars"] = {"powernap_wake_server": "wake1"}
        self.sockets = Path(hosts["all"]["vars"]["ansible_control_path_dir"])
        (folder / "hosts.yml").write_text(json.dumps(hosts))
        (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\nforks = 10\n")

    def run(self, *words, timeout=200, **env):
        """In its network; the completed process."""
        reach = {"POWERWAKE_TOKEN_FILE": str(self.token), "POWERWAKE_CA_FILE": str(self.ca)}
        tree = subprocess.run([ROOT / "scripts/tree"], check=True, capture_output=True, text=True).stdout.strip()
        env = {**os.environ, **reach, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "PYTHONPATH": tree, **env}
        inside = ["nsenter", f"--net=/proc/{self.lab.host('desk')['pid']}/ns/net", "--"]
        return subprocess.run(
            [*inside, *map(str, words)], check=False, capture_output=True, text=True, timeout=timeout, env=env
        )

    def play(self, *tasks, limit="clients", defaults=None, **env):
        """Run a play; (its exit status, what it has printed, what the first task returned by host)."""
        shown = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ here | to_json }}"}}
        first = {"name": "Be awake", "register": "here", **tasks[0]}
        play = {"name": "Work", "hosts": limit, "gather_facts": False, "module_defaults": defaults or {}}
        play["tasks"] = [first, shown, *tasks[1:]]
        file = self.folder / "play.yml"
        file.write_text(json.dumps([play]))
        words = [sys.executable, "-m", "ansible", "playbook", "-i", self.folder / "hosts.yml", file]
        done = self.run(*words, ANSIBLE_NOCOLOR="1", **env)
        out = done.stdout + done.stderr
        assert "UNREACHABLE" not in out and "unreachable=0 " in out and "Traceback" not in out, out
        said = re.findall(r'ok: \[(\w+)\] => \{\n    "msg": ("\{.*")\n\}', out)
        return done.returncode, out, {name: json.loads(json.loads(text)) for name, text in said}

    def connected(self, name):
        """Whether a connection to that machine is kept open."""
        return (self.sockets / self.lab.host(name)["ipv4"]).is_socket()

    def hang_up(self):
        for control in self.sockets.glob("*"):
            self.run("ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab")


@pytest.fixture(scope="module")
def desk(start_lab, tmp_path_factory):
    """Before anything naps: with a connection to web2 that was left open."""
    with start_lab("awake", ROOT / "tests/lab/awake.toml") as lab:
        machines = {name: Napper(lab, name) for name in CONFIG}
        desk = Desk(lab, tmp_path_factory.mktemp("desk"))
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


CALLBACK = {"ANSIBLE_CALLBACKS_ENABLED": "powernap.powernap.awake"}
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
        **CALLBACK,
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
        **CALLBACK,
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
        **CALLBACK,
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
        {"powernap.powernap.awake": {}, "check_mode": True}, limit="web2,web3", defaults=SERVER_FOR_ALL, **CALLBACK
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
        **CALLBACK,
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
    words = [sys.executable, "-m", "ansible", "playbook", "-i", desk.folder / "clients.yml", *site]
    done = desk.run(*words, ANSIBLE_NOCOLOR="1", POWERWAKE_SERVER=URL)
    assert done.returncode == 0 and "UNREACHABLE" not in done.stdout, done.stdout + done.stderr
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
            {"powernap.powernap.awake": {"server": URL}}, limit="web2,web3", ANSIBLE_TIMEOUT="3", **CALLBACK
        )
    finally:
        lab.run("wake1", "systemctl start powerwaked")
    assert here["web3"]["was"] == "unknown" and "web3 is neither woken nor held awake" in out
    assert out.count("fatal: ") == 1 and "and web2 cannot be reached without it" in out


def test_plain_ssh_and_a_play_that_knows_nothing_wake_the_machine_by_the_proxy_command(asleep, desk):
    lab = desk.lab
    since = lab.mark()
    proxy = f"{sys.executable} -m powernap powerwake proxy %h %p --server {URL}"
    to_web2 = ["-o", f"ProxyCommand={proxy} --fdpass", "-o", "ProxyUseFdpass=yes", f"root@{lab.host('web2')['ipv4']}"]
    done = desk.run("ssh", *desk.ssh, *to_web2, "hostname")
    assert (done.returncode, done.stdout, done.stderr) == (0, "web2\n", "")

    desk.hang_up()
    by_proxy = f"{' '.join(desk.ssh)} -o 'ProxyCommand={proxy}'"
    status, out, here = desk.play(
        {
            "ansible.builtin.command": "hostname",
            "changed_when": False,
            "vars": {"ansible_ssh_common_args": by_proxy, "ansible_timeout": 120},
        },
        limit="web1",
    )
    assert status == 0 and here["web1"]["stdout"] == "web1", out
    assert seen(lab, since, "resumed") == {"web1", "web2"}

    lost = desk.run("ssh", *desk.ssh, "-o", f"ProxyCommand={proxy} --timeout 6", f"root@{GHOST['address']}", "hostname")
    assert lost.returncode == 255 and "powerwake: ghost did not wake within 6 s" in lost.stderr
