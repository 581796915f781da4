"""A difference is named where resampling both alike leaves zero out, and nowhere else."""

import numpy as np
import pytest

from flowsense.evaluate import scores
from flowsense.evaluate.compare import (
    Cell,
    Rows,
    Spoken,
    better,
    chance,
    compare,
    luck,
    sentence,
)
from flowsense.forecast import Target
from flowsense.schema import SECOND

MID, SIZE = Target("mid", SECOND), Target("magnitude", SECOND)


def rows(n=3_000, seed=0, step=1, target=MID):
    """One row each second; y of a side that the forecasts below know a little of."""
    rng = np.random.default_rng(seed)
    up = rng.uniform(0.1, 0.9, n)
    y = np.where(rng.random(n) < 0.3, 1, np.where(rng.random(n) < up, 2, 0))
    if target.kind == "magnitude":
        y = rng.exponential(1, n) + up
    ts = np.arange(n) * step * SECOND
    y = y.astype(np.float32)
    return Rows(target, ts, np.zeros(n, np.int64), y, y - 1), up


def told(up):
    p = np.stack([0.7 * (1 - up), np.full(len(up), 0.3), 0.7 * up], axis=1)
    return Spoken(p, p[:, 2] - p[:, 0])


def swap(found):
    return {"a": "b", "b": "a", None: None}[found]


def test_both_scores_are_those_of_the_plain_functions():
    of, up = rows()
    y = of.y.astype(int)
    a, b = told(up), told(np.roll(up, 1))
    cells = compare(of, a, b).cells
    for said, side in ((a, "a"), (b, "b")):
        shares = scores.coverage(said.p, y)
        assert getattr(cells["accuracy"], side) == pytest.approx(shares["1.0"])
        for share in ("0.5", "0.25", "0.1"):
            assert getattr(cells[f"coverage@{share}"], side) == pytest.approx(shares[share])
        assert getattr(cells["log_loss"], side) == pytest.approx(scores.log_loss(said.p, y))
        balanced = scores.side_balanced(said.p, y)
        assert getattr(cells["side_balanced"], side) == pytest.approx(balanced)


def test_what_knows_more_is_better_on_every_score_and_the_other_way_round():
    of, up = rows()
    found, turned = compare(of, told(up), told(1 - up)), compare(of, told(1 - up), told(up))
    assert {cell.better for cell in found.cells.values()} == {"a"}
    assert found.n == int((of.y != 1).sum()) and found.rows == 3_000
    for name, cell in found.cells.items():
        other = turned.cells[name]
        assert other.better == "b" and other.difference == pytest.approx(-cell.difference)
        assert other.ci95 == pytest.approx((-cell.ci95[1], -cell.ci95[0]))


def test_the_same_forecast_is_no_better_than_itself():
    of, up = rows()
    found = compare(of, told(up), told(up))
    assert all(cell.difference == 0 and cell.better is None for cell in found.cells.values())
    assert found.verdict == "no difference shown"


@pytest.mark.slow
def test_chance_is_called_a_difference_about_as_often_as_it_should_be():
    called, looked = 0, 0
    for seed in range(40):
        of, _ = rows(1_500, seed)
        rng = np.random.default_rng(1_000 + seed)
        blind = (told(rng.uniform(0, 1, 1_500)) for _ in range(2))
        called += compare(of, *blind, seed=seed).cells["accuracy"].better is not None
        looked += 1
    assert called <= 0.05 * looked + 3 * np.sqrt(0.05 * 0.95 * looked)


def test_what_is_common_to_both_falls_out_of_the_difference():
    of, up = rows()
    near = told(np.clip(up + 0.002, 0, 1))
    found = compare(of, told(up), near).cells["log_loss"]
    apart = compare(of, told(up), told(np.roll(up, 7))).cells["log_loss"]
    assert found.ci95[1] - found.ci95[0] < 0.05 * (apart.ci95[1] - apart.ci95[0])


