# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap profile, on files of a made-up machine; powernapd does not run beside it."""

import json

import pytest

from powernap.cli.powernap import main
from powernap.nap import setup
from powernap.profiles.shelf import summary

FACTS = {
    "cpus": 8,
    "battery": False,
    "lid": False,
    "displays": [],
    "audio": False,
    "disks": [{"name": "sda", "rotational": True}],
    "desktop": False,
    "hypervisors": [],
    "containers": [],
    "schedulers": [],
    "shares": ["nfs", "smb"],
    "interfaces": [],
    "sleep_states": ["mem"],
    "tcp_ports": [22],
    "udp_ports": [],
}


class Machine:
    def __init__(self, root, capsys):
        self.root = root
        self.main = root / "powernapd.toml"
        self.drop_ins = root / "powernapd.d"
        self.own = root / "profiles"
        self.shipped = root / "usr"
        self.capsys = capsys
        for folder in (self.drop_ins, self.own):
            folder.mkdir()
        self.main.write_text("")
        (root / "facts.json").write_text(json.dumps(FACTS))

    def run(self, *words):
        """Return status, output and errors of `powernap profile`."""
        where = ["--config", str(self.main), "--facts", str(self.root / "facts.json")]
        where += ["--profile-dirs", str(self.own), str(self.shipped)]
        status = main(["profile", *words, *where])
        said = self.capsys.readouterr()
        return status, said.out, said.err

    def json(self, *words):
        status, output, _errors = self.run(*words, "--json")
        return status, json.loads(output)

    def config(self):
        return setup.load(self.main, profile_dirs=(str(self.own), str(self.shipped)))

    def files(self):
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path, capsys, monkeypatch):
    # nobody answers on this socket, and orders are refused to others than root
    monkeypatch.setattr("powernap.nap.control.PATH", str(tmp_path / "control.sock"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return Machine(tmp_path, capsys)


def test_list_tells_each_profile_with_its_origin(machine):
    (machine.own / "render.toml").write_text("# The machine of the renderers. More of it.\n")
    (machine.own / "web-server.toml").write_text("# Ours.\n")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in machine.run("list")[1].splitlines()}
    assert lines["render"] == ["admin", "The machine of the renderers"]
    assert lines["web-server"] == ["admin", "Ours"]
    assert lines["base"][0] == "shipped"


def test_every_shipped_summary_is_one_sentence_without_template(machine):
    for profile in machine.json("list")[1]["profiles"]:
        assert profile["summary"]
        assert "{" not in profile["summary"]


def test_a_summary_is_the_first_sentence_of_the_head():
    assert summary("# One\n# sentence. Two.\n\n# Three.\n") == "One sentence"
    assert summary("[nap]\n") == ""


def test_show_renders_for_the_facts(machine):
    status, output, _errors = machine.run("show", "base")
    assert status == 0
    assert "threshold = 2.00" in output
    assert "{{" not in output


def test_an_unknown_profile_is_refused_with_the_nearest_name(machine):
    status, _output, errors = machine.run("show", "web-servr")
    assert (status, errors) == (2, "powernap: there is no profile 'web-servr'; did you mean web-server?\n")


def test_diff_tells_old_and_new_and_writes_nothing(machine):
    before = machine.files()
    status, output, _errors = machine.run("diff", "hypervisor")
    assert status == 0
    assert "  nap.absent_seconds = 300 seconds -> 900 seconds" in output.splitlines()
    assert '+ monitors.guests.kind = "guest"' in output.splitlines()
    assert machine.files() == before


def test_apply_writes_an_include_and_the_profiles_and_says_so_once(machine):
    status, first = machine.json("apply", "web-server")
    assert (status, first["changed"]) == (0, True)
    assert (machine.drop_ins / "50-profile.toml").read_text().endswith('include = ["web-server"]\n')
    assert {"usr/base.toml", "usr/web-server.toml"} <= machine.files()
    assert machine.config().steps["sleep"].after_seconds == 900
    status, second = machine.json("apply", "web-server")
    assert (status, second["changed"], second["changes"], second["files"]) == (0, False, [], [])


def test_dry_run_says_the_same_and_writes_nothing(machine):
    before = machine.files()
    status, said = machine.json("apply", "web-server", "--dry-run")
    assert (status, said["changed"]) == (0, True)
    assert machine.files() == before


def test_another_profile_takes_the_place_of_the_first(machine):
    machine.run("apply", "web-server")
    _status, said = machine.json("apply", "file-server")
    assert {"key": "monitors.web.kind", "old": '"tcp"', "new": ""} in said["changes"]
    assert machine.config().steps["sleep"].after_seconds == 1200


def test_reset_takes_back_what_was_applied_and_says_so_once(machine):
    machine.main.write_text('include = ["web-server"]\n')
    machine.run("apply", "file-server")
    before = machine.files()
    status, would = machine.json("reset", "--dry-run")
    assert (status, would["changed"]) == (0, True) and machine.files() == before
    status, first = machine.json("reset")
    assert (status, first["files"]) == (
        0,
        [str(machine.shipped / "web-server.toml"), str(machine.drop_ins / "50-profile.toml")],
    )
    assert {"key": "monitors.web.kind", "old": "", "new": '"tcp"'} in first["changes"]
    assert first["changes"] == would["changes"]
    assert machine.config().steps["sleep"].after_seconds == 900
    status, second = machine.json("reset")
    assert (status, second["changed"], second["changes"], second["files"]) == (0, False, [], [])


def test_reset_keeps_a_file_in_which_somebody_has_settings(machine):
    (machine.drop_ins / "50-profile.toml").write_text("[nap]\nabsent_seconds = 5\n")
    status, _output, errors = machine.run("reset")
    assert status == 2 and "50-profile.toml: nap: somebody's own settings would be lost" in errors
    assert (machine.drop_ins / "50-profile.toml").exists()


def test_of_a_section_that_comes_or_goes_only_what_is_set_is_told(machine):
    (machine.own / "one.toml").write_text(
        '[monitors.work]\nkind = "process"\npattern = "x"\n[steps.a]\nafter_seconds = 99\naction = "suspend"\n'
    )
    (machine.own / "two.toml").write_text("[nap]\nabsent_seconds = 301\n")
    came = [change["key"] for change in machine.json("apply", "one")[1]["changes"]]
    assert came == ["monitors.work.kind", "monitors.work.pattern", "steps.a.action", "steps.a.after_seconds"]
    gone = [change["key"] for change in machine.json("apply", "two")[1]["changes"]]
    assert gone == [*came[:2], "nap.absent_seconds", *came[2:]]


def test_a_key_of_the_main_file_stands_over_the_profile_and_is_told(machine):
    machine.main.write_text("[nap]\nabsent_seconds = 300\n")
    status, output, _errors = machine.run("apply", "hypervisor")
    assert status == 0
    assert (
        f"{machine.main}: nap.absent_seconds = 300 seconds stands over profile hypervisor (900): "
        "delete it there to let the profile decide"
    ) in output.splitlines()


def test_an_idle_time_of_the_main_file_stands_for_the_steps_of_a_profile_and_that_is_told(machine):
    machine.main.write_text("[nap]\nabsent_seconds = 77\n")
    notes = machine.json("apply", "web-server")[1]["notes"]
    assert any(
        f"{machine.main}: nap.absent_seconds stands for the steps of what it includes (night, sleep)" in note
        for note in notes
    )
    assert machine.config().nap.absent_seconds == 77
    assert not machine.config().steps


def test_a_key_of_the_main_file_that_says_the_same_is_not_told(machine):
    machine.main.write_text("[nap]\nabsent_seconds = 900\ngrace_seconds = 30\n")
    (note,) = machine.json("apply", "hypervisor")[1]["notes"]
    assert "nap.grace_seconds" in note
    machine.main.write_text("[nap]\nabsent_seconds = 900\n")
    assert machine.json("apply", "hypervisor")[1]["notes"] == []


def test_the_options_of_every_command_are_those_of_its_commands_too(machine, tmp_path):
    assert machine.json("list", "--control-socket", str(tmp_path / "other.sock"))[0] == 0


def test_two_profiles_that_disagree_are_refused_unless_the_main_file_decides(machine):
    for name, seconds in (("one", 100), ("two", 200)):
        (machine.own / f"{name}.toml").write_text(f'include = ["base"]\n[nap]\nabsent_seconds = {seconds}\n')
    status, _output, errors = machine.run("apply", "one", "two")
    assert status == 2
    assert errors == (
        f"powernap: nap.absent_seconds: profile one says 100 ({machine.own}/one.toml), profile two 200 "
        f"({machine.own}/two.toml): set it in {machine.main}, or apply only one of them\n"
    )
    assert "powernapd.d/50-profile.toml" not in machine.files()
    machine.main.write_text("[nap]\nabsent_seconds = 150\n")
    assert machine.run("apply", "one", "two")[0] == 0
    assert machine.config().nap.absent_seconds == 150


def test_a_profile_may_change_what_it_inherits_from_another(machine):
    (machine.own / "ours.toml").write_text('include = ["base"]\n[monitors.load]\nthreshold = 7\n')
    assert machine.run("apply", "ours", "base")[0] == 0
    assert machine.config().monitors["load"].values["threshold"] == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[nap]\nabsent_secnds = 5\n", "nap.absent_secnds: no such key; did you mean absent_seconds?"),
        ("[nap\n", "is not valid TOML"),
        ('include = ["bse"]\n', "no profile 'bse'; did you mean base?"),
        ('[monitors.x]\nkind = "process"\npattern = "x"\nuser = "no such user"\n', "there is no user 'no such user'"),
    ],
)
def test_what_the_daemon_would_refuse_is_refused_before_anything_is_written(machine, text, sentence):
    (machine.own / "ours.toml").write_text(text)
    before = machine.files()
    status, _output, errors = machine.run("apply", "ours")
    assert status == 2
    assert sentence in errors
    assert machine.files() == before


