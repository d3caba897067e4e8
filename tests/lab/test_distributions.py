# SPDX-License-Identifier: GPL-3.0-or-later
"""Other distributions than that of all other tests: one site of them is set up, at work and removed; told in order."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.powernap.lab.plugins.module_utils import image
from playing import Player
from roleplay import differences, looks

HOST = '[hosts.{}]\nnumber = {}\ngroups = ["{}"]\ndistribution = "{}"\n'
SERVES = (
    'services = ["nginx"]\nresume_delay = 0.5\n[hosts.{0}.files]\n"/var/www/html/index.html" = "Served by {0}.\\n"\n'
)
#: By the lab's name: the end of the hosts' names, and what systemd and Python of it are.
SYSTEMS = {
    "debian-13": ("d13", "257", "3.13"),
    "ubuntu-24.04": ("u24", "255", "3.12"),
    "ubuntu-22.04": ("u22", "249", "3.10"),
}
SETTINGS = {
    # Two batches fewer, and the machines nap and wake by themselves below.
    "all": {"powernap_serial": ["100%"], "powernap_canary": False},
    "clients": {
        "powernap_profile": "web-server",
        "powernap_config": {
            "nap": {"min_awake_seconds": 60},  # time to give it work again, once it was woken
            "monitors": {"work": {"kind": "lock", "held": [], "exists": ["/run/work"]}},
            "steps": {
                "night": {"enabled": False},
                "sleep": {"after_seconds": 4, "action": "suspend", "grace_seconds": 1},
            },
        },
    },
    **{
        f"web-{short}": {"powernap_wake_server": f"wake-{short}", "powernap_group": short}
        for short, *_versions in SYSTEMS.values()
    },
}
VERSIONS = """
. /etc/os-release; echo $ID-$VERSION_ID
systemctl --version | awk 'NR == 1 { print $2 }'
python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'
"""
#: systemd of what it does not know in the units, and Python of what went wrong or will.
COMPLAINTS = """
journalctl -b -q -o cat | grep -E '^/[^ ]+/power[a-z-]+[.](service|socket)[^ ]*:[0-9]+:'
journalctl -b -q -o cat -u powernapd -u powernap-hands -u powerwaked | grep -E 'Traceback|Warning:'
"""


@pytest.fixture(scope="module")
def site(start_lab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributions")
    text = "[hosts.desk]\nnumber = 100\n"
    systems = [system for system in SYSTEMS if image.at_hand(system)]
    if not systems:
        pytest.skip("no mirror of another distribution can be reached")
    for number, system in enumerate(systems, start=1):
        server, name = hosts(system)
        text += HOST.format(server, 2 * number, "wake_servers", system)
        text += HOST.format(name, 2 * number + 1, "clients", system) + SERVES.format(name)
    (folder / "lab.toml").write_text(text)
    with start_lab("distributions", folder / "lab.toml") as lab:
        yield lab, Player(lab, folder, SETTINGS)


@pytest.fixture(scope="module")
def before(site):
    return all_looks(site[0])


@pytest.fixture(scope="module")
def set_up(site, before):
    lab, player = site
    for name in before:
        lab.run(name, "touch /run/work")
    return player.play("site")


@pytest.fixture(params=SYSTEMS)
def system(request, site):
    if hosts(request.param)[0] not in site[0].hosts():
        pytest.skip(f"the mirror of {request.param} cannot be reached")
    return request.param


def hosts(system):
    return [f"{kind}-{SYSTEMS[system][0]}" for kind in ("wake", "web")]


def all_looks(lab):
    return {name: looks(lab, name) for name in lab.hosts() if name != "desk"}


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def test_the_hosts_are_of_the_distribution(site, system):
    lab, _player = site
    for name in hosts(system):
        assert lab.run(name, VERSIONS).stdout.splitlines() == [system, *SYSTEMS[system][1:]]


def test_the_site_is_set_up(set_up, system):
    for name in hosts(system):
        assert name not in set_up.failed, set_up.failed[name]
        assert set_up.stats[name]["changed"], set_up.errors


def test_systemd_and_python_have_no_fault_to_find_with_the_daemons(site, set_up, system):
    lab, _player = site
    for name, daemon in zip(hosts(system), ("powerwaked", "powernapd"), strict=True):
        assert lab.run(name, f"systemctl is-active {daemon}").stdout == "active\n"
        assert lab.run(name, COMPLAINTS, check=False).stdout == ""


def test_the_key_is_in_the_file_only_and_in_no_journal(site, set_up, system):
    lab, _player = site
    key = lab.run(hosts(system)[1], "cat /etc/powernap/client.key").stdout.strip()
    for name in hosts(system):
        assert len(key) == 64 and lab.run(name, f"journalctl -b -q | grep -cF {key}", check=False).stdout == "0\n"


def test_a_second_run_changes_nothing(site, before, set_up):
    again = site[1].play("site")
    assert set(before) <= set(again.stats)
    assert (again.status, again.changes) == (0, []), (again.failed, again.errors)


def test_an_idle_machine_naps_and_whoever_wants_a_page_of_it_wakes_it(site, set_up, system):
    lab, _player = site
    _server, name = hosts(system)
    lab.run(name, "rm /run/work")
    lab.wait_state(name, "asleep", 120)
    page = lab.run("desk", f"curl -sS --max-time 60 http://{lab.host(name)['ipv4']}/", timeout=70)
    assert page.stdout == f"Served by {name}.\n"
    lab.run(name, "touch /run/work")


def test_both_can_say_what_happened(site, set_up, system):
    lab, _player = site
    server, name = hosts(system)
    desk = lab.host("desk")["ipv4"]
    woken = until(lambda: json.loads(lab.run(name, "powernap status --json").stdout)["server"].get("woken_for"))
    assert (woken["reason"], woken["address"], woken["port"]) == ("demand", desk, 80)
    assert "lock monitor work: locked: /run/work" in lab.run(name, "powernap why").stdout
    assert desk in lab.run(name, "powernap history").stdout
    assert f"from {desk}" in lab.run(server, f"powerwake status {name}").stdout


@pytest.fixture(scope="module")
def after(site, set_up):
    lab, player = site
    removed = player.play("remove")
    assert removed.status == 0, (removed.failed, removed.errors)
    return all_looks(lab)


def test_a_removed_host_is_what_it_was(before, after, system):
    for name in hosts(system):
        assert differences(before[name], after[name]) == []
