# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from powernap.config import ConfigError, load_nap
from powernap.nap.monitors import KINDS as MONITORS
from powernap.nap.warnings import KINDS as WARNINGS

KINDS = (
    {kind: cls.options for kind, cls in MONITORS.items()},
    {kind: cls.options for kind, cls in WARNINGS.items()},
)

TCP = '[monitors.{}]\nkind = "tcp"\nports = [{}]\n'


@pytest.fixture
def load(tmp_path):
    def load(main, drop_ins=None, profiles=None):
        (tmp_path / "powernapd.toml").write_text(main)
        for folder, files in (("powernapd.d", drop_ins), ("profiles", profiles)):
            (tmp_path / folder).mkdir(exist_ok=True)
            for name, text in (files or {}).items():
                (tmp_path / folder / name).write_text(text)
        return load_nap(tmp_path / "powernapd.toml", *KINDS, profile_dirs=(str(tmp_path / "profiles"),))

    return load


def problems(load, *files):
    with pytest.raises(ConfigError) as caught:
        load(*files)
    return caught.value.problems


def test_an_empty_file_gives_the_defaults(load):
    config = load("")
    assert (config.nap.absent_seconds, config.nap.action, config.server.url) == (300, "suspend", "")
    assert not config.monitors


def test_profile_then_main_file_then_drop_ins_later_wins(load):
    config = load(
        'include = ["web"]\n[nap]\ngrace_seconds = 5\n',
        {"20.toml": "[nap]\nmin_awake_seconds = 2\n", "10.toml": "[nap]\nmin_awake_seconds = 1\ngrace_seconds = 7\n"},
        {
            "web.toml": 'include = ["base"]\n[nap]\nabsent_seconds = 100\n' + TCP.format("web", 80),
            "base.toml": "[nap]\nabsent_seconds = 50\nbackoff_seconds = 9\n" + TCP.format("ssh", 22),
        },
    )
    nap = config.nap
    assert (nap.absent_seconds, nap.backoff_seconds, nap.grace_seconds, nap.min_awake_seconds) == (100, 9, 7, 2)
    assert set(config.monitors) == {"ssh", "web"}
    assert config.origin["nap.absent_seconds"].endswith("web.toml")
    assert config.origin["nap.min_awake_seconds"].endswith("20.toml")


STEPS = '[steps.night]\nafter_seconds = 60\naction = "suspend"\nbetween = ["22:00-06:00"]\n'


def test_an_idle_time_in_a_nearer_file_stands_for_the_steps_of_a_profile(load):
    config = load('include = ["web"]\n[nap]\nabsent_seconds = 500\n', {}, {"web.toml": STEPS})
    assert not config.steps and config.nap.absent_seconds == 500
    (note,) = config.notes
    assert "powernapd.toml: nap.absent_seconds stands for the steps" in note and "(night)" in note
    assert not any(key.startswith("steps") for key in config.origin)


def test_steps_in_the_same_file_or_a_nearer_one_stay(load):
    assert set(load("[nap]\nabsent_seconds = 500\n" + STEPS).steps) == {"night"}
    near = load('include = ["web"]\n', {"site.toml": STEPS}, {"web.toml": "[nap]\nabsent_seconds = 100\n"})
    assert set(near.steps) == {"night"} and not near.notes
    other = load('include = ["web"]\n[nap]\nmin_awake_seconds = 5\n', {}, {"web.toml": STEPS})
    assert set(other.steps) == {"night"} and not other.notes


