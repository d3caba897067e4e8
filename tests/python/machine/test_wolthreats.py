# SPDX-License-Identifier: GPL-3.0-or-later
"""Who turns Wake-on-LAN off, from trees of files."""

from __future__ import annotations

import pytest

from powernap.machine.wolthreats import find


def write(root, path, text=""):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def manager(tmp_path):
    write(tmp_path, "usr/sbin/NetworkManager")
    return tmp_path


def connection(root, setting):
    text = f"[connection]\nid=Wired 1\n[ethernet]\n{setting}\n[ipv4]\nmethod=auto\n"
    write(root, "etc/NetworkManager/system-connections/wired.nmconnection", text)


def test_a_machine_with_none_of_them_is_safe(tmp_path):
    assert find(tmp_path) == ()


@pytest.mark.parametrize("value", ["0", "none", "2", "0x4"])
def test_a_connection_that_turns_it_off_is_named_with_the_command(manager, value):
    connection(manager, f"wake-on-lan={value}")
    (sentence,) = find(manager)
    assert "connection Wired 1 turns" in sentence
    assert "nmcli connection modify 'Wired 1' 802-3-ethernet.wake-on-lan magic" in sentence


@pytest.mark.parametrize("setting", ["", "wake-on-lan=64", "wake-on-lan=1", "wake-on-lan=32768", "wake-on-lan=default"])
def test_a_connection_that_leaves_it_on_is_none(manager, setting):
    connection(manager, setting)
    assert find(manager) == ()


def test_the_default_of_networkmanager_counts(manager):
    write(manager, "etc/NetworkManager/conf.d/wol.conf", "[connection-eth]\nethernet.wake-on-lan=0\n")
    (sentence,) = find(manager)
    assert sentence.startswith("/etc/NetworkManager/conf.d/wol.conf turns Wake-on-LAN off")


def test_without_networkmanager_its_files_do_nothing(tmp_path):
    connection(tmp_path, "wake-on-lan=0")
    assert find(tmp_path) == ()


def test_files_that_make_no_sense_are_passed_by(manager):
    write(manager, "etc/NetworkManager/system-connections/bad", "no section\n\0\xff")
    connection(manager, "wake-on-lan=perhaps")
    assert find(manager) == ()


def test_powertop_at_boot_is_named(tmp_path):
    write(tmp_path, "etc/systemd/system/multi-user.target.wants/powertop.service")
    (sentence,) = find(tmp_path)
    assert "powertop's service" in sentence


def test_what_other_tuners_do_is_among_them(tmp_path):
    write(tmp_path, "usr/sbin/tlp")
    assert any("WOL_DISABLE=N" in sentence for sentence in find(tmp_path))
