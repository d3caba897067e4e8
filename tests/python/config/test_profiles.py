# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped profiles, rendered for several machines, and their pages."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from powernap.nap import setup
from powernap.nap.conditions import Surroundings
from powernap.nap.policy import policy_of
from powernap.profiles.render import host_facts, render, templates
from powernap.shared.virtual import Virtualization

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "profiles"
TEMPLATES = templates()
BARE = {
    "cpus": 1,
    "battery": False,
    "lid": False,
    "displays": [],
    "audio": False,
    "disks": [],
    "desktop": False,
    "hypervisors": [],
    "containers": [],
    "schedulers": [],
    "shares": [],
    "interfaces": [],
    "sleep_states": [],
    "tcp_ports": [],
    "udp_ports": [],
}
FULL = BARE | {
    "cpus": 64,
    "battery": True,
    "lid": True,
    "displays": ["eDP-1"],
    "audio": True,
    "disks": [{"name": "sda", "rotational": True}],
    "sleep_states": ["freeze", "mem", "disk"],
}
FACTS = {"bare": BARE, "full": FULL, "laptop without hibernation": FULL | {"sleep_states": ["mem"]}}


def configuration(folder, facts, name):
    """Return the configuration that includes a profile, as powernapd takes it."""
    profiles = folder / "profiles"
    profiles.mkdir()
    for each, text in TEMPLATES.items():
        (profiles / f"{each}.toml").write_text(render(each, text, facts))
    (folder / "powernapd.toml").write_text(f'include = ["{name}"]\n')
    return setup.load(folder / "powernapd.toml", profile_dirs=(str(profiles),))


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_profile_renders_to_a_valid_configuration(tmp_path, name, facts):
    config = configuration(tmp_path, facts, name)
    setup.build(config).watch.close()
    assert {"terminals", "ssh", "load", "maintenance"} <= set(config.monitors), "every profile watches people and load"
    assert config.warnings, "every profile warns"


def test_a_laptop_sleeps_earlier_on_battery_and_hibernates_when_it_is_empty(tmp_path):
    steps = configuration(tmp_path, FULL, "laptop").steps
    assert steps["battery"].after_seconds < steps["mains"].after_seconds
    assert (steps["empty"].action, steps["empty"].battery_below) == ("hibernate", 10)
    assert (steps["lid"].lid, steps["lid"].display) == ("closed", "none")


def test_a_laptop_without_a_battery_naps_as_a_desktop_does(tmp_path):
    config = configuration(tmp_path, BARE, "laptop")
    assert not config.steps
    assert config.nap.absent_seconds == 1200


@pytest.mark.parametrize("name", ["web-server", "file-server", "database", "build-machine", "home-server"])
def test_a_server_sleeps_earlier_at_night_and_at_any_hour_at_last(tmp_path, name):
    policy = policy_of(configuration(tmp_path, FULL, name), Virtualization("none", "none", "a test"))
    assert policy.notes == ()

    def idle_time(weekday, hour):
        around = Surroundings(weekday=weekday, second_of_day=hour * 3600.0)
        return next(step.after_seconds for step in policy.steps if step.sleeps and step.conditions.holds(around))

    for weekday in range(7):
        assert idle_time(weekday, 2) < idle_time(2, 11), weekday
    assert all(step.grace_seconds >= 30 for step in policy.steps if step.sleeps), "people are warned"
    by_day = [step for step in policy.steps if step.sleeps and not step.conditions]
    assert [step.name for step in by_day] == ["sleep"], "it sleeps also where the local time is not known"
    office = name in ("file-server", "database", "build-machine")
    assert (idle_time(5, 11) < idle_time(4, 11)) is office, "nobody is at work on Saturday"
    assert idle_time(6, 11) == idle_time(5, 11)


