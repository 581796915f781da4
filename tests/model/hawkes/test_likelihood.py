import math

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model.hawkes.likelihood import (
    OFF,
    ON,
    RESET,
    Sequence,
    apart,
    design,
    exposure,
    log_likelihood,
    mirrored,
    slopes,
    watched,
    windows,
)
from flowsense.model.hawkes.shapes import Exponentials, PowerLaw
from flowsense.schema import DAY, SECOND
from flowsense.simulate.points import NOON, Points, Process, exponential, thinned


def points_at(*pairs, seconds):
    ts, kind = (np.array(x, np.int64) for x in zip(*pairs, strict=True))
    return Points(ts * SECOND, kind, 0, seconds * SECOND)


def test_two_points_by_hand():
    """One kind, mu 0.5, alpha 0.4, beta 2; points at 1 s and 2 s, watched for 3 s."""
    value = log_likelihood(points_at((1, 0), (2, 0), seconds=3), exponential([0.5], [[0.4]], 2.0))
    second = math.log(0.5 + 0.8 * math.exp(-2))
    integral = 1.5 + 0.4 * (1 - math.exp(-4)) + 0.4 * (1 - math.exp(-2))
    assert math.isclose(value, math.log(0.5) + second - integral, rel_tol=1e-12)


def test_one_kind_excites_another_by_hand():
    """A sell at 1 s brings buys: mu (1, 1), 0.5 buys for each sell, beta 1; a buy at 3 s of 4."""
    process = exponential([1.0, 1.0], [[0.0, 0.5], [0.0, 0.0]], 1.0)
    value = log_likelihood(points_at((1, 1), (3, 0), seconds=4), process)
    expected = math.log(1 + 0.5 * math.exp(-2)) - 8 - 0.5 * (1 - math.exp(-3))
    assert math.isclose(value, expected, rel_tol=1e-12)


def test_points_of_one_instant_do_not_excite_each_other():
    process = exponential([1.0, 1.0], [[0.0, 0.5], [0.5, 0.0]], 1.0)
    value = log_likelihood(points_at((1, 0), (1, 1), seconds=2), process)
    assert math.isclose(value, -4 - 2 * 0.5 * (1 - math.exp(-1)), rel_tol=1e-12)


@pytest.mark.slow
def test_two_exponentials_equal_the_slow_sum(known, slow):
    alpha = np.stack([known.alpha[:, :, 0] * 0.5] * 2, axis=2)
    process = Process(known.mu, alpha, np.array([1.0, 20.0]), np.eye(2), NOON)
    points = thinned(process, 80, np.random.default_rng(4))
    assert math.isclose(log_likelihood(points, process), slow(points, process), rel_tol=1e-10)


def test_a_power_law_equals_the_slow_sum(known, slow):
    terms = PowerLaw(0.4, 0.01, 10.0).terms()
    process = Process(known.mu, known.alpha, terms.beta, terms.mix, NOON)
    points = thinned(process, 60, np.random.default_rng(4))
    assert math.isclose(log_likelihood(points, process), slow(points, process), rel_tol=1e-10)


@pytest.mark.parametrize("shapes", [Exponentials((2.0, 15.0)), PowerLaw(0.4, 0.01, 10.0)])
@pytest.mark.parametrize("mirror", [None, (1, 0, 2)])
def test_slopes_are_those_of_the_value(points, shapes, mirror):
    """By central differences of theta and of the parameters of the shapes."""
    heads = apart(3) if mirror is None else mirrored(mirror)
    few = watched(points._replace(ts=points.ts[:400], kind=points.kind[:400]))
    wide = 1 + 3 * len(shapes.free)
    theta = np.random.default_rng(0).uniform(0.05, 0.3, (heads.number, wide))

    def at(theta, free):
        made = design(few, shapes.at(free).terms(), heads, NOON, slopes=True)
        return slopes(made, theta)

    found, h = at(theta, shapes.free), 1e-5
    for place in np.ndindex(theta.shape):
        move = np.zeros_like(theta)
        move[place] = h
        up, down = at(theta + move, shapes.free), at(theta - move, shapes.free)
        assert np.isclose((up.value - down.value) / (2 * h), found.theta[place], rtol=1e-5)
        curve = (up.theta - down.theta)[place[0]] / (2 * h)
        assert np.allclose(-curve, found.theta2[place[0], place[1]], rtol=1e-4, atol=1e-6)
    for q in range(len(shapes.free)):
        move = h * np.eye(len(shapes.free))[q]
        change = at(theta, shapes.free + move).value - at(theta, shapes.free - move).value
        assert np.isclose(change / (2 * h), found.shape[q], rtol=1e-4, atol=1e-6)


