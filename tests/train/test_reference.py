"""What a checkpoint says of the columns that it was fitted to."""

import numpy as np
import pytest

from flowsense.evaluate.stability import histogram
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models.logistic import Logistic
from flowsense.schema import SECOND
from flowsense.store import checkpoint
from flowsense.store.arrays import CheckpointError
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order
from flowsense.train.dataset import prepare
from flowsense.train.reference import reference
from flowsense.train.shelf import REFERENCE, fitted, keep

FEWEST = 300


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr("flowsense.train.reference.FEWEST", FEWEST)


@pytest.fixture(scope="module")
def data(instruments):
    events = by_level(by_order(3_000, 1, 0))
    events["ts_recv"] = events["ts_recv"][0] + (events["ts_recv"] - events["ts_recv"][0]) * 60
    source = Recording(instruments[1:], events)
    return prepare(source, spec(("depth",), ("interval:1s",)), (Target.parse("mid@1s"),))


def span(data):
    return int(data.ts[0]), int(data.ts[-1]) + 1


@pytest.mark.slow
def test_it_counts_the_rows_of_the_training_about_one_a_second(data):
    found = reference(data, span(data))
    assert found.rows == len(data) > FEWEST
    assert np.array_equal(found.counts, histogram(found.edges, data.X, data.valid))

    start = int(data.ts[100])
    later = reference(data, (start, span(data)[1]))
    rows = data.ts >= start
    assert later.rows == rows.sum() == len(data) - 100
    assert np.array_equal(later.counts, histogram(later.edges, data.X[rows], data.valid[rows]))


@pytest.mark.slow
def test_too_few_rows_are_none(data):
    start = int(data.ts[0])
    assert reference(data, (start, start + (FEWEST - 1) * SECOND)) is None
    assert reference(data, (start, start + FEWEST * SECOND)).rows == FEWEST


@pytest.mark.slow
def test_a_checkpoint_keeps_it_and_refuses_another(data, tmp_path):
    model = Calibrated(Logistic.tiny())
    model = model.fit(data, data.labels, seed=1, budget=Budget(steps=8))
    keep(tmp_path / "kept", model, data, span(data), 1, {})
    kept = fitted(tmp_path / "kept").reference
    assert np.array_equal(kept.counts, reference(data, span(data)).counts)

    manifest, params, files = checkpoint.load(tmp_path / "kept")
    arrays = checkpoint.unpack(files[REFERENCE])
    checkpoint.save(tmp_path / "none", manifest, params)
    assert fitted(tmp_path / "none").reference is None
    wrong = checkpoint.pack({name: x[1:] for name, x in arrays.items()})
    checkpoint.save(tmp_path / "wrong", manifest, params, {REFERENCE: wrong})
    with pytest.raises(CheckpointError, match=r"wrong: reference.npz is no histogram"):
        fitted(tmp_path / "wrong")
