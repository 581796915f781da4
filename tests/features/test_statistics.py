"""Running statistics: by hand, against all mids at once, and however the stream is cut."""

import numpy as np
import pytest
from markets import L2, book, stream

from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.features.statistics import Statistics
from flowsense.schema import CLEAR, GAP, LAST, SECOND, SET, SNAPSHOT, TRADE, Chunk
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.store.checkpoint import pack, unpack
from flowsense.testing.streams import cut

SPEC = spec(("spread",), ("interval:1s",))
TWO_SIDED = book((1, 100, 5), (-1, 102, 5))


def gathered(chunks, instruments=(L2,), resume=False):
    fold, told = Fold(SPEC, instruments), Statistics(instruments)
    for chunk in chunks:
        for tape in fold.push(*chunk):
            told.push(tape)
        if resume:
            data = pack(told.snapshot())
            told = Statistics(instruments)
            told.restore(unpack(data))
    return told


def of(*lines, every=SECOND):
    events = stream(*TWO_SIDED, *lines, every=every)
    return gathered([(events,)]).summary(0)


def move(price):
    """The whole touch goes there, two ticks wide."""
    return ((CLEAR, 0, 0, 0, 0), (SET, 1, price - 1, 5, 0), (SET, -1, price + 1, 5, LAST))


def test_prices_sizes_and_counts_are_in_the_units_of_the_instrument():
    found = of((TRADE, 1, 102, 3, LAST), (TRADE, -1, 100, 4, LAST))
    assert (found.events, found.trades, found.volume) == (5, 2, 7.0)
    assert (found.last_price, found.mid, found.spread) == (1.0, 1.01, 0.02)
    assert found.per_second == 5 / 4


def test_changes_are_of_the_mid_then_and_now():
    lines = [line for k in range(40) for line in move(111 + k)]
    found = of(*lines)
    assert found.change == 150 / 101 - 1
    assert found.change_1m == 150 / 129 - 1  # the mid until second 63 of 123
    assert found.change_1h is None


def test_nothing_is_known_of_what_was_not_heard():
    found = gathered([(stream()[:0],)]).summary(0)
    assert (found.events, found.volume) == (0, 0.0)
    assert {v for k, v in vars(found).items() if v != 0 and k not in ("symbol", "venue")} == {None}


@pytest.mark.compiled
def test_volatility_is_that_of_the_mids_at_full_seconds():
    rng = np.random.default_rng(0)
    prices = (1_000 + np.cumsum(rng.integers(-3, 4, 300))).tolist()
    events = stream(*TWO_SIDED, *(line for p in prices for line in move(p)), every=SECOND // 7)
    ends = np.flatnonzero(events["bits"] & LAST)
    mids = np.array([101, *prices], float)
    last = int(events["ts_recv"][-1] // SECOND)
    seconds = np.arange(1, last + 1) * SECOND
    at = np.searchsorted(events["ts_recv"][ends], seconds) - 1
    want = np.sqrt((np.diff(np.log(mids[at])) ** 2).sum())
    assert gathered([(events,)]).summary(0).volatility == pytest.approx(want, rel=1e-12)


def test_a_move_across_a_gap_is_no_volatility():
    gap = ((CLEAR, 0, 0, 0, GAP | SNAPSHOT), (SET, 1, 199, 5, SNAPSHOT))
    gap += ((SET, -1, 201, 5, SNAPSHOT | LAST),)
    quiet = [(SET, 1, 90, k + 1, LAST) for k in range(5)]
    found = of(*quiet, *gap, *move(200), *quiet)
    assert found.volatility == 0.0 and found.change == 200 / 101 - 1


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(k, marks=pytest.mark.compiled) for k in (1, 2))]
)
def test_however_the_stream_is_cut_saved_and_resumed(seed, instruments, events):
    records = Chunk(events, NO_BARS, NO_OBSERVATIONS)
    places = np.sort(np.random.default_rng(seed).choice(len(events), 40, replace=False))
    whole = gathered(cut(records, ()), instruments)
    pieces = gathered(cut(records, tuple(places.tolist())), instruments, resume=True)
    for name, array in whole.snapshot().items():
        assert array.tobytes() == pieces.snapshot()[name].tobytes(), name
