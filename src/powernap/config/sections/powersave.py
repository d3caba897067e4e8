# SPDX-License-Identifier: GPL-3.0-or-later
"""[powersave]: what is turned down."""

from dataclasses import dataclass

from powernap.shared.schema import setting

BACKENDS = ("auto", "knobs", "tuned", "power-profiles-daemon")


@dataclass(frozen=True)
class PowersaveSettings:
    """What the action powersave turns down, stops and calls."""

    knobs: tuple[str, ...] = setting(
        "strs",
        ("*",),
        "knobs to turn down: with * and ? those that are on by default, the others by their whole names",
        example=["*", "cpu-hotplug"],
    )
    except_knobs: tuple[str, ...] = setting(
        "strs", (), "knobs to leave alone, with * and ?", example=["usb-*", "turbo-*"]
    )
    values: tuple[str, ...] = setting(
        "strs", (), 'values in place of the knobs\' own, each as "KNOB=VALUE"', example=["governor=conservative"]
    )
    backend: str = setting(
        "str",
        "auto",
        "who saves power beside the knobs; auto: power-profiles-daemon or tuned where one runs; knobs: nobody",
        choices=BACKENDS,
    )
    tuned_profile: str = setting(
        "str", "powersave", "tuned's profile while the machine is idle", example="server-powersave"
    )
    services: tuple[str, ...] = setting(
        "strs", (), "systemd's services to stop meanwhile; never what the network or logins need", example=["cups"]
    )
    modules: tuple[str, ...] = setting(
        "strs", (), "kernel modules to unload meanwhile; never those of network cards", example=["pcspkr"]
    )
    script_seconds: float = setting(
        "float",
        10,
        "time that each script of action.d has before it is killed",
        unit="seconds",
        minimum=0.1,
        maximum=600,
    )
