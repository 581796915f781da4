"""Books of one asset at several venues."""

import numpy as np

from flowsense.exchange.client import Terms
from flowsense.schema import BOOK, DEPTH, Decimal, Instrument, zeros
from flowsense.trade.router import Offer

TICK, LOT = Decimal(1, 0), Decimal(1, 0)


def instrument(venue="here", tick=TICK, lot=LOT, **more):
    return Instrument("BTCUSDT", venue, tick, lot, **more)


def book(bids=(), asks=()):
    """Of (ticks, lots) from the touch outwards."""
    found = zeros(BOOK, 1)
    found["known"] = DEPTH
    for name, levels in (("bid", bids), ("ask", asks)):
        for n, (price, lots) in enumerate(levels):
            found[f"{name}_px"][0, n], found[f"{name}_sz"][0, n] = price, lots
    return found[0]


def offer(venue="here", bids=(), asks=(), *, fee=0.0, lot=LOT, least=1, **more):
    i = instrument(venue, lot=lot)
    return Offer(i, book(bids, asks), 0, terms=Terms(taker=fee, least=least), **more)


def drawn(rng, venue, most=6, step=1):
    """Few levels at prices that cross those of others, with fees of either kind."""
    asks = np.cumsum(rng.integers(1, 4, 3)) + 1_000 + rng.integers(0, 6)
    bids = 1_000 - np.cumsum(rng.integers(1, 4, 3)) - rng.integers(0, 6)
    sizes = rng.integers(1, most, (2, 3))
    terms = Terms(taker=rng.integers(0, 4) * 1e-3, per_lot=rng.integers(0, 3) * 0.5)
    both = (
        list(zip(p.tolist(), n.tolist(), strict=True))
        for p, n in zip((bids, asks), sizes, strict=True)
    )
    more = {"notional": float(rng.integers(0, 3) * 1_500), "room": float(rng.integers(1, 14))}
    lot = Decimal(step, 0)
    return Offer(instrument(venue, lot=lot), book(*both), 0, terms=terms, **more)
