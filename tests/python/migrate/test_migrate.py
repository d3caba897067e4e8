# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of the original, written after what is known of its format."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powernap.cli.powernap import main
from powernap.migrate import migrate
from powernap.nap import setup

WHOLE = """
[powernap]
# how long, in seconds
ABSENT_SECONDS = 300
GRACE_SECONDS = 60   # a warning
INTERVAL_SECONDS = 1
ACTION_METHOD = 0
STAGE2_ABSENT_SECONDS = 1800
STAGE2_ACTION_METHOD = 1
WARN = y
DEBUG = 0
WATCH_CONFIG = n
KERN_MODULES = ["snd_hda_intel", "btusb"]
SERVICES = ["cups", "bluetooth"]

[ConsoleMonitor]
ptmx = y

[InputMonitor]
keyboard = y
mouse = n

[ProcessMonitor]
init = "^/sbin/init.*\\.d"
backup = '(borg|restic)\\s'

[IOMonitor]
kvm = "qemu"

[LoadMonitor]
threshold = n

[TCPMonitor]
ssh = 22
vnc = 5900-5910

[UDPMonitor]
ssh = 1025

[WoLMonitor]
wol7 = 7
wol9 = 9

[DiskMonitor]
sda = y
sdb = n
"""


def load(made, folder):
    """Return the configuration as powernapd takes it."""
    file = Path(folder) / "powernapd.toml"
    file.write_text(made.toml)
    return setup.load(file, profile_dirs=())


def told(made):
    return {item.key: item.sentence for item in made.told}


def test_every_section_and_key_has_a_successor_or_is_told(tmp_path):
    made = migrate(WHOLE)
    config = load(made, tmp_path)
    nap = config.nap
    assert (nap.absent_seconds, nap.grace_seconds, nap.action, nap.mode) == (300, 60, "powersave", "act")
    assert (nap.stage2_absent_seconds, nap.stage2_action) == (1800, "suspend")
    kinds = {name: section.kind for name, section in config.monitors.items()}
    assert kinds == {
        "ptmx": "console",
        "keyboard": "input",
        "init": "process",
        "backup": "process",
        "kvm": "io",
        "load": "load",
        "ssh": "tcp",
        "vnc": "tcp",
        "ssh-udp": "udp",
        "wol7": "wol",
        "wol9": "wol",
        "sda": "disk",
    }
    assert config.monitors["vnc"].values["ports"] == ((5900, 5910),)
    assert config.monitors["init"].values["pattern"] == r"^/sbin/init.*\.d"
    assert config.monitors["wol9"].values["ports"] == ((9, 9),)
    keyboard = config.monitors["keyboard"].values
    assert (keyboard["keyboard"], keyboard["mouse"], keyboard["touch"]) == (True, False, False)
    assert (config.monitors["sda"].values["devices"], config.monitors["sda"].values["measure"]) == (("sda",), "standby")
    assert config.monitors["load"].values["threshold"] == "n"
    assert [section.kind for section in config.warnings.values()] == ["wall"]
    assert config.powersave.modules == ("snd_hda_intel", "btusb")
    assert config.powersave.services == ("cups", "bluetooth")
    said = told(made)
    for key in ("INTERVAL_SECONDS", "DEBUG", "WATCH_CONFIG"):
        assert "has no successor" in said[f"powernap: {key}"]
    assert "case matters" in said["ProcessMonitor: init"]
    assert "no longer a connection that is merely open" in said["TCPMonitor: ssh"]
    assert "no longer bound" in said["UDPMonitor: ssh"]
    assert "a rate above a threshold" in said["IOMonitor: kvm"]


def test_what_the_original_did_not_ask_before_a_nap_is_told_with_the_keys_that_decide(tmp_path):
    made = migrate(WHOLE)
    nap = load(made, tmp_path).nap
    assert (nap.require_wake_on_lan, nap.min_awake_seconds > 0, nap.nap_virtual) == (True, True, False)
    (sleep, virtual) = [item.sentence for item in made.told if not item.key]
    assert "nap.require_wake_on_lan = false" in sleep and "nap.min_awake_seconds" in sleep
    assert "nap.nap_virtual = true" in virtual


def test_an_empty_file_has_the_originals_defaults(tmp_path):
    made = migrate("")
    nap = load(made, tmp_path).nap
    assert (nap.absent_seconds, nap.grace_seconds, nap.action) == (30, 6, "powersave")
    assert "without one powernapd never naps" in made.told[0].sentence


@pytest.mark.parametrize(("method", "action"), [(0, "powersave"), (1, "suspend"), (2, "hibernate"), (3, "poweroff")])
def test_action_methods(tmp_path, method, action):
    made = migrate(f"[powernap]\nACTION_METHOD = {method}\n")
    assert load(made, tmp_path).nap.action == action
    assert "powernap: ACTION_METHOD" not in told(made)