def test_sizes_are_compared_by_their_errors():
    of, up = rows(target=SIZE)
    good, bad = Spoken(np.zeros((3_000, 3)), up + 0.7), Spoken(np.zeros((3_000, 3)), up + 3)
    found = compare(of, good, bad)
    assert list(found.cells) == ["mae", "rmse"] and found.main == "mae"
    assert found.cells["mae"].a == pytest.approx(np.abs(good.value - of.y).mean())
    assert found.cells["mae"].better == "a" and found.verdict.startswith("A is better by 1.")
    assert found.verdict.endswith("ticks") and found.n == 3_000


def test_rows_of_several_paths_count_once_and_make_no_interval_narrower():
    of, up = rows()
    five = Rows(MID, np.repeat(of.ts, 5), np.tile(np.arange(5), 3_000), *(
        np.repeat(x, 5) for x in (of.y, of.move)
    ))  # fmt: skip
    once = compare(of, told(up), told(np.roll(up, 1)))
    again = compare(five, told(np.repeat(up, 5)), told(np.repeat(np.roll(up, 1), 5)))
    assert (again.n, again.rows) == (once.n, once.rows)
    wide, narrow = (np.ptp(x.cells["accuracy"].ci95) for x in (once, again))
    assert narrow == pytest.approx(wide, rel=0.1)


def test_a_short_span_has_scores_and_no_verdict():
    of, up = rows(100)
    found = compare(of, told(up), told(1 - up))
    assert found.cells["accuracy"].ci95 is None and found.cells["accuracy"].a is not None
    assert found.verdict == "no interval: the common rows span too little time"
    of, up = rows(400)
    few = compare(of, told(up), told(up))
    assert few.warnings == ("mid@1s: intervals from 7 blocks are too narrow",)


@pytest.mark.parametrize(
    ("name", "ends", "side"),
    [
        ("accuracy", (0.01, 0.03), "a"),
        ("accuracy", (-0.03, -0.01), "b"),
        ("accuracy", (-0.01, 0.03), None),
        ("accuracy", (0.0, 0.03), None),
        ("log_loss", (0.01, 0.03), "b"),
        ("mae", (-0.03, -0.01), "a"),
        ("mae", None, None),
    ],
)
def test_which_side_is_better_by_hand(name, ends, side):
    assert better(name, ends) == side
    assert better(name, ends and (-ends[1], -ends[0])) == swap(side)


def test_sentences_by_hand():
    up = Cell(0.6, 0.58, 0.02, (0.012, 0.034), 0.002, "a")
    assert sentence("accuracy", up) == "A is better by 1.2 to 3.4 points"
    down = Cell(1.0, 0.9, 0.1, (0.0512, 0.15), 0.002, "b")
    assert sentence("log_loss", down) == "B is better by 0.0512 to 0.1500 nats"


def test_luck_is_counted_over_all_intervals():
    of, up = rows()
    same, apart = compare(of, told(up), told(up)), compare(of, told(up), told(1 - up))
    assert luck([same, apart]) == (
        "12 intervals were looked at: 0.6 of them would leave zero out by luck if there were no "
        "difference at all; 6 did."
    )


def test_p_by_hand():
    assert chance(np.array([1.0, 2, 3, np.nan, -1])) == pytest.approx(0.5)
    assert chance(np.ones(100)) == 0.02 and chance(np.zeros(100)) == 1


def test_p_is_below_a_twentieth_where_the_interval_leaves_zero_out():
    for shift in (0.3, 0.01):
        of, up = rows()
        found = compare(of, told(up), told(np.clip(up + shift, 0, 1)))
        for cell in found.cells.values():
            assert (cell.p < 0.052) if cell.better else (cell.p > 0.045)


def test_one_who_looks_at_all_times_is_told_of_the_better_one_on_the_way():
    of, up = rows()
    found = compare(of, told(up), told(1 - up)).in_turn
    assert {name: one.better for name, one in found.items()} == {"accuracy": "a", "log_loss": "a"}
    assert all(0 < one.at < of.ts[-1] for one in found.values())
    again = compare(of, told(up), told(up)).in_turn["log_loss"]
    assert again.better is None and again.at is None
    sizes, up = rows(target=SIZE)
    good, bad = Spoken(np.zeros((3_000, 3)), up + 0.7), Spoken(np.zeros((3_000, 3)), up + 3)
    assert compare(sizes, bad, good).in_turn["mae"].better == "b"
