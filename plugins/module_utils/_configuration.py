# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PRIVATE to this collection: a configuration as a mapping, compared key by key, and what its daemon says of it."""

from __future__ import annotations

import json


def composed(config, profile):
    """Return what a file shall hold: the configuration without nulls, its profiles before those that it includes."""
    values = _without_nulls(config or {})
    if profile:
        values = {"include": [*profile, *values.get("include", ())], **_but(values, "include")}
    return values


def _without_nulls(values):
    if not isinstance(values, dict):
        return values
    return {key: _without_nulls(value) for key, value in values.items() if value is not None}


def _but(values, name):
    return {key: value for key, value in values.items() if key != name}


def same(one, other):
    """Tell whether two values mean the same to a daemon: 300 is 300.0, but 1 is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def flat(values, above=""):
    """Return {dotted key: value}; a table without keys is one itself."""
    found = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found.update(flat(value, f"{above}{key}."))
        else:
            found[above + key] = value
    return found


def changes(before, after):
    """Return [{"key", "before", "after"}] of what differs, by key; None where there is none."""
    old, new = flat(before), flat(after)
    return [
        {"key": key, "before": old.get(key), "after": new.get(key)}
        for key in sorted({*old, *new})
        if key not in old or key not in new or not same(old[key], new[key])
    ]


def listed(values):
    """Return one line for each key, sorted, such as "nap.absent_seconds = 900"."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in sorted(flat(values).items()))


def named(problem, path, profile):
    """Return a sentence of the daemon's about the file with the name of the module's option in place of the file's."""
    about_it, _colon, rest = problem.partition(f"{path}: ")
    if about_it or not rest:
        return problem
    of_profile, _include, what = rest.partition("include: ")
    if profile and not of_profile and any(repr(name) in what for name in profile):
        return f"profile: {what}"
    return f"config: {rest}"
