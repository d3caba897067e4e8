# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap simulate."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from powernap.cli.commands.base import say
from powernap.config.nap import DEFAULT_PATH
from powernap.shared.errors import PowernapError

if TYPE_CHECKING:  # what the other commands need not load
    from powernap.config import NapConfig

NAME = "simulate"
SUMMARY = "what a profile or a configuration would have made of a recorded day"


def arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--profile", metavar="NAME", help="by the profile of that name alone")
    which.add_argument("--config", metavar="FILE", default=DEFAULT_PATH, help="by this file (default: %(default)s)")
    parser.add_argument("--day", metavar="FILE", required=True, help="a recording: see 'powernap record'")
    seconds = "how long this machine takes to %s (default: %%(default)s)"
    parser.add_argument("--resume-seconds", type=float, default=5.0, metavar="S", help=seconds % "wake")
    parser.add_argument("--suspend-seconds", type=float, default=2.0, metavar="S", help=seconds % "fall asleep")


def run(options: argparse.Namespace) -> int:
    from powernap.nap import jsonlines, setup
    from powernap.nap.policy import policy_of
    from powernap.shared.virtual import Virtualization
    from powernap.simulate import simulate
    from powernap.simulate.recorded import trace_of
    from powernap.simulate.text import text
    from powernap.simulate.trace import DAY_SECONDS

    if not (0 <= options.resume_seconds < DAY_SECONDS and 0 <= options.suspend_seconds < DAY_SECONDS):
        raise PowernapError("--resume-seconds and --suspend-seconds are from 0 to a day")
    config = _of_profile(options.profile) if options.profile else setup.load(options.config)
    try:
        trace = trace_of(jsonlines.read(Path(options.day)))
    except OSError as error:
        raise PowernapError(f"{options.day} cannot be read: {error.strerror}") from error
    except PowernapError as error:
        raise PowernapError(f"{options.day}: {error}") from error
    policy = policy_of(config, Virtualization("none", "none", "a simulation"))
    outcome = simulate(
        replace(policy, never=""), trace, options.resume_seconds, options.suspend_seconds, set(config.monitors)
    )

    def stamp(at: float) -> str:
        days, second = divmod(trace.second_of_day + at, DAY_SECONDS)
        time = f"{int(second // 3600):02d}:{int(second % 3600 // 60):02d}:{int(second % 60):02d}"
        return time + (f" +{int(days)} d" if days else "")

    say(options, {"ok": True, **outcome.as_dict()}, text(outcome, stamp))
    return 0


def _of_profile(name: str) -> NapConfig:
    from powernap.nap import setup
    from powernap.profiles.shelf import Shelf

    shelf = Shelf()
    main = Path("/etc/powernap/simulated.toml")  # nothing is written: it only includes the profile
    texts = {main: f"include = [{json.dumps(name)}]\n", **shelf.with_included([name])}
    return setup.load(main, profile_dirs=shelf.dirs, overlay=texts)
