"""The strip of a book against a slow one: every level in its cell, near and far from the touch."""

import numpy as np
import pytest

from flowsense.features.fold import Fold
from flowsense.schema import EVENT, LAST, SECOND, SET, SNAPSHOT, Decimal, Instrument, zeros
from flowsense.serve.board.columns import SPEC
from flowsense.serve.board.image import bytes_of, strip
from flowsense.serve.board.wire import CELLS

TABLE = (Instrument("A", "x", Decimal(1, -2), Decimal(1, 0)),)


def book(rng, spread, n=400):
    """SETs of both sides, some far beyond what a ladder holds; and what rests then."""
    out, resting = zeros(EVENT, n), {}
    out["ts_event"] = out["ts_recv"] = SECOND
    out["action"], out["bits"] = SET, SNAPSHOT
    out["side"] = rng.choice((1, -1), n)
    out["price"] = 50_000 - out["side"] * (1 + rng.integers(0, spread, n))
    out["lots"] = rng.integers(0, 9, n) * 10 ** rng.integers(0, 6, n)
    out["bits"][-1] |= LAST
    for one in out:
        resting[int(one["price"])] = int(one["lots"])
    return out, resting


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("spread", "bucket"), [(300, 1), (30_000, 5), (30_000, 500)])
def test_every_level_is_in_its_cell(seed, spread, bucket):
    events, resting = book(np.random.default_rng(seed), spread)
    fold, base = Fold(SPEC, TABLE), 50_000 - CELLS // 2 * bucket
    for _ in fold.push(events):
        pass

    found = strip(fold.arrays["levels"], fold.arrays["state"]["sides"], 0, base, bucket)

    slow = [0] * CELLS
    for price, lots in resting.items():
        if 0 <= price - base < CELLS * bucket:
            slow[(price - base) // bucket] += lots
    assert found.tolist() == slow and sum(slow) > 0


def test_a_byte_tells_lots_to_a_tenth_and_nothing_as_nothing():
    lots = np.array([0, 1, 7, 1_000, 10**6, 2**31, 2**52])
    told = bytes_of(lots)

    back = 2.0 ** (told / 8) - 1
    assert told[0] == 0 and (told[1:] > 0).all() and told[-1] == 255
    assert (np.abs(back[1:6] / lots[1:6] - 1) < 0.1).all()
