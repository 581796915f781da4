import numpy as np

from flowsense.forecast import Target
from flowsense.model.hawkes.maps import TERMS, linear, logistic, start, told, weighed
from flowsense.model.sides import sigmoid

OFI, MID = Target.parse("ofi@1s"), Target.parse("mid@1s")


def said(rng, n):
    counts = rng.uniform(0.1, 5, (n, 6))
    above, below = rng.uniform(0.05, 0.45, (2, n))
    return np.c_[counts, above, 1 - above - below]


def test_order_flow_starts_at_the_law_itself():
    rows = said(np.random.default_rng(0), 50)
    terms, weights = told(rows), start(OFI)
    up = sigmoid(weighed(terms.side, np.tile(weights[0], (50, 1))))
    move = sigmoid(weighed(terms.move, np.tile(weights[1], (50, 1))))
    below = 1 - rows[:, 6] - rows[:, 7]
    assert np.allclose(up, rows[:, 6] / (rows[:, 6] + below), atol=1e-4)
    assert np.allclose(move, 1 - rows[:, 7], atol=1e-4) and (start(MID) == 0).all()


def test_the_side_turns_with_the_book_and_the_move_does_not():
    rows = said(np.random.default_rng(0), 9)
    turned = rows[:, [1, 0, 3, 2, 5, 4, 6, 7]]
    turned[:, 6] = 1 - rows[:, 6] - rows[:, 7]
    one, other = told(rows), told(turned)
    assert np.allclose(one.side, -other.side) and np.allclose(one.move, other.move)
    assert np.allclose(one.size, other.size)


def test_a_map_is_found_and_without_rows_stays_where_it_starts():
    rng = np.random.default_rng(1)
    terms, true = rng.normal(size=(4_000, TERMS)), np.array([1.0, -0.5, 0.0, 0.3, 0.1])
    yes = rng.random(4_000) < sigmoid(terms @ true)
    found = logistic(terms, yes, np.ones(4_000), np.zeros(TERMS))
    assert np.abs(found - true).max() < 0.15
    assert logistic(terms[:0], yes[:0], np.ones(0), true).tolist() == true.tolist()
    assert np.abs(logistic(terms[:5], yes[:5], np.ones(5), true) - true).max() < 0.2


def test_one_class_alone_stays_finite():
    terms = np.c_[np.zeros((500, 1)), np.ones((500, 1)), np.zeros((500, 3))]
    found = logistic(terms, np.zeros(500, np.bool_), np.ones(500), np.zeros(TERMS))
    assert np.isfinite(found).all() and sigmoid(found[1:2])[0] < 0.01


def test_sizes_are_drawn_to_their_mean():
    rng = np.random.default_rng(1)
    terms = np.c_[rng.uniform(0, 3, 3_000), np.ones(3_000), rng.uniform(0, 3, (3_000, 3))]
    y = 2 * terms[:, 0] + 1 + rng.normal(0, 0.1, 3_000)
    assert np.allclose(linear(terms, y, np.ones(3_000)), [2, 1, 0, 0, 0], atol=0.05)
    assert linear(terms[:0], y[:0], np.ones(0)).tolist() == [0] * TERMS
