# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host registered for its sleep, as text in one column; what is searched for has columns of its own."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from powernap.wake.model import Sleep

_ELSEWHERE = ("addresses", "macs", "lease_ends", "wake_by")
_FIELDS = tuple(field.name for field in fields(Sleep) if field.name not in _ELSEWHERE)
_values = attrgetter(*_FIELDS)


def to_text(sleep: Sleep) -> str:
    return _text(_values(sleep))


@lru_cache(maxsize=512)
def _text(values: tuple[Any, ...]) -> str:
    return json.dumps(dict(zip(_FIELDS, values, strict=True)))


def split_macs(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[at : at + 6] for at in range(0, len(joined), 6))


@lru_cache(maxsize=512)
def from_text(text: str) -> Sleep:
    """Without addresses, cards and lease; hosts that registered the same share it."""
    values = {name: _frozen(value) for name, value in json.loads(text).items() if name in _FIELDS}
    return Sleep(addresses=(), macs=(), **values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
