# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts at rest, as far as the packet path needs to know them: page by page, one by one or those alike together."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from powernap.wake.model import Address, Sleep, State
from powernap.wake.registry.schema import WATCHED
from powernap.wake.registry.sleeps import from_text

_STATE = 'number, name, wake_on, "group", state, captured, run, sleep'
_DOUBTED = f"{WATCHED} AND sleep IS NOT NULL AND run < ?3"
_KIND = 'wake_on, "group", state, captured, run, sleep, segment, length(ip), mac <> zeroblob(6)'
_NTH_OF_KIND = ", ".join(map(str, range(1, 10)))
_ALL_OF_KIND = ", ".join(f"group_concat({what}, '')" for what in ("printf('%016x', number)", "hex(ip)", "hex(mac)"))
_MAC_BYTES = 6
Ask = Callable[..., list[tuple[Any, ...]]]


class Rest(NamedTuple):
    """A host at rest. `sleep` is without addresses, cards and lease. `cards`: where they were wanted."""

    number: int
    name: str
    wake_on: str | None
    group: str
    state: State
    captured: bool
    run: int
    sleep: Sleep | None
    addresses: tuple[Address, ...]
    cards: tuple[bytes, ...]


class Kind(NamedTuple):
    """Addresses of hosts at rest that differ in address, host and card alone. `one`: a host that has the first.

    `ips`, `macs`: of all, in the order of `numbers`, one behind the other.
    """

    one: Rest
    numbers: array[int]
    ips: bytes
    macs: bytes


class Page(NamedTuple):
    """`last`: the number of the last host. `cards`: MAC and number of all that are watched."""

    last: int
    kinds: list[Kind]
    cards: dict[bytes, int]


def watched(ask: Ask, after: int, most: int, with_cards: bool, before_run: int | None) -> list[Rest]:
    """Raises ValueError."""
    which, more = (WATCHED, ()) if before_run is None else (_DOUBTED, (before_run,))
    rows = ask(f"SELECT {_STATE} FROM hosts WHERE number > ?1 AND {which} ORDER BY number LIMIT ?2", after, most, *more)
    if not rows:
        return []
    span = (rows[0][0], rows[-1][0], *more)
    join = f"JOIN hosts ON number = host WHERE host BETWEEN ?1 AND ?2 AND {which} ORDER BY host"
    places = _grouped(ask(f"SELECT host, segment, ip, mac FROM places {join}, nth", *span))
    cards = _grouped(ask(f"SELECT host, mac FROM cards {join}", *span)) if with_cards else {}
    return [
        Rest(
            number,
            name,
            wake_on,
            group,
            State(state),
            bool(captured),
            run,
            from_text(text) if text else None,
            tuple(Address(*place) for place in places.get(number, ())),
            tuple(card for (card,) in cards.get(number, ())),
        )
        for number, name, wake_on, group, state, captured, run, text in rows
    ]


def alike(ask: Ask, after: int, upto: int, most: int, left_out: Collection[int]) -> Page | None:
    """Hosts up to the number `upto`, but for these. None where there are no more. Raises ValueError."""
    page = f"SELECT number FROM hosts WHERE number > ? AND number <= ? AND {WATCHED} ORDER BY number LIMIT ?"
    last, count = ask(f"SELECT max(number), count(*) FROM ({page})", after, upto, most)[0]
    if last is None:
        return None
    busy = ", ".join(str(int(number)) for number in left_out)
    here = f"host > ? AND host <= ? AND {WATCHED} AND host NOT IN ({busy})"
    # A row for each host would cost several times as much.
    kinds = ask(
        f"SELECT {_KIND}, {_ALL_OF_KIND} FROM places JOIN hosts ON number = host WHERE {here} GROUP BY {_NTH_OF_KIND}",
        after,
        last,
    )
    everyone = ask("SELECT count(*) FROM hosts WHERE number > ? AND number <= ?", after, last)[0][0]
    theirs = f"JOIN hosts ON number = host WHERE {here}" if everyone > count else f"WHERE {here.replace(WATCHED, '1')}"
    cards = ask(f"SELECT mac, host FROM cards {theirs}", after, last)
    return Page(last, [_kind(*row) for row in kinds], dict(cards))


def _kind(
    wake_on: str | None,
    group: str,
    state: str,
    captured: int,
    run: int,
    text: str | None,
    segment: str,
    length: int,
    _has_card: int,
    all_numbers: str,
    all_ips: str,
    all_macs: str,
) -> Kind:
    numbers, ips, macs = array("Q", bytes.fromhex(all_numbers)), bytes.fromhex(all_ips), bytes.fromhex(all_macs)
    if sys.byteorder == "little":
        numbers.byteswap()
    if length not in (4, 16) or len(macs) != _MAC_BYTES * len(numbers):
        raise ValueError("an address that is none")
    sleep = from_text(text) if text else None
    where = (Address(segment, ips[:length], macs[:_MAC_BYTES]),)
    one = Rest(numbers[0], "", wake_on, group, State(state), bool(captured), run, sleep, where, ())
    return Kind(one, numbers, ips, macs)


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for host, *others in rows:
        found.setdefault(host, []).append(tuple(others))
    return found
