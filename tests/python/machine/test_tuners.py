# SPDX-License-Identifier: GPL-3.0-or-later
"""What turns Wake-on-LAN off, read from files of a folder that stands for /."""

from __future__ import annotations

import fnmatch

import pytest

from powernap.machine.tuners import TUNERS, wol_threats
from powernap.nap.powersave.table import KNOBS


@pytest.fixture
def write(tmp_path):
    def written(path, text="", mode=0o644):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    return written


def test_a_plain_machine_has_none(tmp_path, write):
    write("etc/systemd/network/10-lan.link", "[Link]\nWakeOnLan=magic\n")
    assert wol_threats(tmp_path) == []


def test_pm_utils_script_is_named_unless_it_is_masked(tmp_path, write):
    write("usr/lib/pm-utils/power.d/disable_wol", "", 0o755)
    (sentence,) = wol_threats(tmp_path)
    assert sentence.startswith("/usr/lib/pm-utils/power.d/disable_wol of pm-utils turns Wake-on-LAN off")
    write("etc/pm/power.d/disable_wol", "", 0o644)
    assert wol_threats(tmp_path) == []


@pytest.mark.parametrize(
    ("files", "threat"),
    [
        ({}, "by default"),
        ({"usr/share/tlp/defaults.conf": 'WOL_DISABLE="Y"\n'}, "defaults.conf"),
        ({"usr/share/tlp/defaults.conf": "WOL_DISABLE=Y\n", "etc/tlp.conf": "#WOL_DISABLE=Y\nWOL_DISABLE=N\n"}, ""),
        ({"etc/tlp.d/10-lan.conf": "WOL_DISABLE=N\n", "etc/tlp.conf": "WOL_DISABLE=Y\n"}, "/etc/tlp.conf"),
    ],
)
def test_tlp_turns_it_off_unless_its_last_word_is_no(tmp_path, write, files, threat):
    write("usr/sbin/tlp", "", 0o755)
    for path, text in files.items():
        write(path, text)
    sentences = wol_threats(tmp_path)
    if threat:
        (sentence,) = sentences
        assert threat in sentence
        assert "set WOL_DISABLE=N" in sentence
    else:
        assert sentences == []


def test_a_link_file_of_systemd_that_turns_it_off_is_named(tmp_path, write):
    file = write("etc/systemd/network/10-lan.link", "[Link]\n# WakeOnLan=magic\nWakeOnLan=off\n")
    assert wol_threats(tmp_path) == [f"{file} turns Wake-on-LAN off for its cards: set WakeOnLan=magic there"]


def test_only_tuneds_profile_in_force_counts(tmp_path, write):
    for profile, value in (("quiet", "d"), ("good", "g")):
        write(f"etc/tuned/{profile}/tuned.conf", f"[net]\nwake_on_lan={value}\n")
    write("etc/tuned/active_profile", "good\n")
    assert wol_threats(tmp_path) == []
    write("etc/tuned/active_profile", "quiet\n")
    assert wol_threats(tmp_path) == ["tuned's profile quiet turns Wake-on-LAN off: set wake_on_lan=g there"]


def test_what_a_tuner_manages_are_knobs_that_there_are():
    for tuner in TUNERS:
        for name in tuner.manages:
            assert any(fnmatch.fnmatchcase(knob.name, name) for knob in KNOBS), (tuner.name, name)
