import numpy as np
from markets import L3, LAST, MS, Market, agree, column, stream
from pytest import approx

from flowsense.features.context import TAUS_NS
from flowsense.schema import ADD, CANCEL, CLEAR, FILL, SNAPSHOT, TRADE
from flowsense.testing.toy import by_order


def order(action, side, price, lots, oid, bits=LAST):
    return (action, side, price, lots, bits, 0, oid)


OPEN = ((CLEAR, 0, 0, 0, SNAPSHOT | LAST), order(ADD, 1, 100, 4, 1), order(ADD, -1, 102, 6, 2))


def test_an_order_filled_after_two_steps_and_one_cut_after_three():
    events = stream(
        *OPEN,
        order(TRADE, 1, 102, 6, 0, 0),
        order(FILL, -1, 102, 6, 2),
        order(CANCEL, 1, 100, 4, 1),
        every=10 * MS,
    )
    assert column("fill_age_10s", events, L3)[-1] == approx(0.02)
    assert column("fill_share_10s", events, L3)[-1] == approx(0.5, rel=1e-2)
    assert column("fill_patience_10s", events, L3)[-1] == approx(0.02 / 0.04, rel=1e-2)
    assert column("order_size_10s", events, L3)[-1] == approx(5, rel=1e-2)


def test_columns_are_the_oracles():
    market = Market(by_order(1_200, 5, 0), L3)
    born, fills, cuts = {}, [], []
    for e in market.events:
        oid, ts = int(e["order_id"]), int(e["ts_recv"])
        if e["action"] == ADD:
            born[oid] = ts
        elif e["action"] in (FILL, CANCEL):
            (fills if e["action"] == FILL else cuts).append((ts, (ts - born[oid]) / 1e9))
    age = market.rows.ts[:, None] - np.array([ts for ts, _ in fills])
    weight = np.where(age > 0, np.exp(-np.maximum(age, 0) / TAUS_NS[2]), 0.0)
    some = weight.sum(axis=1) > 0
    mean = weight[some] @ np.array([x for _, x in fills]) / weight[some].sum(axis=1)
    agree(market.column("fill_age_10s")[some], mean)
    gone = market.rows.ts[:, None] - np.array([ts for ts, _ in cuts])
    cut = np.where(gone > 0, np.exp(-np.maximum(gone, 0) / TAUS_NS[2]), 0.0).sum(axis=1)
    filled = weight.sum(axis=1)[some]
    agree(market.column("fill_share_10s")[some], filled / (filled + cut[some]))