def test_a_drop_in_changes_one_key_of_a_monitor_and_switches_another_off(load):
    config = load(
        'include = ["web"]',
        {"site.toml": '[monitors.web]\nports = ["8000-8099"]\n[monitors.ssh]\nenabled = false\n'},
        {"web.toml": TCP.format("web", 80) + TCP.format("ssh", 22)},
    )
    assert list(config.monitors) == ["web"]
    assert config.monitors["web"].values["ports"] == ((8000, 8099),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[nap]\nabsent_secnds = 5", "nap.absent_secnds: no such key; did you mean absent_seconds?"),
        ("[naps]\n", "naps: no such section; did you mean nap?"),
        ("absent_seconds = 5", "absent_seconds: no such section; did you mean absent_seconds below [nap]?"),
        ("wakeup_cuont = false", "wakeup_cuont: no such section; did you mean wakeup_count below [sleep]?"),
        ("xyz = 5", "xyz: no such section; sections: nap, server"),
        ('[nap]\nabsent_seconds = "5"', "nap.absent_seconds: '5' is not a number"),
        ("[nap]\nabsent_seconds = 0", "nap.absent_seconds: 0 is too small: at least 1 seconds"),
        ("[nap]\nabsent_seconds = nan", "nap.absent_seconds: nan is not a number"),
        (
            '[nap]\naction = "suspnd"',
            "nap.action: 'suspnd' is none of powersave, suspend, suspend-then-hibernate, hibernate, hybrid-sleep,",
        ),
        ("[nap]\nabsent_seconds = 5\ngrace_seconds = 9", "nap.grace_seconds: 9 is longer than absent_seconds (5)"),
        ("[nap]\nstage2_absent_seconds = 9", 'a second stage follows only action = "powersave"'),
        ('[monitors.web]\nkind = "tcp"\nports = ["443-80"]', "web.ports: the port range 443-80 is upside down"),
        ('[monitors.web]\nkind = "tpc"', "monitors.web.kind: 'tpc' is no kind of monitor; did you mean tcp?"),
        ("[monitors.web]\nports = [80]", "monitors.web.kind: missing"),
        ('[monitors.job]\nkind = "process"\npattern = "("', "monitors.job.pattern: '(' is no regular expression"),
        ('[monitors.job]\nkind = "process"', "monitors.job.pattern: missing"),
        ("monitors = 3", "monitors: 3 is not a table"),
        ("nap = 3", "nap: 3 is not a table"),
        ('[server]\nurl = "wake1"', "server.url: 'wake1' is not an address such as"),
        ("[nap\n", "is not valid TOML"),
        ('include = "web"', "include: 'web' is not a list of profile names"),
        ('include = ["webserver"]', "include: no profile 'webserver'; did you mean web-server?"),
        ('include = ["../web"]', "include: no profile '../web'"),
        ('include = ["home-servr"]', "include: no profile 'home-servr'; did you mean home-server?"),
        ('include = ["database"]', "/profiles: 'powernap profile apply database' writes it"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_key(load, tmp_path, text, sentence):
    found = problems(load, text, {}, {"web-server.toml": ""})
    assert len(found) == 1
    assert found[0].startswith(f"{tmp_path}/powernapd.toml: ")
    assert sentence in found[0]
    assert "\n" not in found[0]


def test_a_problem_names_the_drop_in_that_it_came_from(load, tmp_path):
    found = problems(load, "[nap]\nabsent_seconds = 50\n", {"50.toml": "[nap]\nabsent_seconds = -1\n"})
    assert found[0].startswith(f"{tmp_path}/powernapd.d/50.toml: nap.absent_seconds: ")


def test_all_problems_are_told_at_once(load):
    assert len(problems(load, '[nap]\nmode = "x"\naction = "y"\n[naps]\n')) == 3


def test_a_profile_that_is_missing_hides_no_other_problem_and_brings_none_about(load):
    text = 'include = ["web"]\n[nap]\naction = "y"\n[monitors.web]\nports = [80]\n[steps.night]\nafter_seconds = 9\n'
    include, action = problems(load, text)
    assert "no profile 'web'" in include
    assert "nap.action: 'y' is none of" in action


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        load_nap(tmp_path / "none.toml", *KINDS)


def test_a_profile_that_includes_itself_is_refused(load):
    found = problems(load, 'include = ["a"]', {}, {"a.toml": 'include = ["b"]', "b.toml": 'include = ["a"]'})
    assert "profile a includes itself (a -> b -> a)" in found[0]


def test_the_byte_order_mark_and_line_ends_of_other_systems_do_no_harm(tmp_path):
    (tmp_path / "powernapd.toml").write_bytes(b"\xef\xbb\xbf[nap]\r\nabsent_seconds = 700\r\n")
    assert load_nap(tmp_path / "powernapd.toml", *KINDS).nap.absent_seconds == 700


def test_a_file_that_is_no_text_is_named(load, tmp_path):
    (tmp_path / "powernapd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_nap(tmp_path / "powernapd.toml", *KINDS)


def test_a_profile_that_two_others_include_does_not_stand_over_the_first(load):
    base = "[nap]\nabsent_seconds = 50\n"
    config = load(
        'include = ["a", "b"]',
        {},
        {
            "base.toml": base,
            "a.toml": 'include = ["base"]\n[nap]\nabsent_seconds = 70\n',
            "b.toml": 'include = ["base"]\n[nap]\nbackoff_seconds = 7\n',
        },
    )
    assert (config.nap.absent_seconds, config.nap.backoff_seconds) == (70, 7)


def test_a_drain_is_named_by_its_whole_path(load):
    (problem,) = problems(load, '[sleep]\ndrain = "drain.sh"\n')
    assert "sleep.drain" in str(problem) and "absolute path" in str(problem)
