import numpy as np
from markets import LAST, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SET, TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))
BUY, SELL = (TRADE, 1, 102, 1, LAST), (TRADE, -1, 100, 1, LAST)


def test_runs_of_trades_by_hand():
    events = stream(*BOOK, BUY, BUY, SELL, BUY)
    assert column("run_trades", events) == [0, 1, 2, -1, 1]
    assert column("trade_corr_1m", events)[-1] == approx((0 + 1 - 1 - 1) / 4, rel=1e-3)


def test_runs_of_the_mid_by_hand():
    events = stream(
        *BOOK,
        (SET, 1, 101, 1, LAST),
        (SET, -1, 104, 1, LAST),
        (SET, -1, 102, 0, LAST),
        (SET, 1, 101, 0, LAST),
    )
    assert column("run_mid", events) == [0, 1, 1, 2, -1]  # 104 lies behind 102: no move
    assert column("mid_corr_1m", events)[-1] == approx((0 + 1 - 1) / 3, abs=1e-3)


def products(signs):
    """Per whole book: how many signs, and the sum of each x the one before it; the run after."""
    before, run, out = 0, 0, []
    for of in signs:
        total = 0
        for sign in of:
            total += sign * before
            run = run + sign if sign == before else sign
            before = sign
        out.append((len(of), total, run))
    return np.array(out).T


def test_columns_are_the_oracles(market: Market):
    trades = [[side for side, _, _ in of] for of in market.trades()]
    mids = [[int(np.sign(x))] if x else [] for x in market.moves]
    for what, name, signs in (("trade", "trades", trades), ("mid", "mid", mids)):
        count, total, run = products(signs)
        agree(market.column(f"run_{name}"), market.now(run))
        for tau in ("10s", "1m"):
            ours = market.column(f"{what}_corr_{tau}")
            known = ours == ours
            assert known.mean() > 0.9
            agree(ours[known], market.sums(total, tau)[known] / market.sums(count, tau)[known])
