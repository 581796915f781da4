"""What became of forecasts, beside a plain count of the same, and cut anywhere."""

from math import exp

import numpy as np
import pytest
from grids import MID, cut, says, walk

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.serve.outcomes import Outcomes
from flowsense.store.checkpoint import pack, unpack
from flowsense.testing import tape_of

FOREVER = 1e300  # every outcome counts alike


def after(outcomes, tape, forecast, edges=()):
    """The state, the tape cut before these rows and each state stored and read again."""
    state, n = outcomes.init(tape.instruments), len(tape.rows[0].ts)
    for a, b in zip((0, *edges), (*edges, n), strict=True):
        piece = tape._replace(rows=(tape.rows[0].take(slice(a, b)),))
        state = outcomes.push(state, piece, cut(forecast, a, b))
        state = type(state)(**unpack(pack(state._asdict())))
    return state


def standing(moves, forecast, **settings):
    outcomes = Outcomes((MID,), **settings)
    return outcomes.standing(after(outcomes, walk(moves), forecast))["mid@100ms"]


def test_four_moves_are_judged_as_a_person_would():
    found = standing([1, 1, 0, -1], says([0.8, 0.3, 0.5, 0.6, 0.5]), memory=FOREVER)

    assert found.outcomes == 4 and found.weight == 4
    assert found.hit_rate == pytest.approx(1 / 3)  # up is right, then wrong; the fall is not seen
    assert found.last_side == pytest.approx((0.5 + 1 + 0) / 3)  # none known, up, still up
    assert found.majority == pytest.approx((0.5 + 1 + 0) / 3)
    squares = 2 * 0.2**2 + 2 * 0.7**2 + (0.5**2 * 2 + 1) + 2 * 0.6**2
    assert found.brier == pytest.approx(squares / 4)
    assert found.brier_null == pytest.approx(1 - (1 + 1 + 4) / 16)  # a fall, a rest, two rises
    np.testing.assert_allclose(found.reliability, [(0.3, 1.0), (0.6, 0.0), (0.8, 1.0)], rtol=1e-6)


def ece(p, y, ends):
    """By its definition."""
    total = 0.0
    for k in range(3):
        at = np.minimum((p[:, k] * ends).astype(int), ends - 1)
        for b in range(ends):
            total += abs(p[at == b, k].sum() - (y[at == b] == k).sum())
    return total / (3 * len(y))


def test_scores_are_those_of_a_slow_count():
    rng = np.random.default_rng(5)
    moves, up = rng.integers(-1, 2, 400), rng.random(401)
    forecast = says(up, flat=0.25)

    found = standing(moves, forecast, memory=FOREVER)

    p, y = forecast.proba[:-1, 0].astype(float), moves + 1
    each = np.eye(3)[y]
    moved = y != 1
    assert found.brier == pytest.approx(((p - each) ** 2).sum(axis=1).mean())
    often = each.mean(axis=0)
    assert found.brier_null == pytest.approx(((often - each) ** 2).sum(axis=1).mean())
    assert found.ece == pytest.approx(ece(p, y, 10))
    assert found.hit_rate == pytest.approx(((up[:-1] > 0.5) == (y == 2))[moved].mean())
    said = [next((m for m in moves[:i][::-1] if m), 0) for i in range(400)]
    assert found.last_side == pytest.approx(((1 + said * moves) / 2)[moved].mean())


def test_the_latest_outcomes_count_most():
    right, wrong = np.ones(300, int), np.full(300, 0.1)
    up = np.concatenate([np.full(300, 0.9), wrong, [0.5]])

    found = standing(np.concatenate([right, right]), says(up), memory=100.0)

    assert found.hit_rate == pytest.approx(exp(-3), rel=0.1)
    assert found.weight == pytest.approx(100, rel=0.01) and found.outcomes == 600


@pytest.mark.compiled
def test_who_is_calibrated_stays_below_the_limit_and_who_is_not_passes_it():
    rng, over = np.random.default_rng(2), 0
    for _ in range(10):
        up = rng.uniform(0.2, 0.8, 1_001)
        moves = np.where(rng.random(1_000) < up[:-1], 1, -1)
        fair, sure = (standing(moves, says(p)) for p in (up, np.where(up > 0.5, 0.95, 0.05)))
        over += fair.ece > fair.ece_limit
        assert sure.ece > sure.ece_limit

    assert over == 0


def test_a_model_that_is_suddenly_wrong_is_found_once():
    rng = np.random.default_rng(3)
    moves = rng.choice([-1, 1], 2_000)
    right = np.where(np.arange(2_000) < 1_000, 0.75, 0.45)
    hit = rng.random(2_000) < right
    up = np.append(np.where(hit == (moves > 0), 0.7, 0.3), 0.5)

    assert standing(moves, says(up)).drifts == 1
    assert standing(moves[:1_000], says(up[:1_001])).drifts == 0


def test_what_is_not_ready_or_not_finite_is_not_judged():
    moves, forecast = np.ones(9, int), says(np.full(10, 0.9), ready=np.arange(10) % 2 == 0)
    forecast.proba[4] = np.nan

    found = standing(moves, forecast)

    assert found.outcomes == 4 and found.hit_rate == 1 and np.isfinite(found.brier)


def test_before_any_outcome_all_is_zero_and_finite():
    found = standing([], says([0.5]))

    assert found.outcomes == 0 and np.isfinite(found[1:8]).all() and found.reliability == ()


def test_targets_without_a_side_that_rows_tell_are_left_out():
    targets = tuple(map(Target.parse, ("magnitude@100ms", "barrier@100ms", "mid@100ms")))
    outcomes = Outcomes(targets)
    forecast = says([0.9, 0.9], targets=targets)

    state = after(outcomes, walk([1]), forecast)

    assert list(outcomes.standing(state)) == ["mid@100ms"]
    assert (
        after(Outcomes(targets[:1]), walk([1]), says([0.9, 0.9], targets=targets[:1])).ts.size == 0
    )


@pytest.mark.compiled
def test_cut_anywhere_stored_and_restored_it_is_the_same(instruments, events):
    """Two instruments, overlapping horizons, a pause."""
    targets = tuple(map(Target.parse, ("mid@500ms", "ofi@1s")))
    tape = tape_of(spec(("depth",)), instruments, events)
    rng, edges = np.random.default_rng(1), tape.rows[0].instants()
    forecast, outcomes = (
        says(rng.random(len(tape.rows[0].ts)), 0.3, targets=targets),
        Outcomes(targets),
    )

    whole = after(outcomes, tape, forecast)

    assert outcomes.standing(whole)["mid@500ms"].outcomes > 50
    for cuts in (edges[1:-1:40], np.sort(rng.choice(edges[1:-1], 5, replace=False))):
        parts = after(outcomes, tape, forecast, tuple(cuts.tolist()))
        assert pack(parts._asdict()) == pack(whole._asdict())


def test_push_changes_neither_argument():
    tape, forecast, outcomes = walk([1, -1, 1]), says([0.9, 0.2, 0.6, 0.5]), Outcomes((MID,))
    state = outcomes.init(tape.instruments)
    before = pack(state._asdict())

    outcomes.push(state, tape, forecast)

    assert pack(state._asdict()) == before


def test_a_memory_of_nothing_is_refused():
    with pytest.raises(InputError, match="memory 1"):
        Outcomes((MID,), memory=1)
