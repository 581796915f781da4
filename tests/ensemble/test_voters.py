"""Each combiner does what theory says of voters that are known, beside the best single one."""

import numpy as np
import pytest

from flowsense.ensemble.agree import Agree
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.fallback import whole as said
from flowsense.ensemble.select import Select
from flowsense.evaluate.scores import COVERAGES
from flowsense.testing.voters import (
    accuracy,
    at_least,
    forecast,
    heard,
    hits,
    labels,
    loss,
    normal,
    strength_of,
    together,
    voices,
)

MEAN = Blend(learn=False, table=False)
ROWS = 40_000


def error(p, rows):
    """Four standard errors of a share."""
    return 4 * np.sqrt(max(p * (1 - p), 0.0) / rows) + 1e-9


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_the_mean_is_as_right_as_theory_says_at_every_coverage(rho):
    odds, y = normal(5, ROWS, strength_of(0.6), rho)
    of = heard(odds)
    found = said(MEAN.fit(of, labels(y)), of)
    for coverage in COVERAGES:
        expected = accuracy(together(5, strength_of(0.6), rho), coverage)
        single = accuracy(strength_of(0.6), coverage)
        assert abs(hits(found, y, coverage) - expected) < error(expected, coverage * ROWS)
        assert hits(found, y, coverage) > single


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_a_learned_blend_is_as_sure_as_it_may_be(rho):
    """Bayes: weights 1 / (1 + (n - 1) rho) each, where the mean has 1 / n."""
    odds, y = normal(5, ROWS, strength_of(0.6), rho)
    of = heard(odds)
    learned = Blend().fit(of, labels(y))
    np.testing.assert_allclose(learned.fitted.weight[0, 0, :, 0], 1 / (1 + 4 * rho), atol=0.12)
    best = odds.sum(axis=0) / (1 + 4 * rho)
    assert loss(said(learned, of), y) < np.logaddexp(0, -best * y).mean() + 2e-3
    assert loss(said(learned, of), y) < loss(said(MEAN.fit(of, labels(y)), of), y)


@pytest.mark.parametrize("copying", [0.0, 0.6])
@pytest.mark.parametrize("share", [0.6, 0.8, 1.0])
def test_agreement_buys_selectivity_as_counted(share, copying):
    votes, y = voices(5, ROWS, 0.6, copying)
    of = heard(0.7 * votes)
    rule = Agree(share, confidence=0.0).fit(of, labels(y))
    found = said(rule, of)
    told = found.proba[:, 0, 0] != found.proba[:, 0, 2]
    q = rule.quorum(5)
    right, wrong = at_least(q, 5, 0.6, copying), at_least(q, 5, 0.4, copying)
    assert abs(told.mean() - (right + wrong)) < error(right + wrong, ROWS)
    named = np.sign(found.proba[told, 0, 2] - found.proba[told, 0, 0]) == y[told]
    assert abs(named.mean() - right / (right + wrong)) < error(0.6, told.sum())


def test_all_who_copy_agree_and_are_no_better_than_one():
    votes, y = voices(5, ROWS, 0.6, 1.0)
    found = said(Agree(1.0, 0.0).fit(heard(0.7 * votes), labels(y)), heard(0.7 * votes))
    assert (found.proba[:, 0, 0] != found.proba[:, 0, 2]).all()
    assert abs(hits(found, y) - 0.6) < error(0.6, ROWS)


@pytest.mark.parametrize("learn", [True, False])
def test_a_row_whose_regime_is_no_number_tells_none(learn):
    """The usual mixture is the mean of the rows that tell; what goes on is 0, not nan."""
    odds, y = normal(2, 400, 0.6, 0.0)
    regime = np.tile([[0.75, 0.25]], (400, 1))
    regime[7, 1] = np.nan
    of = heard(odds, regime=regime)
    found = Blend(learn=learn, table=False, regimes=("calm", "wild")).fit(of, labels(y))
    assert found.fitted.usual.tolist() == [0.75, 0.25] and np.isfinite(found.fitted.weight).all()
    answer = said(found, of)
    assert np.isfinite(answer.proba).all() and answer.ready.all()
    assert answer.aux["regime"][6:8].tolist() == [[0.75, 0.25], [0, 0]]


@pytest.mark.slow
def test_hearing_the_surest_is_as_right_as_an_integral_says():
    """n of Normal(m, 1) at side up: the one furthest from 0 is above it."""
    m, n = strength_of(0.6), 5
    odds, y = normal(n, ROWS, m, 0.0)
    of = heard(odds)
    s = np.linspace(0, 12, 20_001)
    from scipy.special import ndtr

    density = np.exp(-0.5 * (s - m) ** 2) / np.sqrt(2 * np.pi)
    exact = np.trapezoid(n * density * (ndtr(s - m) - ndtr(-s - m)) ** (n - 1), s)
    found = hits(said(Select().fit(of, labels(y)), of), y)
    assert abs(found - exact) < error(exact, ROWS) and exact > accuracy(m, 1.0)


def test_who_shouts_and_knows_nothing_is_not_heard():
    odds, y = normal(2, ROWS, strength_of(0.65), 0.0)
    noise = 6 * np.random.default_rng(1).choice([-1.0, 1.0], ROWS)
    loud, alone = heard(np.vstack([odds[:1], noise])), heard(odds[:1])
    found = said(Select().fit(loud, labels(y)), loud)
    assert hits(found, y) > hits(alone.said[0], y) - 0.01
    assert hits(said(MEAN.fit(loud, labels(y)), loud), y) < 0.55


def test_copies_of_a_member_gain_nothing():
    """Correlated errors: five of one are that one, however they are combined."""
    odds, y = normal(1, 8_000, strength_of(0.6), 0.0)
    of, one = heard(np.repeat(odds, 5, axis=0)), forecast(odds[0])
    for combiner in (MEAN, Blend(), Agree(confidence=0.0), Select()):
        found = said(combiner.fit(of, labels(y)), of)
        assert hits(found, y) == hits(one, y)
        assert loss(found, y) > loss(one, y) - 1e-3


@pytest.mark.slow
def test_a_rare_regime_is_learned_apart():
    """One member is right in the first regime, the other in the second."""
    odds, y = normal(2, ROWS, 0.6, 0.0)
    calm = np.random.default_rng(3).random(ROWS) < 0.7
    odds = np.where([calm, ~calm], odds, np.random.default_rng(4).permuted(odds, axis=1))
    regime = np.stack([calm, ~calm], axis=1)
    of = heard(odds, regime=regime)
    apart = Blend(table=False, regimes=("calm", "wild")).fit(of, labels(y))
    w = apart.fitted.weight[0, :, :, 0]
    assert w[0, 0] > 0.85 and w[1, 1] > 0.85 and w[0, 1] < 0.2 and w[1, 0] < 0.2
    assert loss(said(apart, of), y) < loss(
        said(Blend().fit(heard(odds), labels(y)), heard(odds)), y
    )
