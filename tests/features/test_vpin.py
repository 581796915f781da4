import numpy as np
from markets import LAST, Market, agree, book, column, stream
from pytest import approx

from flowsense.features.vpin import BUCKETS, TRADES_EACH
from flowsense.schema import TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))


def trades(side, n):
    return [(TRADE, side, 102 if side > 0 else 100, 5, LAST)] * n


def test_a_bucket_holds_twenty_trades_of_mean_size():
    vpin = column("vpin", stream(*BOOK, *trades(1, 20)))
    assert np.isnan(vpin[:-1]).all()
    assert vpin[-1] == 1


def test_one_sided_buckets_of_both_sides_are_imbalanced_but_without_a_side():
    events = stream(*BOOK, *trades(1, 20), *trades(-1, 21))
    assert column("vpin", events)[-1] == 1
    assert column("vpin_side", events)[-1] == approx(0, abs=0.03)


def test_a_bucket_of_both_sides_is_balanced():
    events = stream(*BOOK, *trades(1, 13), *trades(-1, 7))
    assert column("vpin", events)[-1] == approx(0.3)  # (13 - 7) / 20


def slow(market, ts):
    """(|buys - sells|, buys - sells, lots) of the buckets closed before ts."""
    done, lots, signed, total, count = [], 0, 0, 0.0, 0.0
    for i, traded in enumerate(market.trades()):
        if market.ts[i] >= ts:
            break
        fade = np.exp(-(market.ts[i] - market.ts[i - 1]) / 6e10) if i else 1.0
        total, count = total * fade, count * fade
        for side, _, n in traded:
            total, count, lots, signed = total + n, count + 1, lots + n, signed + side * n
        if traded and lots >= TRADES_EACH * total / count:
            done.append((abs(signed), signed, lots))
            lots = signed = 0
    return np.array(done[-BUCKETS:]).sum(0) if done else np.full(3, np.nan)


def test_columns_are_the_oracles(market: Market):
    which = slice(None, None, 40)
    absolute, signed, lots = np.array([slow(market, ts) for ts in market.rows.ts[which]]).T
    agree(market.column("vpin")[which], absolute / lots)
    agree(market.column("vpin_side")[which], signed / lots)
