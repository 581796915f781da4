"""Weights hold for minutes of the stream; they follow a change within one when asked to."""

import numpy as np
import pytest
from grids import STEP, alike, cut, heard, says, walk

from flowsense.ensemble import Combiner
from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.super import MEMBERS, Super
from flowsense.errors import InputError
from flowsense.forecast import UP
from flowsense.models import MODELS
from flowsense.schema import SECOND

START = 1_700_000_100 * SECOND  # a multiple of five minutes


def market(seconds=900, change=450, members=11, seed=0):
    """One member tells .7 of the sides until the change, another after it; the others guess."""
    rng, n = np.random.default_rng(seed), seconds * 10
    moves = rng.choice((-1, 1), n - 1)
    toward = np.concatenate([np.where(rng.random(n - 1) < 0.7, moves, -moves), [1]])
    side = np.where(toward > 0, 0.7, 0.3)
    guess = [np.where(rng.random(n) < 0.5, 0.7, 0.3) for _ in range(members)]
    first = np.arange(n) < change * 10
    guess[0], guess[1] = np.where(first, side, guess[0]), np.where(first, guess[1], side)
    return walk(moves, START), [says(p) for p in guess]


def side(found):
    return found.proba[:, 0, UP]


def test_it_follows_a_change_within_a_minute_when_asked():
    tape, said = market()
    found, best = heard(Super(every_ns=10 * SECOND), tape, said)[0], said[1].proba[:, 0, UP]
    since = 450 * 10
    agrees = (side(found) > 0.5) == (best > 0.5)
    assert agrees[since + 600 :].mean() > 0.99 > agrees[since : since + 50].mean()
    assert np.abs(side(found) - best)[since + 600 :].mean() < 0.04


def test_by_default_weights_are_refreshed_every_five_minutes_of_the_stream():
    """The change at 450 s is followed from 600 s on; in between the answer goes by one table."""
    tape, said = market()
    found, best = heard(Super(), tape, said)[0], said[1].proba[:, 0, UP]
    stale, fresh = slice(4_500, 6_000), slice(6_000, 9_000)
    assert np.abs(side(found)[stale] - best[stale]).mean() > 0.1
    assert np.abs(side(found)[fresh] - best[fresh]).mean() < 0.05
    running = heard(Adaptive(), tape, said)[0]
    first = [0, 3_000, 6_000]
    assert side(found)[first].tolist() == side(running)[first].tolist()


@pytest.mark.slow
def test_fold_law():
    tape, said = market(20, 10, 4)
    of = Super(every_ns=3 * SECOND)
    whole = heard(of, tape, said)[0]
    for edges in (range(1, 200), (29, 30, 31, 77)):
        alike(heard(of, tape, said, tuple(edges)), whole)
    assert isinstance(of, Combiner)


def test_an_empty_tape_changes_nothing():
    tape, said = market(2, 1, 4)
    of = Super(every_ns=SECOND)
    alike(heard(of, tape, said, (0, 0, 7, 7)), heard(of, tape, said)[0])
    assert STEP * 10 == SECOND and cut(said[0], 0, 0).ready.shape == (0, 1)


def test_its_members_are_ten_or_more_and_known():
    assert len(set(MEMBERS)) >= 10 and set(MEMBERS) <= set(MODELS)
    assert not any(MODELS[name].needs for name in MEMBERS)


@pytest.mark.parametrize("wrong", [{"every_ns": 0}, {"share": 2.0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError):
        Super(**wrong)
