"""MLPLOB finds what lies some rows back, anew for each row."""

import pytest
from lagged import labels, lagged, rows, tape

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models.mlplob import Mlplob

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
LATER = 7  # seed of rows that were not learned from


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("torch")
    model = Mlplob(history=8, units=16, layers=2, dropout=0.1, epochs=5, rate=1e-2)
    return model.fit(*lagged(), seed=0, budget=Budget())


def test_a_lagged_pattern_is_found(fitted):
    of = rows(600, LATER)
    said, y = fitted.predict(fitted.init(tape(of).instruments), tape(of))[1], labels(of, LATER).y
    moved = said.ready[:, 0] & (y[:, 0] != 1)
    p = said.proba[moved, 0]
    assert ((p[:, 2] > p[:, 0]) == (y[moved, 0] == 2)).mean() > 0.75


def test_rows_further_back_than_its_history_change_nothing(fitted):
    whole = rows(60, absent=0.0)
    late = whole.take(slice(20, 120))
    here, there = (
        fitted.predict(fitted.init(tape(r).instruments), tape(r))[1] for r in (whole, late)
    )
    assert here.proba[40:].tobytes() == there.proba[20:].tobytes()


def test_nothing_is_said_before_a_fit():
    of = tape(rows(5))
    with pytest.raises(InputError, match="fit or load"):
        Mlplob().predict(Mlplob().init(of.instruments), of)
    assert Mlplob().targets == () and Mlplob().params() == {}
