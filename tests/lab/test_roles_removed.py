# SPDX-License-Identifier: GPL-3.0-or-later
"""A site is set up by the roles and removed again: afterwards its hosts are what they were, byte for byte."""

from __future__ import annotations

import json

import pytest
from conftest import ROOT
from roleplay import RolePlayer, differences, looks

SITE, REMOVE = str(ROOT / "tests/lab/roles_site.yml"), "powernap.powernap.remove"
#: What udev says of a card (udevadm info -q property): the lab has no udev, and the role reads no more of it than this.
UDEV = "E:ID_NET_DRIVER=e1000e\nE:ID_NET_LINK_FILE=/usr/lib/systemd/network/99-default.link\n"
DEFAULT_LINK = """[Match]
OriginalName=*

[Link]
NamePolicy=keep kernel database onboard slot path
AlternativeNamesPolicy=database onboard slot path
MACAddressPolicy=persistent
"""
LAMPS = {"lamps": {"action": "exec", "command": "/usr/local/bin/lamps", "after_seconds": 300}}
LAMPS_PROGRAM = "#!/bin/sh\necho $1 >>/run/lamps\n"
DRAIN = "#!/bin/sh\n. /etc/powernap/drain.env\necho $1 $POOL >>/run/drained\n"
#: A package that the role misses is taken out, into a repository of its own: with the one that only comes with it.
REPOSITORY = r"""
set -e
export LC_ALL=C.UTF-8
mkdir -p /srv/packages; cd /srv/packages
for name in python3-h11 python3-wsproto; do
    mkdir -p $name/DEBIAN
    dpkg -L $name | while read -r path; do [ -d "$path" ] || [ ! -e "$path" ] || echo "$path"; done >files
    tar -cPf - -T files | tar -C $name -xf -
    cp /var/lib/dpkg/info/$name.p* $name/DEBIAN
    dpkg -s $name | grep -vE '^(Status|Conffiles|Installed-Size)' >$name/DEBIAN/control
    dpkg-deb --root-owner-group -b $name $name.deb >/dev/null
    { dpkg-deb -f $name.deb; echo "Filename: ./$name.deb"; echo "Size: $(stat -c %s $name.deb)"
      echo "SHA256: $(sha256sum <$name.deb | cut -d' ' -f1)"; echo; } >>Packages
done
apt-get -y -qq --no-auto-remove purge python3-wsproto python3-h11 >/dev/null 2>&1
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/packages ./' >/etc/apt/sources.list
apt-get -qq update
apt-get -s -qq install python3-wsproto >/dev/null
"""


@pytest.fixture(scope="module")
def site(start_lab, tmp_path_factory):
    with start_lab("removed", ROOT / "tests/lab/roles.toml") as lab:
        yield lab, tmp_path_factory.mktemp("roles")


