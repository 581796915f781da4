import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SECOND, SET

BOOK = book((1, 100, 6), (1, 98, 6), (-1, 102, 9))
UP, DOWN = (SET, 1, 101, 1, LAST), (SET, 1, 101, 0, LAST)  # the mid by half a tick


def test_a_return_is_the_mid_less_its_decayed_mean():
    events = stream(*BOOK, UP, (SET, 1, 98, 5, LAST), every=1_000 * MS)
    assert column("ret_1s", events) == approx([0, 0.5, 0.5 * np.exp(-1)])


def test_squares_add_up_and_sides_are_apart():
    events = stream(*BOOK, UP, DOWN)
    assert column("rv_1m", events) == approx([0, 0.25, 0.5], rel=1e-3)
    assert column("rv_up_10s", events) == approx([0, 0.25, 0.25], rel=1e-3)
    assert column("rv_down_10s", events) == approx([0, 0, 0.25], rel=1e-3)


def test_the_last_move_and_its_age():
    events = stream(*BOOK, (*DOWN[:3], 2, LAST), DOWN, (SET, 1, 98, 1, LAST), every=100 * MS)
    assert column("since_move", events) == approx([np.nan, 0, 0, 0.1], nan_ok=True)
    assert column("last_move_100ms", events)[1:] == approx([1, -1, -np.exp(-1)])


def test_a_price_that_bounces_within_seconds_has_a_variance_ratio_of_none():
    events = stream(*BOOK, UP, DOWN, UP, DOWN, (SET, 1, 98, 1, LAST), every=400 * MS)
    assert column("variance_ratio", events)[-1] < 0.5
    assert column("rv_1m", events)[-1] == approx(1, rel=0.05)


def seconds(market):
    """(n,) squared and neighbouring products of whole seconds, at the book that ends them."""
    squares, products = np.zeros(len(market.ts)), np.zeros(len(market.ts))
    slot, of = market.ts // SECOND, {}
    for i, s in enumerate(slot):
        if i and s != slot[i - 1]:
            done = of.get(slot[i - 1], 0.0)
            squares[i] = done**2
            products[i] = np.pi / 2 * abs(done * of.get(slot[i - 1] - 1, 0.0))
        of[s] = of.get(s, 0.0) + market.moves[i]
    return squares, products


def test_columns_are_the_oracles(market: Market):
    moves = market.moves
    for tau in ("100ms", "1s", "10s", "1m"):
        agree(market.column(f"ret_{tau}"), market.sums(moves, tau))
        agree(market.column(f"rv_{tau}"), market.sums(moves**2, tau))
    agree(market.column("rv_up_10s"), market.sums(np.maximum(moves, 0) ** 2, "10s"))
    agree(market.column("rv_down_10s"), market.sums(np.minimum(moves, 0) ** 2, "10s"))
    agree(market.column("changes_1s"), market.sums(moves != 0, "1s"))
    squares, products = seconds(market)
    agree(market.column("bipower_1m"), market.sums(products, "1m"))
    known = market.column("rv_1m") > 0
    ratio = market.sums(squares, "1m")[known] / market.sums(moves**2, "1m")[known]
    agree(market.column("variance_ratio")[known], ratio)


def test_the_age_of_the_last_move_is_the_oracles(market: Market):
    at = market.ts[market.moves != 0]
    n = np.searchsorted(at, market.rows.ts)
    age = np.where(n > 0, (market.rows.ts - at[n - 1]) / SECOND, np.nan)
    agree(market.column("since_move"), age)
    sign = np.sign(market.moves[market.moves != 0])[n - 1]
    agree(market.column("last_move_1s"), sign * np.exp(-age))