@pytest.mark.parametrize(("name", "line"), [
    ("build-machine", "/usr/bin/make -j8"),
    ("build-machine", "/opt/runner/bin/Runner.Worker spawnclient 5 6"),
    ("build-machine", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus -quiet"),
    ("database", "/usr/lib/postgresql/15/bin/pg_dump -Fc shop"),
    ("hypervisor", "qemu-img convert a b"),
    ("hypervisor", "/usr/bin/virsh migrate --live a"),
    ("hpc-node", "/opt/blender/blender -b scene.blend"),
    ("hpc-node", "/usr/bin/mpirun -n 4 a.out"),
    ("file-server", "/usr/sbin/zpool scrub tank"),
    ("home-server", "/usr/lib/jellyfin-ffmpeg/ffmpeg -i x"),
    ("laptop", "/usr/bin/mpv film.mkv"),
    ("base", "/usr/bin/borg create repo::x"),
])  # fmt: skip
def test_work_is_seen_by_its_command_line(tmp_path, name, line):
    monitors = configuration(tmp_path, FULL, name).monitors.values()
    patterns = [section.values["pattern"] for section in monitors if section.kind == "process"]
    assert any(re.search(pattern, line) for pattern in patterns)


@pytest.mark.parametrize("line", [
    "/usr/bin/gitlab-runner run --working-directory /home",
    "/opt/runner/bin/Runner.Listener run",
    "/usr/sbin/sshd -D",
    "/usr/bin/python3 /usr/bin/networkd-dispatcher",
    "/usr/lib/postgresql/15/bin/postgres -D /var/lib",
    "/usr/bin/jellyfin --datadir=/var/lib",
    "/usr/sbin/slurmd -D",
    "/usr/sbin/libvirtd",
    "[kworker/0:1-events]",
    "/bin/bash",
])  # fmt: skip
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_only_waits_is_no_work(tmp_path, name, line):
    monitors = configuration(tmp_path, FULL, name).monitors.values()
    for section in monitors:
        assert section.kind != "process" or not re.search(section.values["pattern"], line), section.name


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_page_of_a_profile_names_its_monitors_and_its_times(tmp_path, name):
    page = (PAGES / f"{name}.md").read_text()
    config = configuration(tmp_path, FULL, name)
    own = {
        key.split(".")[1] for key, file in config.origin.items() if key.startswith("monitors.") and f"/{name}." in file
    }
    assert {monitor for monitor in own if f"`{monitor}`" not in page} == set()
    assert {step for step in config.steps if f"`{step}`" not in page} == set()
    seconds = {f"{step.after_seconds:g}" for step in config.steps.values()} or {f"{config.nap.absent_seconds:g}"}
    if name != "base":
        assert {number for number in seconds if f"{number} s" not in page} == set()
        assert "(base.md)" in page
    keys = ("threshold", "min_bytes_per_second")
    given = {(name, key): config.monitors[name].values.get(key) for name in own & set(config.monitors) for key in keys}
    if name != "base":  # whose threshold depends on the machine
        assert {figure for figure in given.values() if figure and f"{figure} " not in page} == set()


def test_the_index_names_every_profile_and_no_other():
    index = (PAGES / "README.md").read_text()
    assert set(re.findall(r"\]\(([a-z-]+)\.md\)", index)) == set(TEMPLATES)
    assert {path.stem for path in PAGES.glob("*.md")} == {*TEMPLATES, "README"}


def test_the_role_renders_the_same_bytes_as_the_command(tmp_path):
    facts = host_facts() | {"audio": True, "battery": True}
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [
                {
                    "ansible.builtin.template": {
                        "src": f"{ROOT}/src/powernap/profiles/{{{{ item }}}}.toml.j2",
                        "dest": f"{tmp_path}/{{{{ item }}}}.toml",
                        "mode": "0644",
                    },
                    "vars": {"facts": facts},
                    "loop": sorted(TEMPLATES),
                }
            ],
        }
    ]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    program = Path(sys.executable).with_name("ansible-playbook")
    subprocess.run([program, "-i", "localhost,", tmp_path / "play.yml"], check=True, timeout=120, capture_output=True)
    for name, template in TEMPLATES.items():
        assert (tmp_path / f"{name}.toml").read_bytes() == render(name, template, facts).encode(), name
