"""The split over venues: examples by hand, and every possible split beside it."""

from itertools import product
from math import inf, isnan

import numpy as np
import pytest
from trade.books import book, drawn, instrument, offer

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.schema import BROKEN, SECOND, Decimal
from flowsense.trade.router import Limits, Offer, ladder, route

WIDE = Limits(slippage=1.0)
A = offer("a", asks=[(100, 2), (102, 5)], fee=0.01)  # 101, 103.02 after fees
B = offer("b", asks=[(101, 3), (103, 5)], fee=0.0)  # 101, 103


def lots_of(found):
    return {leg.venue: leg.lots for leg in found.legs}


def test_levels_are_taken_in_the_order_of_their_price_after_fees():
    found = route(1, 7, (A, B), 0, WIDE)
    assert lots_of(found) == {"a": 2, "b": 5}  # 2 at 101, 3 at 101, 2 at 103
    assert found.cost == pytest.approx((2 * 101 + 3 * 101 + 2 * 103) / 7)
    assert {leg.venue: leg.price for leg in found.legs} == {"a": 100, "b": 103}


def test_what_it_saves_is_told_beside_the_best_single_venue():
    found = route(1, 7, (A, B), 0, WIDE)
    alone = (3 * 101 + 4 * 103) / 7  # all at b; at a: (2 * 101 + 5 * 103.02) / 7
    assert found.alone == pytest.approx(alone)
    assert found.saved == pytest.approx(7 * (alone - found.cost)) and found.saved > 0


def test_a_sale_brings_the_most_after_fees():
    here = offer("a", bids=[(100, 2), (98, 9)], fee=0.01)  # 99, 97.02
    there = offer("b", bids=[(98, 3)])
    found = route(-1, 6, (here, there), 0, WIDE)
    assert lots_of(found) == {"a": 3, "b": 3}
    assert found.cost == pytest.approx((2 * 99 + 3 * 98 + 97.02) / 6)
    assert isnan(found.alone) is False and found.saved > 0


def test_a_fee_for_each_lot_counts():
    dear = Offer(instrument("a"), book(asks=[(100, 5)]), 0, terms=Terms(per_lot=2.0))
    assert lots_of(route(1, 5, (dear, offer("b", asks=[(101, 3)])), 0, WIDE)) == {"a": 2, "b": 3}


def test_an_order_below_the_least_value_goes_where_it_is_taken():
    small = offer("a", asks=[(100, 1)], notional=150.0)  # two lots at least: it has one
    assert lots_of(route(1, 2, (small, offer("b", asks=[(110, 9)])), 0, WIDE)) == {"b": 2}


def test_contracts_of_different_sizes_are_split_in_units():
    tenth = Offer(instrument("a", contract=Decimal(1, -1)), book(asks=[(100, 20)]), 0)
    found = route(1, 3.0, (tenth, offer("b", asks=[(101, 5)])), 0, WIDE)
    assert lots_of(found) == {"a": 20, "b": 1} and found.filled == 3.0


def test_a_coarse_step_is_taken_where_it_pays():
    coarse = offer("a", asks=[(101, 2)], lot=Decimal(10, 0))
    fine = offer("b", asks=[(100, 9), (120, 9)])
    assert lots_of(route(1, 15, (coarse, fine), 0, WIDE)) == {"a": 1, "b": 5}


def test_what_the_limits_do_not_allow_stays():
    found = route(1, 99, (A, B), 0, Limits(slippage=0.01))
    assert found.filled == 2 + 3 and isnan(found.alone)  # up to 101
    assert route(1, 4, (A._replace(room=1.5), B), 0, WIDE).legs[0].lots == 1


@pytest.mark.parametrize("lots", [1, 3, 6, 7, 29, 57])
def test_a_room_of_whole_lots_holds_as_many(lots):
    cents = offer("a", asks=[(100, 99)], lot=Decimal(1, -2), room=lots * 0.01)
    assert lots_of(route(1, lots * 0.01, (cents,), 0)) == {"a": lots}


