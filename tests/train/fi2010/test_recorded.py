"""Labels of k events by hand and by search; nulls; and nets that learn by the protocol."""

from types import SimpleNamespace

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.classes import confusion, macro_f1
from flowsense.forecast import DOWN, FLAT, UP
from flowsense.model import Budget
from flowsense.train.fi2010 import nulls
from flowsense.train.fi2010.recorded import classes, fold, means, standardised
from flowsense.train.fi2010.scores import PUBLISHED, even, interval, net, scores
from flowsense.train.fi2010.stretches import Stretches, three
from flowsense.train.fi2010.table import UNKNOWN, Rule, Table, cut

NOW, PAST, HALF = Rule(False, 1.0), Rule(True, 1.0), Rule(False, 0.5)
GOOG = "lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst"


def test_the_next_two_against_now_by_hand():
    mid = np.array([100.0, 100.0, 102.0, 101.0, 97.0])
    y = classes(mid, np.zeros(5, int), 2, NOW)  # 101 / 100, 101.5 / 100, 99 / 102
    assert y.tolist() == [UP, UP, DOWN, UNKNOWN, UNKNOWN]
    assert classes(mid, np.zeros(5, int), 2, Rule(False, 120.0))[0] == FLAT


def test_the_next_two_against_the_last_two_by_hand():
    mid = np.array([100.0, 102.0, 101.0, 101.0, 90.0])
    y = classes(mid, np.zeros(5, int), 2, PAST)  # 101 / 101, 95.5 / 101.5
    assert y.tolist() == [UNKNOWN, FLAT, DOWN, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("rule", [NOW, PAST])
@pytest.mark.parametrize("k", [1, 3, 7, 90])
def test_labels_are_those_of_a_slow_search(rule, k):
    rng = np.random.default_rng(k)
    mid = 1_000 + np.cumsum(rng.choice((-0.5, 0, 0.5), 80))
    run = np.sort(rng.integers(0, 3, 80))
    run[40:43] = UNKNOWN
    expected = np.full(80, UNKNOWN)
    for i in range(80):
        first, last = (i - k + 1 if rule.past else i), i + k
        if first < 0 or last >= 80 or len({*run[first : last + 1]}) > 1 or run[i] == UNKNOWN:
            continue
        base = mid[first : i + 1].mean() if rule.past else mid[i]
        move = mid[i + 1 : last + 1].mean() / base - 1
        expected[i] = UP if move > 1e-4 else DOWN if move < -1e-4 else FLAT
    np.testing.assert_array_equal(classes(mid, run, k, rule), expected)
    assert (expected == UNKNOWN).all() == (k == 90)


def test_inputs_are_deviations_of_the_rows_to_learn_from():
    raw = np.array([[1, 5, np.nan], [3, 5, 2], [9, 5, 4]], np.float32)
    assert standardised(raw, 2).tolist() == [[-1, 0, 0], [1, 0, 0], [7, 0, 0]]
    np.testing.assert_allclose(means(np.array([1.0, 2, 6]), 2), [1.5, 4])


def planted(n=4_000, seed=0, rule=HALF):
    """A random walk; one size tells what the mid will be three rows later."""
    rng = np.random.default_rng(seed)
    mid = 10_000 + np.cumsum(rng.choice((-1.0, 1.0), n))
    x = rng.normal(size=(n, 40)).astype(np.float32)
    x[:-3, 12] += mid[3:] - mid[:-3]
    y = np.stack([classes(mid, np.zeros(n, int), k, rule) for k in (5, 10)], axis=1)
    return cut("planted", Table(x, y, mid, (5, 10), 1, rule), round(0.7 * n), round(0.8 * n))


def test_parts_are_purged_by_the_longest_horizon():
    one = planted()
    assert (one.learn, one.stop) == (slice(0, 2790), slice(2800, 3190))
    assert one.test == slice(3200, 4000)


def test_windows_stay_in_their_part_and_answer_for_their_last_row():
    one = planted()
    data = Stretches(one, 6)
    assert data.learn.min() == 5 and data.learn.max() == 2789 and data.stop.min() == 2805
    batch = data.batch(np.array([5, 17]))
    np.testing.assert_array_equal(batch.inputs[0][1], one.table.x[12:18])
    y = one.table.y[[5, 17]]
    np.testing.assert_array_equal(batch.answers.up, y == UP)
    np.testing.assert_array_equal(batch.answers.side_weight, y != FLAT)
    held = [len(b.inputs[0]) for b in data.held(50, 100)]
    assert sum(held) == len(data.stop[:: len(data.stop) // 100])


def test_what_nobody_knows_is_not_asked():
    one = planted()
    one.table.y[10] = (UNKNOWN, UP)
    answers = Stretches(one, 6).batch(np.array([10])).answers
    assert answers.side_weight.tolist() == answers.move_weight.tolist() == [[0, 1]]


def test_a_history_longer_than_a_part_is_refused():
    with pytest.raises(InputError, match="no 3000 rows behind each other"):
        Stretches(planted(), 3_000)


def test_three_classes_of_side_and_move():
    p = three(np.array([[[np.log(3), 0.0, 9.0]]], np.float32))[0, 0]  # up 3 / 4, moves 1 / 2
    np.testing.assert_allclose(p, [1 / 8, 1 / 2, 3 / 8], rtol=1e-6)


def test_rules_by_hand():
    mid = np.tile([0.0, 0.0, 4.0, 4.0], 10)
    y = np.tile([UP, UP, DOWN, DOWN], 10)[:, None].astype(np.int8)
    table = Table(np.zeros((40, 40), np.float32), y, mid, (1,), 1)
    one = SimpleNamespace(table=table, learn=slice(0, 20), test=slice(20, 40))
    found = nulls.calls(one, np.arange(20, 40), 0)
    assert found["majority"].tolist() == [DOWN] * 20  # as often as up: the first
    assert found["persistence"].tolist() == [DOWN, *y[20:39, 0]]
    assert found["past mean"][:4].tolist() == [UP, FLAT, DOWN, FLAT]  # it turns
    assert nulls.walk(one, np.arange(20, 40), 0, 0) is None


def test_the_past_mean_tells_of_a_walk_where_labels_hold_the_past():
    """Against now a walk cannot be told; against the mean of the last k it can."""
    rng = np.random.default_rng(0)
    mid = 10_000 + np.cumsum(rng.choice((-1.0, 1.0), 6_000))
    found = []
    for rule in (Rule(False, 1.5), Rule(True, 1.5)):
        y = classes(mid, np.zeros(6_000, int), 10, rule)[:, None]
        one = cut(
            "walk", Table(np.zeros((6_000, 40), np.float32), y, mid, (10,), 1, rule), 900, 990
        )
        at = np.flatnonzero(y[one.test, 0] != UNKNOWN) + one.test.start
        found.append(nulls.walk(one, at, 0, seed=0))
        said = nulls.calls(one, at, 0)["past mean"]
        assert macro_f1(confusion(said, y[at, 0].astype(int))) == pytest.approx(found[-1], abs=0.05)
    assert found[0] < 0.37 and found[1] > 0.5


def test_even_calls_are_over_the_share_of_each_class():
    y = np.array([[DOWN], [FLAT], [FLAT], [FLAT], [UP], [UNKNOWN]], np.int8)
    one = SimpleNamespace(table=SimpleNamespace(y=y), learn=slice(0, 6))
    p = np.array([[0.1, 0.5, 0.4], [0.1, 0.8, 0.1], [0.3, 0.5, 0.2]])  # over 2, 4 and 2
    assert even(p, one, 0).tolist() == [UP, FLAT, DOWN]


def test_an_interval_needs_some_blocks():
    y = np.arange(2_000) % 3
    low, high = interval(y, y, 1, seed=0)
    assert low == high == 1.0
    assert interval(y[:50], y[:50], 1, seed=0) is None


def test_only_nets_of_the_book_are_known():
    assert all(net(name, published).book for name in PUBLISHED for published in (False, True))
    with pytest.raises(InputError, match="model 'lstm': known are mlplob"):
        net("lstm", False)


@pytest.mark.slow
@pytest.mark.compiled
def test_a_net_finds_what_its_rules_cannot():
    pytest.importorskip("torch")
    budget = Budget(steps=60, seconds=60)
    one, two = (
        list(scores(planted(), "binctabl", published=False, seed=0, budget=budget))
        for _ in range(2)
    )
    assert [(s.horizon, s.rows, s.published) for s in one] == [(5, 786, None), (10, 781, None)]
    assert one[0].macro_f1 > max(*one[0].nulls.values(), 0.45)
    assert [s.macro_f1 for s in one] == [s.macro_f1 for s in two] and one[0].why == "epochs"


@pytest.mark.slow
@pytest.mark.compiled
def test_rows_to_test_on_that_nobody_classed_are_refused():
    pytest.importorskip("torch")
    one = planted()
    one.table.y[one.test, 1] = UNKNOWN
    told = scores(one, "binctabl", published=False, seed=0, budget=Budget(steps=1))
    assert next(told).horizon == 5
    with pytest.raises(InputError, match="no row to test on has a class at 10 events"):
        next(told)


@pytest.mark.slow
@pytest.mark.compiled
def test_a_recording_is_read_event_by_event(data):
    one = fold([data / GOOG], (10, 50), Rule(False, 0.2), "events:10")
    table = one.table
    assert one.name == "GOOG" and table.x.shape == (len(table.y), 42) and table.every == 10
    assert np.isfinite(table.x).all() and len(table.x) > 10_000
    learn = table.x[: round(0.7 * len(table.x))]
    np.testing.assert_allclose(learn.mean(axis=0), 0, atol=1e-3)
    at = np.flatnonzero(table.y[:, 0] != UNKNOWN)
    move = table.mid[at + 1] / table.mid[at] - 1
    np.testing.assert_array_equal(table.y[at, 0], np.sign(move) * (abs(move) > 2e-5) + 1)


@pytest.mark.parametrize(
    ("clock", "why"),
    [("interval:1s", "rows of events"), ("events:20", "multiples of 20 events")],
)
def test_clocks_that_cannot_be_are_refused(clock, why):
    with pytest.raises(InputError, match=why):
        fold(["nowhere"], (10, 50), NOW, clock)


def test_several_instruments_are_refused(data):
    amzn = "lobster/AMZN_2012-06-21_34200000_52200000_message_5.csv.zst"
    with pytest.raises(InputError, match="of one instrument"):
        fold([data / GOOG, data / amzn], (10,), NOW)