def test_a_later_drop_in_that_includes_is_named(machine):
    (machine.drop_ins / "60-site.toml").write_text('include = ["base"]\n')
    status, _output, errors = machine.run("apply", "web-server")
    assert status == 2
    assert f"{machine.drop_ins}/60-site.toml: include: it is read after 50-profile.toml" in errors


def test_somebodys_own_settings_are_not_written_over(machine):
    (machine.drop_ins / "50-profile.toml").write_text("[nap]\nabsent_seconds = 5\n")
    status, _output, errors = machine.run("apply", "web-server")
    assert status == 2
    assert "50-profile.toml: nap: somebody's own settings would be lost" in errors


def test_a_broken_configuration_is_named_with_its_file(machine):
    machine.main.write_text("[nap]\nabsent_seconds = 0\n")
    status, _output, errors = machine.run("diff", "web-server")
    assert status == 2
    assert f"{machine.main}: nap.absent_seconds: 0 is too small" in errors


def test_without_jinja2_the_profiles_that_the_role_wrote_serve(machine, monkeypatch):
    machine.run("apply", "web-server")
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    assert machine.run("apply", "web-server")[0] == 0
    status, _output, errors = machine.run("show", "laptop")
    assert status == 2
    assert "apt-get install python3-jinja2" in errors
