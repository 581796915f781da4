"""However many rows are worth drawing, what is read of them fits."""

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import gather as module
from flowsense.model.gather import LEARN, gather
from flowsense.testing import Recording
from flowsense.train.dataset import prepare

pytestmark = pytest.mark.compiled  # they read a stream, and hold no kernel


@pytest.fixture(scope="module")
def data(instruments, events):
    targets = (Target("mid", 500_000_000), Target("ofi", 1_000_000_000))
    return prepare(Recording(instruments, events), spec(("ofi", "depth")), targets)


def test_fewer_rows_are_drawn_where_all_would_take_too_much(data, monkeypatch):
    wide = 4 * len(data.spec.columns)
    every = gather(data, data.labels, 10_000, 0)
    assert len(every.X) == data.labels.valid.any(axis=1).sum()
    monkeypatch.setattr(module, "LARGEST", 100 * wide)
    some = gather(data, data.labels, 10_000, 0)
    assert 50 < len(some.X) <= 100
    learned = some.role == LEARN  # each stands for more, together for as many
    for t in range(2):
        total = (every.role[:, t] == LEARN).sum()
        assert np.isclose(some.weight[learned[:, t], t].sum(), total, rtol=1e-5)


def test_below_the_bound_nothing_changes(data, monkeypatch):
    before = gather(data, data.labels, 50, 3)
    monkeypatch.setattr(module, "LARGEST", before.X.nbytes)
    again = gather(data, data.labels, 50, 3)
    for a, b in zip(before, again, strict=True):
        assert a.tobytes() == b.tobytes()
