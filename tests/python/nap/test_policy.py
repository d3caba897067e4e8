# SPDX-License-Identifier: GPL-3.0-or-later
"""From the configuration to the steps: what is understood, what is told, and what is refused."""

from __future__ import annotations

import pytest

from powernap.config import ConfigError
from powernap.nap.actions import KINDS
from powernap.nap.conditions import Conditions
from powernap.nap.policy import Step, policy_of
from powernap.nap.setup import load
from powernap.shared.virtual import Virtualization

PHYSICAL = Virtualization("none", "none", "the test")
SUSPEND = '[steps.suspend]\nafter_seconds = 900\naction = "suspend"\n'


@pytest.fixture
def policy(tmp_path):
    def made(text):
        path = tmp_path / "powernapd.toml"
        path.write_text(text)
        return policy_of(load(path), PHYSICAL)

    return made


def test_the_classic_form_is_one_step_or_two(policy):
    assert policy("").steps == (Step(300, "suspend", 60),)
    two = policy('[nap]\naction = "powersave"\nstage2_absent_seconds = 600\nstage2_action = "hibernate"\n')
    assert two.steps == (Step(300, "powersave"), Step(900, "hibernate", 150))


def test_steps_come_in_the_order_of_their_times_with_their_conditions(policy):
    made = policy(
        SUSPEND
        + '[steps.lights]\nafter_seconds = 60\naction = "exec"\ncommand = "/etc/lights"\n'
        + '[steps.low]\nafter_seconds = 300\naction = "hibernate"\npower = "battery"\nbattery_below = 10\n'
        + 'between = ["22:00-06:00"]\ndays = ["fri"]\nlid = "closed"\ndisplay = "none"\ngrace_seconds = 5\n'
    )
    conditions = Conditions("battery", 10, "closed", "none", ((79200, 21600),), ("fri",))
    assert made.steps == (
        Step(60, "exec", 0, name="lights", command="/etc/lights"),
        Step(300, "hibernate", 5, conditions, "low"),
        Step(900, "suspend", 60, name="suspend"),
    )
    assert made.facts == {"power", "battery", "lid", "display"} and made.timed


def test_people_are_warned_of_a_sleep_only_and_of_that_in_half_of_the_gap_at_most(policy):
    made = policy(
        '[steps.a]\nafter_seconds = 60\naction = "powersave"\n[steps.b]\nafter_seconds = 100\naction = "suspend"\n'
    )
    assert [step.grace_seconds for step in made.steps] == [0, 20]


def test_a_step_may_be_switched_off(policy):
    off = '[steps.off]\nafter_seconds = 99\naction = "poweroff"\nenabled = false\n'
    assert [step.action for step in policy(SUSPEND + off).steps] == ["suspend"]


def test_a_classic_grace_time_that_counts_as_half_is_told(policy):
    (note,) = policy("[nap]\nabsent_seconds = 80\n").notes
    assert note.startswith("nap.grace_seconds is 60, but people are warned for 40 s only")
    assert not policy("[nap]\nabsent_seconds = 120\n").notes


def test_times_of_the_classic_form_that_nobody_reads_are_told_with_file_and_remedy(policy):
    (note,) = policy("[nap]\nabsent_seconds = 500\n" + SUSPEND).notes
    assert note.endswith(
        "powernapd.toml: nap.absent_seconds has no effect, as steps are given: set after_seconds of [steps.suspend] "
        "instead, or switch each of them off by enabled = false"
    )
    assert len(policy('[nap]\nabsent_seconds = 500\naction = "poweroff"\n' + SUSPEND).notes) == 2
    assert not policy("[nap]\nmin_awake_seconds = 5\n" + SUSPEND).notes
    assert not policy("[nap]\nabsent_seconds = 500\n" + SUSPEND + "enabled = false\n").notes


