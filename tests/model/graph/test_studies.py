"""Hedges, contagion, indicators and prices without a grid."""

import numpy as np
import pytest
from markets import GRID, L2

from flowsense.errors import InputError
from flowsense.model.graph.asynchronous import lead_lag
from flowsense.model.graph.contagion import contagion
from flowsense.model.graph.hedges import critical, hedge, hedges
from flowsense.model.graph.indicators import relations
from flowsense.testing import tape_of
from flowsense.testing.toy import by_level, by_order

RNG = np.random.default_rng


def pulled(rng, n, half_life):
    """An autoregression whose deviations halve in so many rows."""
    out, keep = np.zeros(n), 0.5 ** (1 / half_life)
    for t, e in enumerate(rng.normal(size=n - 1), 1):
        out[t] = keep * out[t - 1] + e
    return out


def test_a_planted_pair_is_found_with_its_beta_and_half_life():
    rng = RNG(0)
    walks = np.cumsum(rng.normal(size=(4_000, 4)), axis=0)
    walks[:, 1] = 2.5 * walks[:, 0] + pulled(rng, 4_000, 30)
    found = hedges(walks)[0]
    ours = found if found.long == 1 else hedge(walks, 1, 0)
    assert {found.long, found.short} == {0, 1}
    assert ours.beta == pytest.approx(2.5, rel=0.05)
    assert 20 < ours.half_life < 40


def test_independent_walks_pass_as_often_as_the_level_says():
    passed = 0
    for seed in range(100):
        walks = np.cumsum(RNG(seed).normal(size=(300, 2)), axis=0)
        passed += hedge(walks, 0, 1).statistic < critical(0.10, 300)
    assert 3 <= passed <= 19  # binomial 99 % around 10


def test_critical_values_are_the_published_ones():
    assert critical(0.05, 10**9) == pytest.approx(-3.336, abs=1e-3)
    with pytest.raises(InputError, match=r"level 0.2: tables hold 0.01"):
        critical(0.2, 100)


@pytest.mark.parametrize("column", [np.zeros(100), np.tile([1.0, -1.0], 50)])
def test_levels_that_never_move_or_only_bounce_are_no_error(column):
    found = hedge(np.c_[column, np.arange(100.0)], 0, 1)
    assert np.isfinite(found.statistic) and np.isfinite(found.deviation)


def test_levels_with_a_hole_are_refused():
    with pytest.raises(InputError, match="50 rows or more, finite"):
        hedges(np.full((60, 2), np.nan))


def test_one_factor_explains_what_it_is_worth():
    """x = f + e of equal variance: others explain 1/2 as their number grows; one loner nothing."""
    rng, n = RNG(1), 5_000
    moves = rng.normal(size=(n, 1)) + rng.normal(size=(n, 30))
    moves = np.c_[moves, rng.normal(size=n)]
    found = contagion(np.corrcoef(moves.T), n)
    assert found.factors == 1
    assert found.explained[:30] == pytest.approx(np.full(30, 0.48), abs=0.05)
    assert found.explained[30] < 0.02 and found.centrality[30] < 0.002
    assert found.absorbed > 0.5


def test_independent_instruments_share_nothing():
    moves = RNG(2).normal(size=(2_000, 40))
    found = contagion(np.corrcoef(moves.T), 2_000)
    assert found.factors == 0 and found.explained.max() < 1e-6
    assert found.absorbed == pytest.approx(8 / 40, abs=1e-6)


def test_identical_instruments_are_all_explained():
    found = contagion(np.ones((3, 3)), 100)
    assert found.explained.min() > 0.999 and found.factors == 1


@pytest.mark.parametrize("wrong", [np.ones((2, 3)), np.full((2, 2), np.nan)])
def test_what_is_no_correlation_is_refused(wrong):
    with pytest.raises(InputError, match="finite square"):
        contagion(wrong, 100)


@pytest.fixture(scope="module")
def rows():
    return tape_of(GRID, (L2,), by_level(by_order(2_500, seed=11))).rows[0]


@pytest.mark.compiled
def test_columns_of_one_thing_are_a_group_and_strangers_are_not(rows):
    rng = RNG(0)
    rows = rows._replace(X=rows.X.copy(), valid=rows.valid.copy())
    for j in (0, 1):  # two that remember themselves, with nothing in common
        rows.X[:, j], rows.valid[:, j] = pulled(rng, len(rows.ts), 20), True
    found = relations(rows, GRID.columns)
    at = GRID.columns.index
    assert found.edge[at("flow_1s"), at("flow_share_1s")]
    assert found.group[at("flow_1s")] == found.group[at("flow_share_1s")]
    assert not found.edge[0, 1] and found.worth[0, 1] < len(rows.ts) / 5
    assert not found.edge.diagonal().any() and (found.edge == found.edge.T).all()


@pytest.mark.compiled
def test_a_constant_column_is_related_to_none(rows):
    fixed = rows._replace(X=rows.X.copy())
    fixed.X[:, 5] = 3.0
    assert not relations(fixed, GRID.columns).edge[5].any()


@pytest.mark.compiled
def test_relations_want_one_instrument_and_a_name_each(rows):
    with pytest.raises(InputError, match="of one instrument"):
        relations(rows.take(slice(0, 10)), GRID.columns)
    with pytest.raises(InputError, match="2 names of"):
        relations(rows, ("a", "b"))


def ticks(rng, path, every):
    """The path at random times of its own."""
    at = np.unique(rng.integers(0, len(path), len(path) // every))
    return at * 1_000, path[at]


@pytest.mark.compiled
@pytest.mark.parametrize("lag", [0, 40, -25])
def test_the_lag_of_prices_without_a_grid(lag):
    rng = RNG(3)
    path = np.cumsum(rng.normal(size=20_000))
    s, x = ticks(rng, np.roll(path, lag), 7)  # x does what y did `lag` before
    t, y = ticks(rng, path, 11)
    keep = slice(20, -20)
    lags = np.arange(-60, 61, 5) * 1_000
    found = lead_lag(s[keep], x[keep], t[keep], y[keep], lags)
    assert abs(found.lag_ns - lag * 1_000) <= 5_000
    assert np.sign(np.log(found.ratio)) == np.sign(lag) or lag == 0


def test_overlaps_are_those_of_the_definition():
    rng = RNG(4)
    s, t = (np.sort(rng.choice(1_000, 30, replace=False)) for _ in range(2))
    x, y = rng.normal(size=(2, 30))
    slow = sum(
        (x[i] - x[i - 1]) * (y[j] - y[j - 1])
        for i in range(1, 30)
        for j in range(1, 30)
        if max(s[i - 1], t[j - 1] + 13) < min(s[i], t[j] + 13)
    )
    scale = np.sqrt((np.diff(x) ** 2).sum() * (np.diff(y) ** 2).sum())
    assert lead_lag(s, x, t, y, np.array([13])).correlation[0] == pytest.approx(slow / scale)


@pytest.mark.parametrize(
    ("s", "x", "said"),
    [
        ([1, 1, 2], [1.0, 2, 3], "each with a later time"),
        ([1, 2, 3], [1.0, np.nan, 3], "first prices: one is not finite"),
        ([1, 2, 3], [1.0, 1, 1], "never move"),
    ],
)
def test_prices_that_say_nothing_are_refused(s, x, said):
    t, y = np.array([1, 2, 3]), np.array([1.0, 2.0, 1.0])
    with pytest.raises(InputError, match=said):
        lead_lag(np.array(s), np.array(x), t, y, np.array([0]))
