# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client keeps of its link: how long it waits, which numbers it has used, which orders it has carried out."""

from __future__ import annotations

import pytest

from powernap.nap.link.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff
from powernap.nap.link.numbers import BLOCK, FILE, Numbers
from powernap.nap.link.orderbook import CUT_SHORT, KEPT, OrderBook
from powernap.shared.errors import PowernapError


def test_waits_are_anything_up_to_a_limit_that_doubles_and_ends():
    most = Backoff(lambda: 1.0)
    limits = [most.next() for _ in range(12)]
    assert limits[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert limits[-1] == LONGEST_SECONDS
    assert Backoff(lambda: 0.0).next() == 0.0
    assert 20.0 <= Backoff().next(20.0) <= 20.0 + FIRST_SECONDS
    assert Backoff(lambda: 0.0).next(1e9) == LONGEST_SECONDS


def test_numbers_grow_over_restarts_and_clocks_set_back(tmp_path):
    first = Numbers(tmp_path, lambda: 10**18)
    seen = [first(), first()]
    again = Numbers(tmp_path, lambda: 5)
    seen += [again(), again()]
    assert seen == sorted(set(seen))


def test_a_million_numbers_cost_one_write(tmp_path):
    numbers = Numbers(tmp_path, lambda: 1)
    numbers()
    written = (tmp_path / FILE).stat().st_mtime_ns
    for _ in range(1000):
        numbers()
    assert (tmp_path / FILE).stat().st_mtime_ns == written
    assert int((tmp_path / FILE).read_text()) == 1 + BLOCK


def test_without_room_for_the_number_there_is_none(tmp_path):
    (tmp_path / FILE).with_suffix(".new").mkdir()
    with pytest.raises(PowernapError, match="cannot be written"):
        Numbers(tmp_path)()


def test_an_order_that_a_crash_cut_short_is_told_of_and_not_begun_again(tmp_path):
    OrderBook(tmp_path).begin("o1", "nap", "alice")
    (entry,) = OrderBook(tmp_path).untold()
    assert (entry.ok, entry.said) == (False, CUT_SHORT)


def test_the_last_orders_are_kept_and_no_more(tmp_path):
    book = OrderBook(tmp_path)
    for number in range(KEPT + 5):
        book.finish(book.begin(str(number), "nap", "alice"), True, "", {})
    again = OrderBook(tmp_path)
    assert again.find("4") is None
    assert again.find("5") is not None
    assert len(again.untold()) == KEPT


def test_an_order_that_cannot_be_noted_is_not_begun(tmp_path):
    book = OrderBook(tmp_path)
    (tmp_path / "orders.new").mkdir()
    with pytest.raises(PowernapError, match="the order is not carried out"):
        book.begin("o1", "nap", "alice")
    assert book.find("o1") is None


def test_a_file_of_orders_that_is_damaged_is_begun_anew(tmp_path):
    (tmp_path / "orders.json").write_text('{"orders": [{"id"')
    assert OrderBook(tmp_path).untold() == []