@pytest.fixture(scope="module")
def story(site):
    """Everything that happens, once; the tests look at parts of it."""
    lab, folder = site
    variables = {
        "wake1": {"powerwaked_subnets": ["203.0.113.0/24"]},
        "wake2": {"powerwaked_subnets": ["198.18.0.0/16"]},
        "web1": {"powernap_config": {"steps": LAMPS}},
    }
    player = RolePlayer(lab, folder, variables)
    lab.run("web1", REPOSITORY, timeout=120)
    lab.run("web1", "mkdir -p /run/udev/data; cat >/run/udev/data/n$(cat /sys/class/net/eth0/ifindex)", input=UDEV)
    lab.run("web1", "cat >/usr/lib/systemd/network/99-default.link", input=DEFAULT_LINK)
    lab.run("web1", "cat >/usr/local/bin/lamps; chmod 755 /usr/local/bin/lamps", input=LAMPS_PROGRAM)
    lab.run("web1", "mkdir -m 750 /etc/powernap; umask 027; echo 'was here' >/etc/powernap/powernapd.toml")
    told = {"before": {name: looks(lab, name) for name in ("wake2", "web1")}}
    told["set up"] = player.play(SITE)
    (folder / "drain.sh").write_text(DRAIN)
    drain = {"powernap_drain": str(folder / "drain.sh"), "powernap_drain_settings": {"POOL": "web"}}
    told["drained"] = player.play("powernap.powernap.drain", **drain)
    told["between"] = {name: looks(lab, name) for name in ("wake2", "web1")}
    told["status"] = json.loads(lab.run("web1", "powernap status --json").stdout)
    told["link"] = lab.run("web1", "cat /etc/systemd/network/10-powernap-eth0.link").stdout
    told["known"] = [lab.run(name, "powerwake list --json").stdout for name in ("wake1", "wake2")]
    lab.run("web1", "powernap now", check=False)
    lab.run("web1", "for i in $(seq 100); do [ -e /run/lamps ] && break; sleep 0.1; done; cat /run/lamps")
    lab.run("web1", "systemctl kill -s KILL --kill-whom=main powernapd; systemctl stop powernapd; cat /run/lamps")
    told["checked"] = player.play(REMOVE, "--check", "--diff")
    told["checked looks"] = {name: looks(lab, name) for name in ("wake2", "web1")}
    told["some removed"] = player.play(REMOVE, "--limit", "clients,wake1")
    told["lamps"] = lab.run("web1", "cat /run/lamps").stdout
    told["known after"] = lab.run("wake2", "powerwake list --json").stdout
    told["all removed"] = player.play(REMOVE)
    told["after"] = {name: looks(lab, name) for name in ("wake2", "web1")}
    return told


def test_the_site_is_set_up_without_a_fault(story):
    assert story["set up"].failed == []
    assert story["status"]["state"] == "awake"


def test_the_machine_knows_the_wake_server_of_its_network_and_no_other(story):
    assert story["status"]["server"]["url"] == "https://198.18.0.9:20709"
    assert ["web1" in known for known in story["known"]] == [False, True]


def test_the_machine_has_a_script_of_the_site_s_that_drains_it(story):
    assert set(story["drained"].changed()) == {"web1"}
    assert [line for line in story["between"]["web1"] if line.startswith("etc/powernap/drain.env f 600 ")]


def test_what_was_missing_is_installed_with_what_comes_with_it(story):
    assert [line for line in story["between"]["web1"] if line.startswith("usr/lib/python3/dist-packages/h11 ")]


def test_the_card_is_armed_by_whoever_sets_it_up_at_boot(story):
    assert "MACAddress=02:4c:00:00:00:03\n" in story["link"]
    assert "NamePolicy=keep kernel database onboard slot path\n" in story["link"]
    assert story["link"].endswith("WakeOnLan=magic\n")
    assert "\tWake-on: g" in story["between"]["web1"]


def test_check_mode_says_what_would_go_and_changes_nothing(story):
    assert set(story["checked"].changed()) == {"wake1", "wake2", "web1"}
    for name in ("wake2", "web1"):
        changed = differences(story["between"][name], story["checked looks"][name])
        states = ("/powerwaked/", "/powernapd/", "/powernap-hands/")
        assert [line for line in changed if not any(state in line for state in states)] == []


def test_what_a_killed_powernapd_left_turned_down_is_turned_up(story):
    assert story["lamps"] == "true\nfalse\n"


def test_the_wake_server_has_forgotten_the_machine(story):
    assert "web1" not in story["known after"]


@pytest.mark.parametrize("name", ["wake2", "web1"])
def test_a_host_is_what_it_was(story, name):
    assert differences(story["before"][name], story["between"][name]) != []
    assert differences(story["before"][name], story["after"][name]) == []


def test_removing_once_more_changes_nothing(story):
    assert set(story["some removed"].changed()) == {"wake1", "web1"}
    assert set(story["all removed"].changed()) == {"wake2"}
