"""Recordings of several venues in one run: what is told of an instrument alone stays the same."""

from dataclasses import dataclass

import numpy as np
import pytest

from flowsense.features.catalogue import DEFAULT, MORE, columns, spec, split
from flowsense.features.fold import Replay, join
from flowsense.schema import Events
from flowsense.sources import chunks
from flowsense.sources.merge import Merged
from flowsense.sources.open import open_source
from flowsense.sources.within import OfFiles

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

BETWEEN = ("peers", "related")  # families that read rows of an instant and mix instruments
FULL = spec((*(f for f in DEFAULT + MORE if f not in BETWEEN), *BETWEEN))
OWN = len(columns(split(DEFAULT + MORE).all)) - len(columns(BETWEEN))


@dataclass(frozen=True)
class Moved(OfFiles):
    """A recording as if it had been made so many ns later, of which the first chunks are read."""

    by: int
    chunks_read: int = 10**9

    def chunks(self):
        for chunk, _ in zip(chunks(self.source), range(self.chunks_read), strict=False):
            events: Events = chunk.events.copy()
            events["ts_recv"] += self.by
            yield chunk._replace(events=events)


def rows_of(source):
    return join([tape.rows[0] for tape in Replay(FULL, source)])


def assert_alone_is_together(sources):
    """Rows of one instant, bit for bit, in every column of the instrument alone."""
    merged = Merged(tuple(sources))
    together = rows_of(merged)
    for source in sources:
        alone = rows_of(source)
        where = {instrument: k for k, instrument in enumerate(merged.instruments)}
        for k, instrument in enumerate(source.instruments):
            mine = alone.take(alone.instrument == k)
            here = together.take(together.instrument == where[instrument])
            _, a, b = np.intersect1d(mine.ts, here.ts, return_indices=True)
            assert len(a) >= 0.99 * len(mine.ts) > 100, instrument
            assert mine.X[a, :OWN].tobytes() == here.X[b, :OWN].tobytes(), instrument
            assert mine.valid[a, :OWN].tobytes() == here.valid[b, :OWN].tobytes(), instrument
    return together


def test_three_stocks(data):
    names = ("GOOG*message_10", "AMZN*message_5", "AAPL*message_1")
    sources = [open_source(data / f"lobster/{name}.csv.zst") for name in names]
    together = assert_alone_is_together(sources)
    assert len(np.unique(together.instrument)) == 3 and len(together.ts) > 500_000


def test_two_coins_at_three_markets(data):
    sources = [open_source(p) for p in sorted((data / "binance_ws_raw").glob("*_20240808.*"))]
    together = assert_alone_is_together(sources)
    assert len(np.unique(together.instrument)) == len(sources) == 6


def test_a_book_of_orders_and_one_of_levels_of_other_venues(data):
    """The hours of the future lie seven months before those of the coin: one is moved."""
    orders = open_source(sorted((data / "dbn/nautilus").glob("esh4*1225.mbo*")))
    levels = open_source(data / "binance_ws_raw/usdm_btcusdt_20240808.jsonl.zst")
    first, other = (int(next(iter(source))["ts_recv"][0]) for source in (orders, levels))
    assert [s.instruments[0].by_order for s in (orders, levels)] == [True, False]
    together = assert_alone_is_together([orders, Moved(levels, first - other)])
    assert len(np.unique(together.instrument)) == 2
