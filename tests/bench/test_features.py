import numpy as np
import polars as pl
from markets import L2, Market, agree, book, stream

from flowsense.bench.features import Stream, columns_of, shared, whole_books
from flowsense.features.catalogue import spec
from flowsense.schema import EVENT
from flowsense.testing import tape_of
from flowsense.testing.toy import by_level, by_order


def from_full_book(market, k):
    """The market from its k-th whole book on; polars has no word for an empty side."""
    sides = ((1, "bid"), (-1, "ask"))
    b, levels = market.books[k], range(10)
    rest = [(s, b[f"{n}_px"][j], b[f"{n}_sz"][j]) for s, n in sides for j in levels]
    opened = stream(*book(*(level for level in rest if level[2])))
    opened["ts_recv"] = market.ts[k]
    return np.concatenate([opened, market.events[market.last[k] + 1 :]]).view(EVENT)


def test_polars_computes_the_same_columns():
    events = from_full_book(Market(by_level(by_order(3_000, seed=4))), 400)
    rows = tape_of(spec(), (L2,), events).rows[0]
    made = columns_of(whole_books(Stream("toy", L2, events)))
    made = made.filter(pl.col("ts").is_in(rows.ts.tolist()))
    names = shared(made)
    assert len(names) > 40 and len(made) == len(rows.ts) > 200
    for name in names:
        k = spec().columns.index(name)
        agree(np.where(rows.valid[:, k], made[name], 0.0), rows.X[:, k])