def test_windows_add_up_to_the_whole(points, known):
    """Learning in two parts of the time, what is between only excites."""
    terms, third = Exponentials((5.0,)).terms(), points.seconds / 3
    marks = [0, int(third) * SECOND, int(2 * third) * SECOND, points.end]
    codes = {"first": (ON, OFF, OFF, OFF), "rest": (OFF, ON, ON, OFF), "all": (ON, ON, ON, OFF)}
    found = {}
    for name, code in codes.items():
        ts = np.r_[points.ts, marks]
        order = np.argsort(np.r_[points.ts, np.array(marks) - 1], kind="stable")
        seq = Sequence(ts[order], np.r_[points.kind, code][order])
        found[name] = design(seq, terms, apart(3), NOON)
    assert np.allclose(found["first"].c + found["rest"].c, found["all"].c)
    assert len(found["first"].x) + len(found["rest"].x) == len(found["all"].x) == len(points.ts)


def test_nothing_is_excited_across_a_reset():
    ts = np.array([0, 1, 2, 3]) * SECOND
    seq = Sequence(ts, np.array([ON, 0, RESET, 0]))
    made = design(seq, Exponentials((1.0,)).terms(), apart(1), NOON)
    assert made.x.tolist() == [[1, 0], [1, 0]]
    assert np.isclose(made.c[0, 1], 1 - math.exp(-1)) and made.c[0, 0] == 3


def test_what_came_before_is_carried_in():
    seq = Sequence(np.array([0, 1]) * SECOND, np.array([ON, 0]))
    made = design(seq, Exponentials((2.0,)).terms(), apart(1), NOON, sums=np.array([[6.0]]))
    assert np.allclose(made.x, [[1, 6 * math.exp(-2)]])
    assert np.isclose(made.c[0, 1], 3 * (1 - math.exp(-2)))


def test_mirrored_kinds_see_mirrored_columns():
    """A sell right after a buy looks to the sell as a buy after a sell looks to the buy."""
    terms, heads = Exponentials((1.0,)).terms(), mirrored((1, 0))
    rows = []
    for first, second in ((0, 1), (1, 0)):
        seq = Sequence(np.array([0, 0, 1]) * SECOND, np.array([ON, first, second]))
        rows.append(design(seq, terms, heads, NOON).x[1].tolist())
    assert rows[0] == rows[1] and heads.number == 1


def test_exposure_of_knots_is_the_area_under_their_hats():
    knots = np.array([6, 12, 18], np.int64) * 3_600 * SECOND
    spans = np.array([[3 * 3_600 * SECOND, DAY + 13 * 3_600 * SECOND]])
    grid = np.arange(spans[0, 0], spans[0, 1], 10 * SECOND) + 5 * SECOND
    hats = [np.interp(grid % DAY, knots, np.eye(3)[k]).sum() * 10 for k in range(3)]
    assert np.allclose(exposure(knots, spans), hats, rtol=1e-6)


def test_a_window_left_open_ends_with_the_sequence():
    seq = Sequence(np.arange(5), np.array([OFF, ON, 0, ON, 1]))
    assert windows(seq).tolist() == [[1, 4]]


def test_a_point_without_intensity_is_refused():
    with pytest.raises(InputError, match="baseline"):
        log_likelihood(points_at((1, 0), seconds=2), exponential([0.0], [[0.5]], 1.0))
