import numpy as np
from markets import LAST, Market, agree, book, column, stream
from pytest import approx

from flowsense.features.context import TAUS_NS
from flowsense.schema import TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))


def test_most_was_traded_above_the_mid():
    """Three lots at 102 and one at 100, about a mid of 101."""
    events = stream(*BOOK, (TRADE, 1, 102, 3, LAST), (TRADE, -1, 100, 1, LAST))
    assert column("profile_side", events)[-1] == approx(0.5, rel=1e-3)
    assert column("profile_peak", events)[-1] == 1
    assert column("profile_peak_share", events)[-1] == approx(0.75, rel=1e-3)
    assert column("profile_width", events)[-1] == approx(1)


def test_trades_of_one_message_share_their_mean_price():
    """Two lots at 102 and two at 103 lie at 102.5, half on either tick."""
    events = stream(*BOOK, (TRADE, 1, 102, 2, 0), (TRADE, 1, 103, 2, LAST))
    assert column("profile_width", events)[-1] == approx(np.sqrt((1 + 4) / 2))


def test_nothing_traded_has_no_profile():
    assert np.isnan(column("profile_side", stream(*BOOK))).all()


def test_columns_are_the_oracles(market: Market):
    price, lots, at = [], [], []
    for ts, trades in zip(market.ts, market.trades(), strict=True):
        assert len({p for _, p, _ in trades}) <= 1, "each message of the toy trades at one price"
        for _, p, n in trades:
            price, lots, at = [*price, p], [*lots, n], [*at, ts]
    price, lots, at = np.array(price), np.array(lots), np.array(at)
    mid = market.now(market.mid)
    age = market.rows.ts[:, None] - at
    weight = np.where(age > 0, np.exp(-np.maximum(age, 0) / TAUS_NS[3]) * lots, 0.0)
    total = weight.sum(axis=1)
    some = (total > 0) & ~np.isnan(mid)
    side = (np.sign(price - mid[:, None]) * weight).sum(axis=1)[some] / total[some]
    agree(market.column("profile_side")[some], side)
    square = ((price - mid[:, None]) ** 2 * weight).sum(axis=1)[some] / total[some]
    agree(market.column("profile_width")[some], np.sqrt(square))
    most = [max(w[price == p].sum() for p in np.unique(price)) for w in weight[some]]
    agree(market.column("profile_peak_share")[some], most / total[some])