def test_best_effort_is_told():
    made = migrate("[powernap]\nACTION_METHOD = 4\n")
    assert 'action = "suspend"' in made.toml
    assert "now it is suspend" in told(made)["powernap: ACTION_METHOD"]


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ("[powernap]\nABSENT = 5\n", "powernap: ABSENT", "the original has no such key"),
        ("[powernap]\nABSENT_SECONDS = 5 * 60\n", "powernap: ABSENT_SECONDS", "no number"),
        ("[powernap]\nABSENT_SECONDS = 0\n", "powernap: ABSENT_SECONDS", "too small"),
        ("[powernap]\nACTION_METHOD = 9\n", "powernap: ACTION_METHOD", "no action method"),
        ("[FooMonitor]\nx = y\n", "FooMonitor: x", "no section [FooMonitor]"),
        ("x = y\n", ": x", "no section []"),
        ("[TCPMonitor]\nssh = 99999\n", "TCPMonitor: ssh", "no port"),
        ("[TCPMonitor]\nssh = 90-80\n", "TCPMonitor: ssh", "upside down"),
        ('[ProcessMonitor]\nx = "("\n', "ProcessMonitor: x", "no regular expression"),
        ('[ProcessMonitor]\nx = ""\n', "ProcessMonitor: x", "is empty"),
        ("[ConsoleMonitor]\nptmx = maybe\n", "ConsoleMonitor: ptmx", "neither y nor n"),
        ("[LoadMonitor]\nthreshold = much\n", "LoadMonitor: threshold", "neither a number nor n"),
        ("[powernap]\nwhatever\n", "powernap", "is no key = value"),
    ],
)
def test_what_is_not_understood_is_told_with_its_line_and_the_machine_does_not_nap_by_it(tmp_path, text, key, sentence):
    made = migrate(text)
    said = [item for item in made.told if item.key == key.removesuffix(": ")]
    assert sentence in said[0].sentence
    assert said[0].line == len(text.splitlines())
    assert load(made, tmp_path).nap.mode == "observe"
    assert sentence.split(",")[0] in " ".join(made.toml.replace("\n#   ", " ").split())


def test_values_are_never_executed(tmp_path):
    trap = tmp_path / "executed"
    code = f"__import__('pathlib').Path({str(trap)!r}).touch()"
    made = migrate(
        "".join(f"[{section}]\nABSENT_SECONDS = {code}\nx = {code}\n" for section in ("powernap", "IOMonitor"))
    )
    assert not trap.exists()
    assert load(made, tmp_path).nap.absent_seconds == 30


def test_a_second_stage_follows_only_a_powersave(tmp_path):
    made = migrate("[powernap]\nACTION_METHOD = 1\nSTAGE2_ABSENT_SECONDS = 60\n")
    assert load(made, tmp_path).nap.stage2_absent_seconds == 0
    assert "only a powersave" in told(made)["STAGE2_ABSENT_SECONDS"]


def test_two_monitors_of_one_name_are_both_kept(tmp_path):
    made = migrate('[TCPMonitor]\na = 22\na = 23\n[ProcessMonitor]\na = "x"\n')
    assert set(load(made, tmp_path).monitors) == {"a", "a-tcp", "a-process"}


SECTIONS = ("powernap", "ConsoleMonitor", "InputMonitor", "ProcessMonitor", "IOMonitor", "LoadMonitor", "TCPMonitor")
SECTIONS = (*SECTIONS, "UDPMonitor", "WoLMonitor", "DiskMonitor", "odd]", "")
KEYS = ("ABSENT_SECONDS", "GRACE_SECONDS", "ACTION_METHOD", "STAGE2_ABSENT_SECONDS", "STAGE2_ACTION_METHOD", "WARN")
KEYS = (*KEYS, "KERN_MODULES", "SERVICES", "DEBUG", "threshold", "ptmx", "sda", "a.b", "ß", "a b")
VALUES = st.one_of(
    st.text(),
    st.integers(-10, 10**7).map(str),
    st.floats(0, 1e7).map(str),
    st.sampled_from(["y", "n", '"("', '["a", "b"]', "22-80", "80-22", "'", '"\\', "22,80", "# x", "[[", "é\x7f\x00"]),
)
LINES = st.one_of(
    st.text(),
    st.sampled_from(SECTIONS).map(lambda name: f"[{name}]"),
    st.tuples(st.one_of(st.sampled_from(KEYS), st.text()), VALUES).map(" = ".join),
)


@given(st.one_of(st.text(), st.lists(LINES).map("\n".join)))
def test_any_text_gives_a_valid_configuration(text):
    made = migrate(text)
    with tempfile.TemporaryDirectory() as folder:
        config = load(made, folder)
    assert config.nap.mode in ("act", "observe")


@pytest.mark.parametrize("content", [b"root:x:0:0\n", b"[Unit]\nDescription = x\n", b"[PowerNap]\n\0\x7fELF"])
def test_what_is_no_configuration_of_the_original_is_refused_in_one_sentence(tmp_path, capsys, content):
    (tmp_path / "other").write_bytes(content)
    assert main(["migrate", str(tmp_path / "other"), "-o", str(tmp_path / "new.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "new.toml").exists()


def test_the_command_writes_once_and_tells(tmp_path, capsys):
    (tmp_path / "config").write_text(WHOLE + "[x]\nodd = 1\n")
    words = ["migrate", str(tmp_path / "config"), "-o", str(tmp_path / "new.toml")]
    assert main(words) == 0
    assert (
        f"{tmp_path}/config:{len(WHOLE.splitlines()) + 2}: x: odd: the original has no section [x]"
        in capsys.readouterr().err
    )
    assert setup.load(tmp_path / "new.toml", profile_dirs=()).monitors
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*words[:2], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["told"]
    assert main(["migrate", str(tmp_path / "none")]) == 2
