import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import GAP, SECOND, SET, TRADE

BOOK = book((1, 100, 6), (-1, 102, 4), (-1, 104, 4))
NEXT = (SET, 1, 90, 1, LAST)  # a record in a later interval closes the one before


def test_four_lots_that_lift_the_mid_by_one_tick():
    events = stream(*BOOK, (TRADE, 1, 102, 4, 0), (SET, -1, 102, 0, LAST), NEXT, every=60 * MS)
    assert column("kyle_10s", events)[-1] == approx(0.25)  # 1 tick / 4 lots, at 300 and 360 ms
    assert column("impact_10s", events)[-1] == approx(0.25)  # 4 lots left the ask


def test_lots_as_fine_as_a_satoshi_do_not_overflow():
    n = 10**10
    levels = book((1, 100, 6 * n), (-1, 102, 4 * n), (-1, 104, 4 * n))
    lift = ((TRADE, 1, 102, 4 * n, 0), (SET, -1, 102, 0, LAST))
    events = stream(*levels, *lift, NEXT, every=60 * MS)
    assert column("kyle_10s", events)[-1] == approx(0.25 / n)
    assert column("impact_10s", events)[-1] == approx(0.25 / n)


def test_an_interval_that_a_gap_cuts_is_left_out():
    events = stream(
        *BOOK,
        (TRADE, 1, 102, 4, 0),
        (SET, -1, 102, 0, LAST),
        (SET, 1, 1, 1, GAP),
        *BOOK,
        NEXT,
        every=9 * MS,
    )
    assert np.isnan(column("kyle_10s", events)[-1])


def slow(market, x, step, tau):
    """Sum of move x over sum of x^2, of the intervals closed, weighted at the book that closes."""
    slot, xy, xx = market.ts // step, np.zeros(len(market.ts)), np.zeros(len(market.ts))
    start = 0
    for i in range(1, len(slot)):
        if slot[i] != slot[i - 1]:
            move, of = market.moves[start:i].sum(), np.asarray(x)[start:i].sum()
            xy[i], xx[i], start = move * of, of**2, i
    with np.errstate(invalid="ignore"):
        return market.sums(xy, tau) / market.sums(xx, tau)


def test_columns_are_the_oracles(market: Market):
    signed = [sum(side * n for side, _, n in trades) for trades in market.trades()]
    for step, tau in ((100 * MS, "10s"), (SECOND, "1m")):
        agree(market.column(f"kyle_{tau}"), slow(market, signed, step, tau))
        agree(market.column(f"impact_{tau}"), slow(market, market.ofi(), step, tau))
