"""Which rows a fit reads, which fit speaks for whom, and how two answers become three classes."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.model.gather import LEARN, STOP, drawn, gather
from flowsense.model.instruments import Known
from flowsense.model.sides import combine
from flowsense.schema import Decimal, Instrument
from flowsense.testing import Recording

pytestmark = pytest.mark.compiled  # they read streams, and hold no kernel
MID, SIZE = Target("mid", 500_000_000), Target("magnitude", 500_000_000)


@pytest.fixture(scope="module")
def reader(instruments, events):
    return Replay(spec(("flow",)), Recording(instruments, events))


@pytest.fixture(scope="module")
def labels(reader):
    n = sum(len(t.rows[0].ts) for t in reader)
    rng = np.random.default_rng(0)
    y = rng.choice(3, (n, 1), p=(0.1, 0.8, 0.1)).astype(np.float32)
    ones = np.ones((n, 1))
    valid = rng.random((n, 1)) < 0.9
    stop = valid & (np.arange(n)[:, None] > 0.8 * n)
    known = np.zeros((n, 1), np.int64)
    return Labels((MID,), y, y - 1, known, valid, ones.astype(np.float32), stop)


def test_all_valid_rows_are_drawn_where_there_is_room(reader, labels):
    rows = gather(reader, labels, 10_000, 0)
    assert len(rows.X) == labels.valid.sum()
    assert (rows.role == STOP).sum() == labels.stop.sum()
    assert (rows.weight == 1).all()


def test_thinned_rows_stand_for_those_left_out(reader, labels):
    rows = gather(reader, labels, 20, 0)
    learned = labels.valid & ~labels.stop
    for moves, most in ((True, 40), (False, 20)):
        mine = (rows.role == LEARN) & ((rows.y != 1) == moves)
        assert mine.sum() == most
        assert rows.weight[mine].sum() == pytest.approx(
            (learned & ((labels.y != 1) == moves)).sum()
        )


def test_gathered_rows_are_those_of_the_stream(reader, labels):
    rows = gather(reader, labels, 10_000, 0)
    whole = np.concatenate([np.where(t.rows[0].valid, t.rows[0].X, np.nan) for t in reader])
    np.testing.assert_array_equal(rows.X, whole[labels.valid[:, 0]])


def test_rows_are_drawn_by_seed_and_in_order():
    few = [drawn(np.arange(100), 10, np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)]
    assert few[0] == few[1] != few[2]
    assert few[0] == sorted(few[0])


def test_instruments_are_known_by_symbol_and_venue(labels):
    a, b = (Instrument("A", v, Decimal(1, 0), Decimal(1, 0)) for v in ("x", "y"))
    known = Known.of(labels, (a, b))
    assert known.places((b, b._replace(symbol="C"), a)).tolist() == [1, 2, 0]
    assert known.targets == (MID,)


def test_a_regime_is_no_target_of_these_models(labels):
    with pytest.raises(InputError, match="regime@1s: this model forecasts"):
        Known.of(labels._replace(targets=(Target.parse("regime@1s"),)), ())


def test_three_classes_by_hand():
    found = combine((MID, SIZE), *(np.array([[x, x]]) for x in (0.5, 0.8)), np.array([[2.0, 3.0]]))
    np.testing.assert_allclose(found.proba[0, 0], [0.1, 0.5, 0.4], atol=1e-6)
    np.testing.assert_allclose(found.proba[0, 1], 1 / 3, atol=1e-6)
    np.testing.assert_allclose(found.value[0], [0.5 * 0.6 * 2, 3.0], atol=1e-6)


def test_nothing_is_certain():
    sure = np.array([[0.0, 1.0]])
    found = combine((MID, MID), sure[:, ::-1], sure, np.ones((1, 2))).proba
    assert (found > 0).all() and (found < 1).all()
    np.testing.assert_allclose(found[0], [[1, 0, 0], [0, 1, 0]], atol=3e-6)
