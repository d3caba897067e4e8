# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns an address where two hosts are said to have it."""

from __future__ import annotations

from dataclasses import replace

from tests.python.wake.play import OWNER, SLEEP, THIRD, WEB4

from powernap.wake.demand.book import Book

OTHER4 = WEB4._replace(mac=THIRD)
OTHER_SLEEP = replace(SLEEP, addresses=(OTHER4,), macs=(THIRD,))


def owner(book: Book) -> str:
    found = book.owner_of(WEB4.segment, WEB4.ip)
    return found[0] if found is not None else ""


def test_an_address_belongs_to_who_sleeps_with_it_whatever_was_given_for_others() -> None:
    book = Book()
    book.enter("web2", (THIRD,), (OTHER4,), OTHER_SLEEP)
    book.enter("web1", (OWNER,), (WEB4,), None)
    assert owner(book) == "web2"
    book.remove("web1")
    assert owner(book) == "web2"


def test_a_host_that_goes_to_sleep_with_an_address_has_it() -> None:
    book = Book()
    book.enter("web2", (THIRD,), (OTHER4,), None)
    book.enter("web1", (OWNER,), (WEB4,), SLEEP)
    assert owner(book) == "web1"


def test_an_awake_host_takes_over_what_only_another_awake_one_had() -> None:
    book = Book()
    book.enter("web2", (THIRD,), (OTHER4,), None)
    book.enter("web1", (OWNER,), (WEB4,), None)
    assert owner(book) == "web1"
