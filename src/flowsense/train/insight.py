"""What whoever knows the truth looks at: a table with a line for each row of a recording."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.simulate.bayes import Known, pending
from flowsense.simulate.market import Truth
from flowsense.train.dataset import Data

SHARES = (0.25, 0.5, 1.0)  # of the horizon, by which known moves come
LEVELS = 2  # a side of the book that it looks at
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Sight(NamedTuple):
    """Of each row, what is looked at beside the truth."""

    ts: Ints  # (n,)
    instrument: Ints  # (n,) in the table of the truth
    mid: Floats  # (n,) ticks
    price: Floats  # (n, 2, LEVELS) of bids and asks, ticks
    lots: Floats  # (n, 2, LEVELS)

    def of(self, rows: Ints) -> "Sight":
        """These rows alone."""
        ts, who, mid, px, sz = self
        return Sight(ts[rows], who[rows], mid[rows], px[rows], sz[rows])


def seen(data: Data, symbols: list[str]) -> Sight:
    """Every row of a recording; instruments by their place among `symbols`."""
    place = np.array([symbols.index(i.symbol) for i in data.instruments])
    parts = []
    for tape in data:
        rows = tape.rows[0]
        price, lots = (
            np.stack([rows.book[f"{side}_{what}"][:, :LEVELS] for side in ("bid", "ask")], axis=1)
            for what in ("px", "sz")
        )
        who = place[rows.instrument]
        mid, px, sz = rows.quote["mid2"] / 2, price.astype(np.float64), lots.astype(np.float64)
        parts.append(Sight(rows.ts.copy(), who, mid, px, sz))
    return Sight(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def insight(
    truth: Truth, see: Known, sight: Sight, horizon_ns: int, hidden: bool = True
) -> NDArray[np.float32]:
    """(n, C): the truth about the efficient price and its moves to come, the book, all flow.

    Not `hidden`: without the efficient price and the regime, which no feed shows.
    """
    comes = [
        pending(truth, sight.ts, sight.instrument, round(horizon_ns * share)) for share in SHARES
    ]
    half = np.array(truth.market.half_spread)[see.state]
    gap, below, above = see.price - sight.mid, see.price - half, see.price + half
    bid, ask = sight.price[:, 0], sight.price[:, 1]
    secret = [gap, *(gap + x for x in comes[1:]), see.state]
    secret += [
        below - bid[:, 0],
        above - ask[:, 0],
        below - np.floor(below),
        above - np.floor(above),
    ]
    book = [ask[:, 0] - bid[:, 0], bid[:, 0] - bid[:, 1], ask[:, 1] - ask[:, 0]]
    lots = sight.lots.reshape(len(gap), -1).T
    told = [*comes, *book, *lots, *see.excess.T, sight.instrument, *(secret if hidden else [])]
    return np.stack(told, axis=1).astype(np.float32)