def test_the_policy_and_the_actions_agree_on_what_sleeps():
    assert {kind: Step(1, kind).sleeps for kind in KINDS} == {kind: cls.sleeps for kind, cls in KINDS.items()}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SUSPEND.replace('"suspend"', '"suspnd"'), "steps.suspend.action: 'suspnd' is none of"),
        ('[steps.x]\naction = "suspend"\n', "steps.x.after_seconds: missing: give a number, such as 900"),
        ("[steps.x]\nafter_seconds = 9\n", "steps.x.action: missing"),
        ("steps = 3\n", "steps: 3 is not a table"),
        ("[steps]\nx = 3\n", "steps.x: 3 is not a table"),
        (SUSPEND + 'betwen = ["22:00-06:00"]\n', "steps.suspend.betwen: no such key; did you mean between?"),
        (SUSPEND + 'between = ["22:00"]\n', "steps.suspend.between: '22:00' is no part of a day"),
        (SUSPEND + 'days = ["monday"]\n', "steps.suspend.days: 'monday' is none of mon"),
        (
            '[nap]\naction = "powersave"\nstage2_absent_seconds = 9\n' + SUSPEND,
            "nap.stage2_absent_seconds: [steps] are given, and they stand for both stages: set it to 0",
        ),
        (
            SUSPEND + '[steps.b]\nafter_seconds = 900\naction = "poweroff"\n',
            "steps.b.after_seconds: is that of steps.suspend, under the same conditions: give one of them another time",
        ),
        (
            SUSPEND + '[steps.b]\nafter_seconds = 9000\naction = "hibernate"\npower = "battery"\n',
            "steps.b.after_seconds: is never reached, as steps.suspend (suspend, ",
        ),
        (
            SUSPEND + 'power = "mains"\n[steps.b]\nafter_seconds = 9000\naction = "poweroff"\npower = "mains"\n',
            "steps.b.after_seconds: is never reached",
        ),
        (
            SUSPEND + "grace_seconds = 451\n",
            "steps.suspend.grace_seconds: 451 is more than half of the 900 s since the step before: at most 450",
        ),
        (
            SUSPEND + 'grace_seconds = 51\n[steps.b]\nafter_seconds = 800\naction = "powersave"\n',
            "steps.suspend.grace_seconds: 51 is more than half of the 100 s since the step before: at most 50",
        ),
        (SUSPEND.replace('"suspend"', '"exec"'), "steps.suspend.command: missing: no program for action exec"),
        (SUSPEND + 'command = "/bin/true"\n', 'steps.suspend.command: is only for action = "exec", not suspend'),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_file_key_and_remedy(policy, tmp_path, text, sentence):
    with pytest.raises(ConfigError) as caught:
        policy(text)
    (said,) = str(caught.value).splitlines()
    assert said.startswith(f"{tmp_path}/powernapd.toml: {sentence}")


def test_a_step_in_the_way_of_another_is_named_with_its_own_file(policy, tmp_path):
    drop_in = tmp_path / "powernapd.d" / "90-mine.toml"
    drop_in.parent.mkdir()
    drop_in.write_text('[steps.mine]\nafter_seconds = 300\naction = "suspend"\n')
    with pytest.raises(ConfigError) as caught:
        policy(SUSPEND.replace('"suspend"', '"hibernate"'))
    assert str(caught.value) == (
        f"{tmp_path}/powernapd.toml: steps.suspend.after_seconds: is never reached, as steps.mine (suspend, {drop_in}) "
        "comes first and the machine sleeps then: put it before 300, give steps.mine a condition, "
        'use action = "suspend-then-hibernate", or switch steps.suspend off by enabled = false'
    )


def test_what_is_possible_is_not_refused(policy):
    policy(SUSPEND + 'power = "mains"\n[steps.b]\nafter_seconds = 900\naction = "hibernate"\npower = "battery"\n')
    policy(SUSPEND + 'power = "mains"\n[steps.b]\nafter_seconds = 9000\naction = "poweroff"\n')
