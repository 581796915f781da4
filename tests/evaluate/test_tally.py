"""A resample of sums scores what the resampled rows score."""

import numpy as np
import pytest

from flowsense.evaluate import classes, scores, significance, tally
from flowsense.schema import SECOND


def drawn_rows(blocks, n, k):
    """Row numbers of resample k, written out."""
    edges = np.r_[blocks.begin, len(blocks.first)]
    rows = []
    for b in range(edges[k], edges[k + 1]):
        last = blocks.end[b] + n * int(blocks.wraps[b])
        rows += [r % n for r in range(blocks.first[b], last)]
    return np.array(rows)


@pytest.mark.parametrize("k", range(5))
def test_scores_of_a_resample_are_scores_of_its_rows(k):
    rng = np.random.default_rng(k)
    ts, p = np.arange(900) * SECOND, rng.dirichlet((1, 2, 1), 900)
    y, value = rng.integers(0, 3, 900), rng.normal(size=900)
    move = (y - 1) * 2.0 + np.linspace(-3, 3, 900)  # drifts, so that a resample's mean is not 0
    columns = tally.directions(tally.Calls.of("mid", p, y), p, y, value + move, move)
    blocks = significance.blocks(ts, SECOND, seed=k, resamples=5)
    found = {n: x[k] for n, x in tally.direction_scores(columns.resampled(blocks)).items()}
    r = drawn_rows(blocks, 900, k)
    ranks = scores.centred_ranks(value + move)[r], scores.centred_ranks(move)[r]
    assert found["accuracy"] == pytest.approx(scores.accuracy(p[r], y[r]))
    assert found["side_balanced"] == pytest.approx(scores.side_balanced(p[r], y[r]))
    assert found["log_loss"] == pytest.approx(scores.log_loss(p[r], y[r]))
    assert found["ic"] == pytest.approx(np.corrcoef(*ranks)[0, 1])
    counts = classes.confusion(classes.called(p[r]), y[r])
    assert found["macro_f1"] == pytest.approx(float(classes.macro_f1(counts)))


def test_sizes_of_a_resample():
    rng = np.random.default_rng(0)
    value, y = rng.normal(size=900), rng.exponential(size=900)
    blocks = significance.blocks(np.arange(900) * SECOND, SECOND, seed=0, resamples=5)
    found = tally.magnitude_scores(tally.magnitudes(value, y).resampled(blocks))
    r = drawn_rows(blocks, 900, 3)
    assert found["mae"][3] == pytest.approx(scores.mae(value[r], y[r]))
    assert found["rmse"][3] == pytest.approx(scores.rmse(value[r], y[r]))
