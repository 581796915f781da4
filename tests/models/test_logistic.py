"""Both logistic models find what was planted; one of them flips with the book."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import described, spec
from flowsense.model import Budget
from flowsense.model.terms import mirror
from flowsense.models import build

SPEC = spec()
NAMES = ("logistic", "antisymmetric")


@pytest.fixture(scope="module")
def fitted(stream, planted):
    return {n: build(n).fit(stream, planted, seed=0, budget=Budget()) for n in NAMES}


def forecast(model, tape):
    return model.predict(model.init(tape.instruments), tape)[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_side_and_move_are_found(name, fitted, whole, planted):
    late, p = planted.stop[:, 0], forecast(fitted[name], whole).proba[:, 0]
    y = planted.y[:, 0]
    moved = late & (y != 1)
    assert ((p[moved, 2] > p[moved, 0]) == (y[moved] == 2)).mean() > 0.75
    assert p[late & (y != 1), 1].mean() < p[late & (y == 1), 1].mean() - 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_size_is_found(name, fitted, whole, planted):
    late = planted.stop[:, 1]
    said = forecast(fitted[name], whole).value[late, 1]
    assert (said >= 0).all()
    assert np.corrcoef(said, planted.y[late, 1])[0, 1] > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_column_matters_most(name, fitted):
    found = fitted[name].importances(SPEC.columns)["mid@500ms"]
    assert sum(found.values()) == pytest.approx(1.0)
    assert "imb" in max(found, key=found.get) or "micro" in max(found, key=found.get)
    assert build(name).importances(SPEC.columns) == {}


def test_on_the_mirrored_book_the_antisymmetric_side_flips(fitted, whole):
    rows = whole.rows[0]
    columns, signs = mirror(described(SPEC))
    turned = rows._replace(X=rows.X[:, columns] * signs, valid=rows.valid[:, columns])
    here = forecast(fitted["antisymmetric"], whole)
    there = forecast(fitted["antisymmetric"], whole._replace(rows=(turned,)))
    np.testing.assert_allclose(there.proba[:, 0], here.proba[:, 0, ::-1], atol=1e-6)
    np.testing.assert_allclose(there.value[:, 0], -here.value[:, 0], atol=1e-5)


def test_too_few_rows_give_the_share_of_moves_and_no_side(stream, planted, whole):
    few = planted._replace(valid=planted.valid & (np.arange(len(planted.y)) < 20)[:, None])
    said = forecast(build("logistic").fit(stream, few, seed=0, budget=Budget()), whole)
    share = (planted.y[:20, 0] != 1).sum() + 1
    np.testing.assert_allclose(said.proba[:, 0, 1], (22 - share) / 22, atol=1e-5)
    np.testing.assert_allclose(said.proba[:, 0, 0], said.proba[:, 0, 2])


def test_an_instrument_without_labels_hears_the_other(stream, planted, whole):
    other = whole.rows[0].instrument == 1
    alone = planted._replace(valid=planted.valid & ~other[:, None])
    model = build("antisymmetric").fit(stream, alone, seed=0, budget=Budget())
    np.testing.assert_array_equal(model.fitted.weight[0], model.fitted.weight[1])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_before_a_fit(name, whole):
    with pytest.raises(InputError, match="fit or load"):
        forecast(build(name), whole)
    assert build(name).params() == {}
    assert build(name).targets == ()
