"""The LSTM finds what a model without memory cannot see, and says it row by row."""

import numpy as np
import pytest
from lagged import labels, lagged, rows, tape

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.models import build
from flowsense.models.lstm import Lstm

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
LATER = 7  # seed of rows that were not learned from


def hits(model):
    """Share of moved rows of another recording whose side is told."""
    of = rows(600, LATER)
    said, y = model.predict(model.init(tape(of).instruments), tape(of))[1], labels(of, LATER).y
    moved = said.ready[:, 0] & (y[:, 0] != 1)
    p = said.proba[moved, 0]
    return float(((p[:, 2] > p[:, 0]) == (y[moved, 0] == 2)).mean())


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("torch")
    model = Lstm(history=8, layers=1, units=16, heads=2, asked=32, batch=16, epochs=5, rate=1e-2)
    return model.fit(*lagged(), seed=0, budget=Budget())


def test_a_lagged_pattern_is_found_that_no_single_row_shows(fitted):
    blind = build("logistic").fit(*lagged(), seed=0, budget=Budget())
    assert hits(blind) < 0.58
    assert hits(fitted) > 0.8


def test_it_says_when_and_by_how_much_it_moves(fitted):
    of = rows(600, LATER)
    said, y = fitted.predict(fitted.init(tape(of).instruments), tape(of))[1], labels(of, LATER).y
    ready, still = said.ready[:, 0], y[:, 0] == 1
    flat = said.proba[:, 0, 1]
    assert flat[ready & still].mean() > flat[ready & ~still].mean() + 0.2
    assert np.corrcoef(said.value[ready, 1], y[ready, 1])[0, 1] > 0.8


def test_nothing_is_said_before_a_fit():
    of = tape(rows(5))
    with pytest.raises(InputError, match="fit or load"):
        Lstm().predict(Lstm().init(of.instruments), of)
    assert Lstm().targets == () and Lstm().params() == {}


def test_the_published_size_is_three_layers_of_128():
    of = Lstm.published()
    assert (of.layers, of.units, of.heads) == (3, 128, 8)


def test_units_that_heads_do_not_divide_are_refused():
    pytest.importorskip("torch")
    with pytest.raises(InputError, match="10 units cannot be shared by 8 heads"):
        Lstm(units=10).fit(*lagged(300), seed=0, budget=Budget())
