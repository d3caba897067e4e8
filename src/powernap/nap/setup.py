# SPDX-License-Identifier: GPL-3.0-or-later
"""From the configuration to the parts that act by it. What only this machine can tell is checked here."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from powernap.config import ConfigError, NapConfig, load_nap
from powernap.config.sections import PowersaveSettings
from powernap.nap import monitors, override, warnings, watch
from powernap.nap.kinds import Options
from powernap.nap.override import Override
from powernap.nap.warnings import WarningMethod, by_hands
from powernap.nap.watch import Watch
from powernap.shared.errors import PowernapError
from powernap.shared.virtual import Virtualization, detect

_log = logging.getLogger("powernapd")


@dataclass(frozen=True)
class Parts:
    """A configuration, checked, and what is made from it."""

    config: NapConfig
    watch: Watch
    warnings: tuple[WarningMethod, ...]


def load(path: str | Path, **how: Any) -> NapConfig:
    """Read and check a configuration; ``how``: profile_dirs, drop_in_dir, overlay, profile of load_nap.

    Raises ConfigError.
    """
    config = load_nap(path, Options(monitors.KINDS), Options(warnings.KINDS), **how)
    _check_powersave(config, path)
    return config


def load_in_use(path: str | Path, state_dir: Path) -> tuple[NapConfig, Override | None]:
    """Read the configuration with the profile that was ordered, or without it where that is wrong. Raises ConfigError.

    What was ordered from afar must not keep a machine from what its own files say.
    """
    ordered = override.read(state_dir)
    if ordered is not None:
        try:
            return load(path, profile=ordered.profile), ordered
        except ConfigError as error:
            _log.warning("profile %s, which %s ordered, is not used: %s", ordered.profile, ordered.by, error)
    return load(path), None


def in_use_note(ordered: Override | None) -> str:
    """Return what people should know of it, or ""."""
    if ordered is None:
        return ""
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(ordered.since))
    return f"profile {ordered.profile} stands for what the configuration includes, by order of {ordered.by} at {since}"


def _check_powersave(config: NapConfig, path: str | Path) -> None:
    """Raises ConfigError."""
    if config.powersave == PowersaveSettings():
        return
    from powernap.nap.powersave import check

    wrong = list(check.problems(config.powersave))
    if wrong:
        origin = config.origin
        raise ConfigError([f"{origin.get(f'powersave.{key}', path)}: powersave.{key}: {text}" for key, text in wrong])


def refusal(error: PowernapError) -> str:
    """Return what people are told when a configuration that was to be read again is wrong."""
    return f"the configuration stays as it was: {'; '.join(str(error).splitlines())}"


def build(config: NapConfig) -> Parts:
    """Make the parts. Raises ConfigError; then nothing is left open."""
    methods, problems = [], []
    for section in config.warnings.values():
        try:
            method = warnings.KINDS[section.kind](section.name, section.values)
            methods.append(by_hands.ByHands(method) if by_hands.is_needed(method) else method)
        except PowernapError as error:
            dotted = f"warnings.{section.name}"
            problems.append(f"{config.origin.get(dotted, '')}: {dotted}.{error}".removeprefix(": "))
    if problems:
        raise ConfigError(problems)
    return Parts(config, watch.build(config.monitors, config.origin), tuple(methods))


def virtualization(config: NapConfig) -> Virtualization:
    """Return what this machine is, or what the configuration says that it is. Blocks."""
    said = config.nap.virtualization
    if said != "auto":
        file = config.origin.get("nap.virtualization", "the configuration")
        return Virtualization(said, said, file)
    return detect()
