# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration names and this machine lacks is told by --check-config, and refused by nobody."""

from __future__ import annotations

import pytest

from powernap.cli import powernapd
from powernap.nap import setup
from powernap.nap.lacking import lacking


@pytest.fixture
def told(tmp_path):
    """told(configuration) on a machine with eth0, wlan0, /usr/bin/true and /etc/notes, which is no program."""
    root = tmp_path / "root"
    for path in ("sys/class/net/eth0/x", "sys/class/net/wlan0/x", "usr/bin/true", "etc/notes", "etc/powernap/key"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    (root / "usr/bin/true").chmod(0o755)

    def tell(text):
        file = tmp_path / "powernapd.toml"
        file.write_text(text)
        sentences = list(lacking(setup.load(file), root))
        assert all(sentence.startswith(f"{file}: ") for sentence in sentences)
        return [sentence.removeprefix(f"{file}: ") for sentence in sentences]

    return tell


STEP = '[steps.lamps]\nafter_seconds = 60\naction = "exec"\ncommand = "{}"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (STEP.format("/usr/bin/false"), "steps.lamps.command: /usr/bin/false is missing: install it"),
        (STEP.format("/etc/notes"), "steps.lamps.command: /etc/notes is no program: run 'chmod +x /etc/notes'"),
        (
            '[monitors.queue]\nkind = "extra"\ncommand = ["/usr/bin/queue", "--busy"]\n',
            "monitors.queue.command: /usr/bin/queue is missing: install it",
        ),
        (
            '[warnings.ops]\nkind = "exec"\ncommand = ["/usr/bin/tell"]\n',
            "warnings.ops.command: /usr/bin/tell is missing: install it",
        ),
        (
            '[warnings.ops]\nkind = "mail"\nto = ["ops@example.com"]\n',
            "warnings.ops.sendmail: /usr/sbin/sendmail is missing: install it",
        ),
        (
            '[warnings.ops]\nkind = "http"\nurl = "http://chat/"\nheader_file = "/etc/headers"\n',
            "warnings.ops.header_file: /etc/headers is missing: write it",
        ),
        (
            '[server]\nurl = "https://wake1:20709"\n',
            "server.key_file: /etc/powernap/client.key is missing, and without it there is no nap: run the",
        ),
        (
            '[monitors.lan]\nkind = "network"\ninterfaces = ["eth0", "eth7"]\n',
            "monitors.lan.interfaces: this machine has no interface eth7: name one of eth0, wlan0",
        ),
        (
            '[monitors.lan]\nkind = "network"\ninterfaces = ["en*", "usb*"]\n',
            "monitors.lan.interfaces: this machine has no interface en* or usb*: name one of eth0, wlan0",
        ),
    ],
)
def test_what_is_not_there_is_told_with_key_and_remedy(told, text, sentence):
    (said,) = told(text)
    assert said.startswith(sentence)


@pytest.mark.parametrize(
    "text",
    [
        "",
        STEP.format("/usr/bin/true"),
        '[server]\nurl = "https://wake1:20709"\nkey_file = "/etc/powernap/key"\n',
        '[warnings.ops]\nkind = "mail"\nto = ["ops@example.com"]\nserver = "mail"\n',
        '[warnings.ops]\nkind = "syslog"\n',
        '[monitors.lan]\nkind = "network"\n',
        '[monitors.lan]\nkind = "network"\ninterfaces = ["eth*", "usb*"]\nexclude = ["eth9"]\n',
    ],
)
def test_of_what_is_there_and_of_what_nobody_needs_nothing_is_told(told, text):
    assert told(text) == []


def test_check_config_warns_and_finds_no_fault(tmp_path, capsys):
    file = tmp_path / "powernapd.toml"
    file.write_text(STEP.format("/nowhere/lamps"))
    assert powernapd.main(["--check-config", str(file)]) == 0
    said = capsys.readouterr()
    assert said.err == (
        f"warning: {file}: steps.lamps.command: /nowhere/lamps is missing: install it, or name another program\n"
    )
    assert "steps.lamps.after_seconds = 60 seconds" in said.out