def test_books_that_nobody_knows_are_left_out_and_named():
    old, broken = A._replace(ts=0), B._replace(ts=5 * SECOND, state=BROKEN)
    fresh = offer("c", asks=[(200, 1)])._replace(ts=5 * SECOND)
    found = route(1, 1, (old, broken, fresh), 5 * SECOND, WIDE)
    assert lots_of(found) == {"c": 1}
    assert found.refused == ("a:BTCUSDT: its book is 5.0 s old", "b:BTCUSDT: its book is not whole")


def test_nothing_is_filled_where_no_book_is_known():
    found = route(1, 1, (A, offer("b", bids=[(1, 1)])), 60 * SECOND)
    assert found.legs == () and found.filled == 0 and isnan(found.cost) and found.saved == 0
    assert len(found.refused) == 2
    assert "future" in route(1, 1, (A._replace(ts=9),), 0).refused[0]
    assert "nobody" in route(-1, 1, (A,), 0).refused[0]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((0, 1.0, (A,), 0), "give 1 or -1"),
        ((1, inf, (A,), 0), "more than 0"),
        ((1, 1.0, (), 0), "0 venues"),
        ((1, 1.0, (Offer(instrument(inverse=True), book(), 0),), 0), "inverse"),
    ],
)
def test_what_cannot_be_routed_is_refused(given, why):
    with pytest.raises(InputError, match=why):
        route(*given)


@pytest.mark.parametrize("given", [{"slippage": -1.0}, {"slippage": float("nan")}, {"stale_ns": 0}])
def test_limits_that_cannot_be_are_refused(given):
    with pytest.raises(InputError, match="trade"):
        Limits(**given)


def cost(side, one, n):
    """Of n lots there, level by level; None where they are not to be had."""
    tick, total = float(one.instrument.tick), 0.0
    price, unit = [p for p, _ in ladder(side, one.book)], one.instrument.lot.mantissa
    least = min(price[0], price[-1]) * tick * n * unit >= one.notional
    if n and not (least and n * unit <= one.room):
        return None
    for ticks, there in ladder(side, one.book):
        took = min(n, there)
        total += took * (unit * ticks * tick * (side + one.terms.taker) + one.terms.per_lot)
        n -= took
    return None if n else total


def best(side, wanted, offers):
    """Of every split there is: (units, cost), the most units and then the least cost."""
    ways, units = [], [o.instrument.lot.mantissa for o in offers]
    for split in product(*(range(wanted // unit + 1) for unit in units)):
        filled = sum(n * unit for n, unit in zip(split, units, strict=True))
        costs = [cost(side, o, n) for o, n in zip(offers, split, strict=True)]
        if filled <= wanted and None not in costs:
            ways.append((-filled, sum(costs)))
    return min(ways)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_split_fills_more_or_is_cheaper(seed):
    rng = np.random.default_rng(seed)
    offers = tuple(drawn(rng, name) for name in "abc"[: rng.integers(1, 4)])
    side, wanted = int(rng.choice((-1, 1))), int(rng.integers(1, 10))
    found, (most, least) = route(side, wanted, offers, 0, WIDE), best(side, wanted, offers)
    assert found.filled == -most
    assert side * found.cost * found.filled == pytest.approx(least) if most else not found.legs
    paid = sum(leg.value + side * leg.fee for leg in found.legs)
    assert paid == pytest.approx(side * least if most else 0.0)


def test_a_coarse_step_more_is_taken_for_what_is_dear_elsewhere():
    coarse = offer("a", asks=[(101, 2)], lot=Decimal(10, 0))
    fine = offer("b", asks=[(100, 9), (120, 2)])
    assert lots_of(route(1, 25, (coarse, fine), 0, WIDE)) == {"a": 2, "b": 5}


@pytest.mark.parametrize("seed", range(20))
def test_nor_where_steps_differ(seed):
    rng = np.random.default_rng(100 + seed)
    offers = tuple(
        drawn(rng, name, 12 // step, step) for name, step in zip("abc", (1, 1, 4), strict=True)
    )
    side, wanted = int(rng.choice((-1, 1))), int(rng.integers(1, 14))
    found, (most, least) = route(side, wanted, offers, 0, WIDE), best(side, wanted, offers)
    assert found.filled == -most
    assert side * found.cost * found.filled == pytest.approx(least) if most else not found.legs
