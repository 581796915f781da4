"""One small stream, and labels in which the side is told by the imbalance of the touch."""

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.testing import Recording, tape_of

SPEC = spec()
PLANTED = (Target.parse("mid@500ms"), Target.parse("magnitude@1s"))


@pytest.fixture(scope="session")
def whole(instruments, events):
    return tape_of(SPEC, instruments, events)


@pytest.fixture(scope="session")
def stream(instruments, events):
    return Replay(SPEC, Recording(instruments, events))


@pytest.fixture(scope="session")
def planted(whole):
    """Moves where the spread is wide; to the heavier side; by as much as the spread."""
    rows, rng = whole.rows[0], np.random.default_rng(0)
    imbalance, spread = (rows.X[:, SPEC.columns.index(c)] for c in ("imb_l1", "spread"))
    noise = rng.normal(0, 0.1, len(rows.ts))
    still = spread + noise < np.median(spread)
    side = np.where(still, 0, np.where(imbalance + noise > 0, 1, -1))
    size = np.abs(spread + noise)
    y, move = np.stack([side + 1, size], 1), np.stack([side, size], 1)
    n = len(rows.ts)
    known = np.repeat(rows.ts[:, None] + 500_000_000, 2, axis=1)
    stop = np.repeat((np.arange(n) >= 0.8 * n)[:, None], 2, axis=1)
    valid, weight = np.ones((n, 2), np.bool_), np.ones((n, 2), np.float32)
    return Labels(
        PLANTED, y.astype(np.float32), move.astype(np.float32), known, valid, weight, stop
    )
