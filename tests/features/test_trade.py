import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import GAP, SET, TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))


def test_the_sign_of_the_last_trade_fades():
    events = stream(*BOOK, (TRADE, -1, 100, 2, LAST), (SET, 1, 100, 4, LAST), every=1_000 * MS)
    assert column("last_trade_1s", events) == approx([np.nan, -1, -np.exp(-1)], nan_ok=True)
    assert column("since_sell", events) == approx([np.nan, 0, 1], nan_ok=True)
    assert np.isnan(column("since_buy", events)).all()


def test_price_and_size_of_the_last_trade():
    events = stream(*BOOK, (TRADE, 1, 102, 2, LAST), (TRADE, 1, 102, 6, LAST))
    assert column("last_price", events)[1:] == [1, 1]
    assert column("last_size", events)[1:] == approx([1, 1.5], rel=1e-3)  # 6 / mean of 2 and 6


def test_a_sweep_goes_beyond_the_touch():
    events = stream(
        *BOOK, (TRADE, 1, 102, 9, 0), (TRADE, 1, 105, 1, LAST), (TRADE, -1, 97, 1, LAST)
    )
    assert column("last_through", events)[1:] == [3, -3]


def test_no_trade_is_known_across_a_gap():
    events = stream(*BOOK, (TRADE, 1, 102, 2, LAST), (SET, 1, 100, 1, GAP | LAST), *BOOK)
    assert np.isnan(column("last_trade_1s", events)[-1])


def test_columns_are_the_oracles(market: Market):
    at = [
        (t, *trade)
        for t, trades in zip(market.ts, market.trades(), strict=True)
        for trade in trades
    ]
    lots = [sum(n for _, _, n in trades) for trades in market.trades()]
    mean = market.sums(lots, "1m") / np.maximum(
        market.sums([len(t) for t in market.trades()], "1m"), 1e-9
    )
    side, price, size, buy = [], [], [], []
    for k, ts in enumerate(market.rows.ts):
        t, s, p, n = next((x for x in reversed(at) if x[0] < ts), (0, np.nan, np.nan, np.nan))
        side.append(s * np.exp((t - ts) / 1e9))
        price.append(p - market.rows.quote["mid2"][k] / 2)
        size.append(n / mean[k] if n == n else np.nan)
        buy.append(
            next(((ts - x[0]) / 1e9 for x in reversed(at) if x[0] < ts and x[1] > 0), np.nan)
        )
    agree(market.column("last_trade_1s"), side)
    agree(market.column("last_price"), price)
    agree(market.column("last_size"), size)
    agree(market.column("since_buy"), buy)
