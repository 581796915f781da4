"""Windows of one instrument whose mid is told row by row; a second is 1 here, not 1e9."""

from math import log

import numpy as np
import pytest

from flowsense.bench.hmm import chain_of
from flowsense.model.hmm.chain import later
from flowsense.model.hmm.windows import MEMORY, SMALL, Windows, follow, standardise, watch


def watched(rows, numbers=2, step=4):
    """rows: (ts, mid2) or (ts, mid2, breaks) of instrument 0."""
    table = np.array([[r[0], 0, r[1], r[2] if len(r) > 2 else 0] for r in rows], np.int64)
    state = Windows.of(step, np.zeros(1, np.int64), np.ones(1))
    what, raw = np.zeros(len(rows), np.int64), np.zeros((len(rows), numbers))
    watch(table, state.whole, state.number, what, raw)
    return what.tolist(), raw


def test_a_window_ends_with_the_first_row_a_step_after_the_one_before():
    what, raw = watched([(10, 100), (12, 110), (14, 99), (15, 99), (19, 99)])
    assert what == [0, 0, 1, 0, 1]
    assert raw[2].tolist() == pytest.approx([log(0.99), log(1.1) ** 2 + log(0.9) ** 2])
    assert raw[4].tolist() == [0, 0]


def test_on_a_slow_clock_every_row_ends_a_window():
    what, _ = watched([(10, 100), (20, 101), (30, 102), (40, 103)])
    assert what == [0, 1, 1, 1]


def test_a_hole_says_nothing_and_how_long_it_was():
    what, raw = watched([(10, 100), (14, 101), (38, 150), (42, 150)])
    assert what == [0, 1, -6, 1]
    assert (raw[2] == 0).all() and raw[3, 0] == 0


def test_nothing_is_read_across_a_gap():
    what, raw = watched([(10, 100, 0), (12, 100, 0), (13, 900, 1), (17, 909, 1)])
    assert what == [0, 0, -1, 1]
    assert raw[3, 0] == pytest.approx(log(1.01))


@pytest.mark.parametrize("price", [0, -3])
def test_a_price_without_a_logarithm_is_no_observation(price):
    what, raw = watched([(10, 100), (14, price), (18, 100), (22, 101)])
    assert what == [0, -1, 0, 1]
    assert np.isfinite(raw).all()


def test_autocorrelation_is_that_of_window_returns_decayed():
    up, down = log(1.1), log(1 / 1.1)
    _, raw = watched([(0, 0), (4, 1000), (8, 1100), (12, 1000), (16, 1100)], numbers=3)
    assert raw[2, 2] == 0  # no return before it
    first = up * down / (MEMORY * up * up + down * down)
    assert raw[3, 2] == pytest.approx(first)
    power = MEMORY**2 * up**2 + MEMORY * down**2 + up**2
    assert raw[4, 2] == pytest.approx((MEMORY + 1) * up * down / power)


def test_a_market_at_rest_has_no_autocorrelation():
    _, raw = watched([(0, 1000), (4, 1000), (8, 1000)], numbers=3)
    assert (raw == 0).all()


def test_observations_are_in_deviations_and_bounded():
    x = np.array([[0.02, 0.0004], [0.0, 0.0], [9.0, 81.0], [5.0, 5.0]])
    standardise(x, np.array([1, 1, 1, 0]), np.full(4, 0.01))
    assert x[0].tolist() == pytest.approx([2, log(4 + SMALL**2) / 2])
    assert x[1].tolist() == pytest.approx([0, log(SMALL)])
    assert x[2].tolist() == pytest.approx([10, log(10)])
    assert x[3].tolist() == [5, 5]


def test_between_windows_the_belief_is_held_and_over_holes_it_fades():
    chain = chain_of(0.9, (1.0, 5.0))
    what = np.array([[0, 0], [1, 0], [0, 0], [-3, 0], [0, 1], [-5_000, 0]])
    belief, out = np.tile([0.5, 0.5], (2, 1)), np.zeros((6, 2))
    x, work = np.full((6, 1), 6.0), np.empty((2, 2))
    follow(x, what, chain.table(), chain.jump, belief, work, out)
    assert out[0].tolist() == out[4].tolist() == [0.5, 0.5]
    assert out[1, 1] > 0.99
    assert out[2].tolist() == out[1].tolist()
    np.testing.assert_allclose(out[3], later(chain, out[1], 3))
    np.testing.assert_allclose(out[5], [0.5, 0.5], atol=1e-9)
    np.testing.assert_allclose(belief, [out[5], [0.5, 0.5]])
