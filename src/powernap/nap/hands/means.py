# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs act with: root's own configuration, which says what is allowed, and what goes on between requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from powernap.config.layers import PROFILE_DIRS
from powernap.config.sections.powersave import PowersaveSettings
from powernap.machine import hands, netdevices
from powernap.nap import actions, override, setup
from powernap.nap.actions.drain import Drain
from powernap.nap.policy import policy_of
from powernap.shared.errors import PowernapError
from powernap.shared.virtual import Virtualization

if TYPE_CHECKING:
    from powernap.config import NapConfig
    from powernap.config.nap import Section
    from powernap.nap.warnings import WarningMethod

_log = logging.getLogger("powernapd")
LEAVING = ("powersave", "exec", "drain")
FILES = ("powersave.journal", "exec-begun.json", "drained.json")
DEVICE = re.compile(r"/sys/devices/[^\0]{1,400}")


class Refused(PowernapError):
    """What was asked for is no business of powernapd's."""


class Means:
    """``path``: the configuration; ``state_dir``: root's own, with what must be taken back after a crash."""

    def __init__(self, path: Path, state_dir: Path, root: Path = Path("/")) -> None:
        self.path, self.state_dir, self.root = path, state_dir, root
        self.turn = asyncio.Lock()
        self.methods: dict[tuple[str, ...], WarningMethod] = {}
        self._configs: dict[str, tuple[object, NapConfig]] = {}
        self._actions: dict[tuple[str, str, str], tuple[object, actions.Action]] = {}
        self._talking_until = 0.0

    # --- the configuration

    def config(self, profile: str = "") -> NapConfig:
        """Return what root's files say now. Raises PowernapError."""
        stamp = self._stamp()
        known = self._configs.get(profile)
        if known is None or known[0] != stamp:
            if profile:
                override.check(profile)
            known = self._configs[profile] = (stamp, setup.load(self.path, profile=profile))
        return known[1]

    def monitor(self, name: object, *kinds: str) -> Section:
        """Return the section of a monitor of one of these kinds. Raises PowernapError."""
        return self._section("monitor", self.config().monitors, name, kinds)

    def warning(self, name: object, *kinds: str) -> Section:
        """The same of a warning."""
        return self._section("warning", self.config().warnings, name, kinds)

    def has_monitor(self, *kinds: str) -> None:
        """Raises PowernapError where the configuration has none of these kinds."""
        if not any(section.kind in kinds for section in self.config().monitors.values()):
            raise Refused(f"the configuration has no monitor of kind {' or '.join(kinds)}")

    def _section(self, what: str, sections: Mapping[str, Section], name: object, kinds: tuple[str, ...]) -> Section:
        section = sections.get(name) if isinstance(name, str) else None
        if section is None or section.kind not in kinds:
            raise Refused(f"the configuration has no {what} {str(name)[:80]!r} of kind {' or '.join(kinds)}")
        return section

    def _stamp(self) -> object:
        """What changes with the files: their names, times and sizes."""
        found = []
        for place in (self.path.parent, self.path.with_suffix(".d"), *map(Path, PROFILE_DIRS)):
            with contextlib.suppress(OSError):
                for file in (place, *place.glob("*.toml")):
                    status = file.stat()
                    found.append((str(file), status.st_mtime_ns, status.st_ino, status.st_size))
        return tuple(sorted(found))

    # --- actions

    def action(self, kind: object, command: object, profile: object, to_begin: bool) -> actions.Action:
        """Return the action of a step; one that is to begin must be in the configuration. Raises PowernapError."""
        if kind not in LEAVING or not isinstance(command, str) or not isinstance(profile, str):
            raise Refused(f"{str(kind)[:80]!r} is no action that powernap-hands carries out")
        config = None
        try:
            config = self.config(profile)
        except PowernapError:
            if to_begin:
                raise
        if to_begin and config is not None:
            steps = policy_of(config, Virtualization("none", "", "")).steps
            allowed = {(step.action, step.command) for step in steps} | {("drain", config.sleep.drain)}
            if config.nap.mode == "observe" or (kind, command) not in allowed:
                raise Refused(f"the configuration has no step that does {kind} {command[:200]}".rstrip())
        settings = config.powersave if config is not None else PowersaveSettings()
        known = self._actions.get((kind, command, profile))
        if known is None or known[0] is not config:
            given = actions.Means(_NoSleep(), self.state_dir, settings, self.root, command, part="machine")
            if kind == "drain" and config is not None:
                given = replace(given, command_seconds=config.sleep.drain_seconds)
            made = Drain(given) if kind == "drain" else actions.KINDS[kind](given)
            known = self._actions[kind, command, profile] = (config, made)
        return known[1]

    def adopt_network(self, devices: object) -> None:
        """Spare the devices of network interfaces, which cannot be seen from in here."""
        if not isinstance(devices, dict):
            raise Refused("network: give each interface and its device")
        given = {}
        for name, device in devices.items():
            if isinstance(name, str) and isinstance(device, str) and DEVICE.fullmatch(device):
                given[name] = Path(device)
        netdevices.told(given)

    @property
    def busy(self) -> bool:
        """Whether something goes on beside: then this process must not end."""
        from powernap.nap.actions.powersave import Powersave
        from powernap.nap.powersave.profiles import Profiles

        return Powersave.goes_on() or Profiles.holds() or asyncio.get_running_loop().time() < self._talking_until

    def note_hold(self) -> None:
        """A hold of a tuner's profile ends with this process, and is in no journal: a file says that there is one."""
        from powernap.nap.powersave.profiles import Profiles

        with contextlib.suppress(OSError):
            if Profiles.holds():
                (self.state_dir / hands.HOLD).touch()
            else:
                (self.state_dir / hands.HOLD).unlink(missing_ok=True)

    def remember(self, seconds: float) -> None:
        """Stay for so long: what was said may have to be taken back."""
        self._talking_until = max(self._talking_until, asyncio.get_running_loop().time() + min(seconds, 600.0))

    def adopt_state(self, before: Path) -> None:
        """Take over what a powernapd that was root left to be taken back: only what nobody else can have written."""
        for name in FILES:
            old, new = before / name, self.state_dir / name
            with contextlib.suppress(OSError):
                if before.stat().st_uid == 0 and not new.exists() and old.is_file() and not old.is_symlink():
                    new.write_bytes(old.read_bytes())
                    _log.info("%s is taken over", old)

    async def close(self) -> None:
        """Nothing is taken back: that is powernapd's to order."""


class _NoSleep:
    """Sleeps have verbs of their own."""

    async def order(self, action: str) -> None:
        raise Refused(f"{action} is not ordered like this")
