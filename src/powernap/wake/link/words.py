# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say, read strictly. Pure.

Texts are shown to people and written to the journal: a space stands for what does not print, such as a line feed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from powernap.shared.errors import BadMac
from powernap.shared.mac import mac_bytes
from powernap.wake.registration import BadBody, is_number

#: What a host may say that it is.
STATES = ("awake", "warned", "powersave", "napping", "off")
#: Those in which it runs, and means to go on.
RUNNING = ("awake", "warned", "powersave")
CAUSES_OF_BYE = ("stopped", "poweroff", "reboot", "reload")
_MOST = 64
_LONGEST = 253
_LONGEST_TEXT = 1000
_NONCE = (16, 128)
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Hello:
    """The first message of a connection. ``slept_seconds``: 0 where it has not slept since its last hello."""

    nonce: str
    version: str
    boot_id: str
    identity: Mapping[str, str]
    cards: tuple[Mapping[str, Any], ...]
    hostname: str
    state: str
    cause: str
    slept_seconds: float
    profile: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """What a host does. ``since_seconds`` ago; ``next_at_seconds`` from now, or None; ``activity`` by monitor.

    ``profile``: in use from now on; None where it says nothing of it.
    """

    state: str
    since_seconds: float
    why: str
    next_at_seconds: float | None
    activity: Mapping[str, Any]
    profile: str | None = None


@dataclass(frozen=True)
class Done:
    """What became of an order."""

    ok: bool
    said: str
    result: Mapping[str, Any]


def hello(body: Mapping[str, Any]) -> Hello:
    """Raises BadBody, which names the field."""
    nonce = _text(body, "nonce", _NONCE[1])
    if len(nonce) < _NONCE[0] or not _HEX.issuperset(nonce):
        raise BadBody(f"nonce: give {_NONCE[0]} to {_NONCE[1]} hex digits, new with each hello")
    return Hello(
        nonce=nonce,
        version=_text(body, "version", _MOST, ""),
        boot_id=_text(body, "boot_id", _MOST, ""),
        identity=_identity(body.get("identity")),
        cards=_cards(body.get("cards")),
        hostname=_text(body, "hostname", _LONGEST, ""),
        state=_one_of(body, "state", STATES),
        cause=_text(body, "cause", _LONGEST_TEXT, "")[:100],
        slept_seconds=_seconds(body, "slept_seconds", 0.0) or 0.0,
        profile=_text(body, "profile", _LONGEST, ""),
        features=_texts(body, "features"),
    )


def awake(body: Mapping[str, Any]) -> str:
    """Return the cause. Raises BadBody."""
    return _text(body, "cause", _LONGEST_TEXT, "")[:100]


def said(body: Mapping[str, Any]) -> Said:
    """Raises BadBody, which names the field."""
    return Said(
        state=_one_of(body, "state", STATES),
        since_seconds=_seconds(body, "since_seconds", 0.0) or 0.0,
        why=_text(body, "why", _LONGEST_TEXT, ""),
        next_at_seconds=_seconds(body, "next_at_seconds", None),
        activity=_activity(body.get("activity")),
        profile=_text(body, "profile", _LONGEST, "") if "profile" in body else None,
    )


def done(body: Mapping[str, Any]) -> tuple[str, Done]:
    """Return the order's id and what became of it. Raises BadBody, which names the field."""
    ok, result = body.get("ok"), body.get("result") or {}
    if not isinstance(ok, bool):
        raise BadBody("ok: say true or false")
    if not isinstance(result, dict):
        raise BadBody("result: give an object")
    try:
        json.dumps(result, allow_nan=False)
    except ValueError:
        raise BadBody("result: one of its numbers is none that JSON has") from None
    return _text(body, "order", _LONGEST), Done(ok, _text(body, "said", _LONGEST_TEXT, ""), result)


def bye(body: Mapping[str, Any]) -> str:
    """Return the cause. Raises BadBody."""
    return _one_of(body, "cause", CAUSES_OF_BYE)


def _text(body: Mapping[str, Any], field: str, longest: int, default: str | None = None) -> str:
    value = body.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or len(value) > longest:
        raise BadBody(f"{field}: give a text of at most {longest} characters")
    return _printable(value)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def _texts(body: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = body.get(field) or []
    if not isinstance(value, list) or len(value) > _MOST or not all(isinstance(each, str) for each in value):
        raise BadBody(f"{field}: give a list of at most {_MOST} texts")
    return tuple(_printable(each[:_LONGEST]) for each in value)


def _one_of(body: Mapping[str, Any], field: str, known: tuple[str, ...]) -> str:
    value = body.get(field)
    if not isinstance(value, str) or value not in known:
        raise BadBody(f"{field}: say one of {', '.join(known)}")
    return value


def _seconds(body: Mapping[str, Any], field: str, default: float | None) -> float | None:
    value = body.get(field)
    if value is None:
        return default
    if not is_number(value) or not 0 <= value < 1e10:
        raise BadBody(f"{field}: give seconds, 0 or more")
    return float(value)


def _identity(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > _MOST:
        raise BadBody("identity: give an object with machine and board")
    return {
        _printable(key[:_MOST]): _printable(each[:_LONGEST]) for key, each in value.items() if isinstance(each, str)
    }


def _activity(value: object) -> Mapping[str, Any]:
    monitors = value or {}
    if not isinstance(monitors, dict) or len(monitors) > _MOST:
        raise BadBody(f"activity: give an object of at most {_MOST} monitors")
    return {_printable(name[:_LONGEST]): _monitor(_printable(name[:_MOST]), said) for name, said in monitors.items()}


def _monitor(name: str, said: object) -> Mapping[str, Any]:
    """Only numbers, texts and truths: it is kept, and shown to people and programs."""
    if not isinstance(said, dict) or len(said) > _MOST or not all(map(_is_plain, said.values())):
        raise BadBody(f"activity.{name}: give an object with active, value, threshold and unit, none a list or object")
    return {
        _printable(key[:_MOST]): _printable(each[:_LONGEST]) if isinstance(each, str) else each
        for key, each in said.items()
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, str)) or (isinstance(value, int) and abs(value) < 1 << 63)


def _cards(value: object) -> tuple[Mapping[str, Any], ...]:
    cards = value or []
    if not isinstance(cards, list) or len(cards) > _MOST:
        raise BadBody(f"cards: give a list of at most {_MOST} cards, each with name, mac and addresses")
    for number, card in enumerate(cards):
        try:
            mac_bytes(card.get("mac") if isinstance(card, dict) else None)
        except BadMac as error:
            raise BadBody(f"cards[{number}].mac: {error}") from error
        if not isinstance(card.get("addresses", []), list) or len(card.get("addresses", [])) > _MOST:
            raise BadBody(f"cards[{number}].addresses: give a list of at most {_MOST} addresses")
    return tuple(cards)
