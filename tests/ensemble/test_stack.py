"""Trees on what members say: where they help, where they do not, and what the mirror does."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.ensemble import Heard
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.fallback import whole as said
from flowsense.ensemble.stack import Stack
from flowsense.errors import InputError
from flowsense.forecast import DOWN, UP
from flowsense.testing.voters import heard, hits, labels, loss, normal, strength_of

MEAN = Blend(learn=False, table=False)
ROWS = 8_000
TRENDS = ("trending up", "trending down", "crisis")


@pytest.fixture(scope="module")
def switched():
    """Who is right depends on the regime: the mean knows half of what there is to know."""
    odds, y = normal(2, ROWS, strength_of(0.7), 0.0)
    first = np.random.default_rng(2).random(ROWS) < 0.5
    odds = np.where([first, ~first], odds, np.random.default_rng(3).permuted(odds, axis=1))
    return heard(odds, regime=np.stack([first, ~first], axis=1)), y


@pytest.fixture(scope="module")
def fitted(switched):
    of, y = switched
    return Stack(trees=20, rate=0.25, depth=3).fit(of, labels(y))


def test_trees_find_who_is_right_when(fitted, switched):
    of, y = switched
    late = slice(2 * ROWS // 3, None)
    assert fitted.kept == {"mid@500ms": True}
    both = said(fitted, of), said(MEAN.fit(of, labels(y)), of)
    stacked, plain = (replace(f, proba=f.proba[late]) for f in both)
    assert loss(stacked, y[late]) < loss(plain, y[late]) - 0.02
    assert hits(stacked, y[late]) > hits(plain, y[late]) + 0.01


def test_the_mirrored_row_flips_the_answer(fitted, switched):
    of, _ = switched
    back = of._replace(said=tuple(mirrored(f) for f in of.said))
    here, there = said(fitted, of).proba, said(fitted, back).proba
    np.testing.assert_allclose(here[:, 0, UP], there[:, 0, DOWN], rtol=1e-5)


def mirrored(f):
    return replace(f, proba=np.ascontiguousarray(f.proba[:, :, ::-1]), value=-f.value)


def test_up_is_down_in_the_mirror_for_regimes_too():
    odds, y = normal(2, 2_000, 0.3, 0.0)
    regime = np.random.default_rng(0).dirichlet(np.ones(3), 2_000)
    of = heard(odds, regime=regime)
    found = Stack(trees=5, regimes=TRENDS).fit(of, labels(y))
    assert found.fitted.regimes.tolist() == [1, 0, 2]
    turned = found.fitted.regimes
    back = Heard(
        of.names,
        tuple(replace(mirrored(f), aux={"regime": f.aux["regime"][:, turned]}) for f in of.said),
        of.ts,
        of.instrument,
        of.regime[:, turned],
        of.quote,
    )
    here, there = said(found, of).proba, said(found, back).proba
    np.testing.assert_allclose(here[:, 0, UP], there[:, 0, DOWN], rtol=1e-5)


def test_of_noise_no_tree_is_kept():
    odds, _ = normal(4, 4_000, 0.3, 0.0)
    y = np.random.default_rng(5).choice([-1.0, 1.0], 4_000)
    found = Stack(trees=12).fit(heard(0.02 * odds), labels(y))
    plain = MEAN.fit(heard(0.02 * odds), labels(y))
    assert found.kept == {"mid@500ms": False} and found.fitted.gain[0, 2] > 1_000
    a, b = (said(one, heard(0.02 * odds)).proba for one in (found, plain))
    assert a.tobytes() == b.tobytes()


def test_with_few_rows_it_is_the_mean():
    odds, y = normal(3, 300, 0.5, 0.0)
    assert Stack().fit(heard(odds), labels(y)).kept == {"mid@500ms": False}


def test_it_is_saved_and_loaded(fitted, switched):
    of, _ = switched
    again = Stack().load(fitted.params())
    assert said(again, of).proba.tobytes() == said(fitted, of).proba.tobytes()


def test_other_regimes_than_named_are_refused():
    odds, y = normal(2, 100, 0.5, 0.0)
    of = heard(odds, regime=np.ones((100, 2)) / 2)
    for one in (Stack(regimes=TRENDS), Blend(regimes=TRENDS)):
        with pytest.raises(InputError, match="2 regimes are told"):
            one.fit(of, labels(y))
    for one in (Stack(), Blend()):
        with pytest.raises(InputError, match="fit or load"):
            said(one, of)
