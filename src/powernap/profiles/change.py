# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means to apply profiles: checked before anything is written, and told key by key."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from powernap.config import ConfigError, NapConfig
from powernap.config.explain import text_of, values
from powernap.config.layers import Files, Merged, Profiles, parse
from powernap.nap import setup
from powernap.nap.policy import policy_of
from powernap.profiles.shelf import Shelf
from powernap.shared.errors import PowernapError
from powernap.shared.toml import dumps

DROP_IN = "50-profile.toml"


@dataclass(frozen=True)
class Change:
    """One value that differs; "" where there is none."""

    key: str
    old: str
    new: str


@dataclass(frozen=True)
class Plan:
    """``write``: texts of files that are not as they should be; ``delete``: files that should not be.

    ``notes``: what stands over the profiles, and what the policy says of keys without effect, one each.
    """

    write: Mapping[Path, str]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    delete: tuple[Path, ...] = ()


def plan(names: Sequence[str], main: Path, shelf: Shelf) -> Plan:
    """Return what applying these profiles would do. Raises PowernapError for conflicts and what the daemon refuses."""
    drop_in = main.with_suffix(".d") / DROP_IN
    _refuse_foreign(drop_in)
    head = f"# Written by 'powernap profile apply {' '.join(names)}': it stands over the include of {main.name}.\n"
    texts = {**shelf.with_included(names), drop_in: head + dumps({"include": list(names)})}
    _refuse_later_include(drop_in)
    missing = shelf.missing()  # the configuration may include what nobody has rendered here yet
    old = setup.load(main, profile_dirs=shelf.dirs, overlay=missing)
    new = setup.load(main, profile_dirs=shelf.dirs, overlay={**missing, **texts})
    profiles = {name: _alone(name, shelf, texts) for name in names}
    files = {str(file) for file in texts}
    decided = {key for key, file in new.origin.items() if file not in files}
    problems = list(_conflicts(profiles, decided, main))
    if problems:
        raise ConfigError(problems)
    setup.build(new).watch.close()
    return Plan(
        {file: text for file, text in texts.items() if _differs(file, text)},
        tuple(differences(old, new)),
        (*_overridden(profiles, new, files), *policy_of(new, setup.virtualization(new)).notes),
    )


def plan_reset(main: Path, shelf: Shelf) -> Plan:
    """Return what it would do to take back what was applied, so that the include of ``main`` holds again.

    Raises PowernapError for what the daemon refuses.
    """
    drop_in = main.with_suffix(".d") / DROP_IN
    if not drop_in.is_file():
        return Plan({}, (), ())
    _refuse_foreign(drop_in)
    missing = shelf.missing()
    old = setup.load(main, profile_dirs=shelf.dirs, overlay=missing)
    new = setup.load(main, profile_dirs=shelf.dirs, overlay={**missing, drop_in: ""})
    setup.build(new).watch.close()
    write = {file: text for file, text in shelf.with_included(new.include).items() if file in missing}
    notes = policy_of(new, setup.virtualization(new)).notes
    return Plan(write, tuple(differences(old, new)), notes, (drop_in,))


def differences(old: NapConfig, new: NapConfig) -> Iterator[Change]:
    """Return the values of two configurations that differ; of a section that only one of them has, what is set."""
    before, after = dict(values(old)), dict(values(new))
    for key in sorted({*before, *after}):
        in_both = key in before and key in after
        if before.get(key) != after.get(key) and (in_both or key in old.origin or key in new.origin):
            yield Change(key, before.get(key, ""), after.get(key, ""))


def carry_out(made: Plan) -> None:
    """Write the files, each whole or not at all, and delete what should not be. Raises PowernapError."""
    for file, text in made.write.items():
        try:
            _write(file, text)
        except PermissionError as error:
            raise PowernapError(f"{file} may not be written by you: run this with sudo") from error
        except OSError as error:
            raise PowernapError(f"{file} cannot be written: {error.strerror}") from error
    for file in made.delete:
        try:
            file.unlink(missing_ok=True)
        except PermissionError as error:
            raise PowernapError(f"{file} may not be deleted by you: run this with sudo") from error
        except OSError as error:
            raise PowernapError(f"{file} cannot be deleted: {error.strerror}") from error


def _alone(name: str, shelf: Shelf, texts: Mapping[Path, str]) -> Merged:
    merged = Merged()
    Profiles(merged, Files(texts), list(shelf.dirs)).add([name], Path(DROP_IN))
    return merged


def _conflicts(profiles: Mapping[str, Merged], decided: set[str], main: Path) -> Iterator[str]:
    """Yield where two profiles disagree, unless one changes what it inherits from the other, or a file decides."""
    for (one, first), (other, second) in combinations(profiles.items(), 2):
        mine, yours = dict(_flat(first.values)), dict(_flat(second.values))
        for key in sorted(mine.keys() & yours.keys() - decided):
            here, there = first.origin[key], second.origin[key]
            inherited = here in second.origin.values() or there in first.origin.values()
            if mine[key] != yours[key] and not inherited:
                yield (
                    f"{key}: profile {one} says {text_of(mine[key])} ({here}), profile {other} {text_of(yours[key])} "
                    f"({there}): set it in {main}, or apply only one of them"
                )


def _overridden(profiles: Mapping[str, Merged], new: NapConfig, files: set[str]) -> Iterator[str]:
    after = dict(values(new))
    told = set()
    for name, profile in profiles.items():
        for key, value in _flat(profile.values):
            file = new.origin.get(key, "")
            same = f"{after.get(key, '')} ".startswith(f"{text_of(value)} ")  # behind it may stand a unit
            if file not in files and file and key not in told and key in after and not same:
                told.add(key)
                yield (
                    f"{file}: {key} = {after[key]} stands over profile {name} ({text_of(value)}): "
                    "delete it there to let the profile decide"
                )


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _refuse_foreign(drop_in: Path) -> None:
    """Refuse to replace a file in which there is more than this program writes."""
    more = parse(drop_in).keys() - {"include"} if drop_in.is_file() else ()
    if more:
        keys = ", ".join(sorted(more))
        raise ConfigError(
            [f"{drop_in}: {keys}: somebody's own settings would be lost: move them to another file there"]
        )


def _refuse_later_include(drop_in: Path) -> None:
    for file in sorted(drop_in.parent.glob("*.toml")):
        if file.name > drop_in.name and "include" in parse(file):
            raise ConfigError([f"{file}: include: it is read after {drop_in.name} and replaces it: delete it there"])


def _differs(file: Path, text: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") != text
    except (OSError, UnicodeDecodeError):
        return True


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as stream:
        new = Path(stream.name)
        try:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
            new.chmod(0o644)
            new.replace(file)
        except OSError:
            new.unlink(missing_ok=True)
            raise
