"""Weights follow who was right, and lose no more than the books say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from grids import MID, alike, cut, heard, rows, says, tape, walk

from flowsense.ensemble import Combiner, Heard
from flowsense.ensemble.adapt import Adaptive, even, trace
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.fallback import Fallback, whole
from flowsense.ensemble.held import nobody
from flowsense.ensemble.opinions import taken
from flowsense.errors import InputError
from flowsense.forecast import UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.schema import QUOTE, zeros
from flowsense.testing.voters import heard as voters
from flowsense.testing.voters import labels, normal

PLAIN = Adaptive(share=0.0)


def up(found, t=0):
    return found.proba[:, t, UP].tolist()


def test_each_outcome_moves_the_weights_by_its_likelihood():
    """.8 and .2 alike: .5. An up later the weights are .8 and .2: .68. Two: 16 / 17 and 1 / 17."""
    found = heard(PLAIN, walk([1, 1, 1]), [says([0.8] * 4), says([0.2] * 4)])[0]
    assert up(found)[:3] == pytest.approx([0.5, 0.68, 0.8 * 16 / 17 + 0.2 / 17])
    assert found.ready.all() and found.aux["members"][0] == 2


def test_a_share_is_dealt_out_alike():
    """.8 and .2 become .9 x .8 + .05 and .9 x .2 + .05."""
    found = heard(Adaptive(share=0.1), walk([1]), [says([0.8] * 2), says([0.2] * 2)])[0]
    assert up(found)[1] == pytest.approx(0.8 * 0.77 + 0.2 * 0.23)


def test_outcomes_that_overlap_count_for_one():
    """Two steps of horizon: what is known at row 2 counts half, so the weights are 2 and 1."""
    two = (Target.parse("mid@200ms"),)
    found = heard(PLAIN, walk([1] * 4), [says([p] * 5, targets=two) for p in (0.8, 0.2)])[0]
    assert up(found)[:3] == pytest.approx([0.5, 0.5, 0.8 * 2 / 3 + 0.2 / 3])


def test_a_silent_member_keeps_its_part_and_is_not_heard():
    """Silent at row 0, where nobody else can gain on it; at row 1 it is heard again."""
    said = [says([0.8] * 3), says([0.2] * 3), says([0.5] * 3, ready=[False, True, True])]
    found = heard(PLAIN, walk([1, 1]), said)[0]
    assert up(found)[0] == pytest.approx(0.5)
    assert up(found)[1] == pytest.approx((0.8 * 0.8 + 0.2 * 0.2) * 2 / 3 + 0.5 / 3)
    broken = Forecast(said[0].targets, said[0].proba * np.nan, said[0].value, said[0].ready)
    alone = heard(replace(PLAIN, quorum=2), walk([1, 1]), [said[0], broken])[0]
    assert not alone.ready.any() and up(alone) == pytest.approx([1 / 3] * 3)
    assert up(heard(PLAIN, walk([1, 1]), [said[0], broken])[0]) == pytest.approx([0.8] * 3)


def test_sizes_are_weighed_by_what_they_cost():
    """1 came. Of an exponential distribution of mean 1 and 4: exp(-1) and exp(-1 / 4) / 4."""
    size = (Target.parse("magnitude@100ms"),)
    said = [says([0.5] * 2, targets=size, value=v) for v in (1.0, 4.0)]
    a, b = math.exp(-1), math.exp(-0.25) / 4
    found = heard(PLAIN, walk([-1]), said)[0].value[:, 0]
    assert found.tolist() == pytest.approx([2.5, (a + 4 * b) / (a + b)])


def test_regimes_have_weights_of_their_own():
    said = [says([p] * 5) for p in (0.8, 0.2)]
    told = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [0, 1]], np.float32)
    first = replace(said[0], aux={"regime": told})
    found = heard(replace(PLAIN, regimes=2), walk([1, 1, 1, 1]), [first, said[1]])[0]
    after = [0.5, 0.68, 0.8 * 16 / 17 + 0.2 / 17]  # none, one and two outcomes of its own regime
    assert up(found) == pytest.approx([after[0], after[0], after[1], after[1], after[2]])


@pytest.mark.parametrize("untold", [0.0, np.nan, None])
def test_where_no_regime_is_told_all_outcomes_count_and_none_for_a_wrong_regime(untold):
    """Untold at rows 1 and 2: regime 0 has seen one outcome at row 3, all rows three at row 2."""
    said = [says([p] * 4) for p in (0.8, 0.2)]
    told = np.array([[1, 0], [0, 0], [0, 0], [1, 0]], np.float32)
    told[1:3] = 0 if untold is None else untold
    of, one_regime = replace(PLAIN, regimes=2), 0.68
    pieces = [tuple(cut(f, a, b) for f in said) for a, b in ((0, 1), (1, 3), (3, 4))]
    state, out, market = of.init(walk([1]).instruments, 2, (MID,)), [], walk([1, 1, 1])
    for (a, b), piece in zip(((0, 1), (1, 3), (3, 4)), pieces, strict=True):
        tells = untold is not None or b - a == 1
        first = replace(piece[0], aux={"regime": told[a:b]} if tells else {})
        rows_here = market._replace(rows=(market.rows[0].take(slice(a, b)),))
        state, found = of.combine(state, rows_here, [first, piece[1]])
        out += up(found)
    two = 0.8 * 16 / 17 + 0.2 / 17
    assert out == pytest.approx([0.5, one_regime, two, one_regime])


def two_markets(n=60, seed=3):
    """Two instruments at the same times, one of them with a loss; forecasts of three members."""
    rng = np.random.default_rng(seed)
    whole = rows(*((100 * (k // 2), 10 + int(rng.integers(-2, 3))) for k in range(2 * n)))
    whole.instrument[1::2] = 1
    whole.quote["breaks"][n:] = 1
    targets = tuple(map(Target.parse, ("mid@100ms", "ofi@700ms", "magnitude@300ms", "barrier@1s")))
    said = [
        says(rng.uniform(0.1, 0.9, 2 * n), 0.3, rng.random(2 * n) < 0.9, targets, 0.1 + k)
        for k in range(3)
    ]
    return tape(whole, 2), said


@pytest.mark.slow
def test_fold_law():
    both, said = two_markets()
    whole = heard(Adaptive(), both, said)[0]
    assert np.unique(whole.proba[:, 0, UP]).size > 50 and np.isfinite(whole.proba).all()
    edges = both.rows[0].instants()[1:-1]
    for cuts in (edges, edges[[5, 6, 40]]):
        alike(heard(Adaptive(), both, said, tuple(cuts.tolist())), whole)
    assert isinstance(Adaptive(), Combiner)


def test_the_order_of_members_and_instruments_does_not_matter():
    both, said = two_markets()
    turned = both.rows[0].take(slice(None))
    turned.instrument[:] = 1 - turned.instrument
    whole = heard(Adaptive(), both, said)[0]
    other = heard(Adaptive(), both._replace(rows=(turned,)), said)[0]
    assert other.proba.tobytes() == whole.proba.tobytes()
    swapped = heard(Adaptive(), both, said[::-1])[0]
    np.testing.assert_allclose(swapped.proba, whole.proba, atol=1e-6)


def played(p, share, rng, adversary=True):
    """Rounds of 3 classes: the answer's losses (m,), the members' (m, N)."""
    m, members, _ = p.shape
    logs, gain = even(members, 1), np.zeros(members)
    lost, each = np.zeros(m), np.zeros((m, members))
    settings, place = np.array([1.0, share]), np.zeros((1, 2), np.int64)
    for r in range(m):
        mixed = np.exp(logs[0]) @ p[r]
        y = mixed.argmin() if adversary else rng.choice(3, p=p[r, r * 3 // m])
        lost[r], each[r] = -np.log(mixed[y]), -np.log(p[r, :, y])
        trace(each[r : r + 1], np.ones(1), place, settings, logs, gain, np.zeros((1, *logs.shape)))
    return lost, each


@pytest.mark.parametrize("seed", range(4))
def test_against_an_adversary_it_loses_at_most_ln_n_more_than_the_best(seed):
    rng = np.random.default_rng(seed)
    lost, each = played(rng.dirichlet(np.ones(3), (200, 8)), 0.0, rng)
    regret = lost.sum() - each.sum(axis=0).min()
    assert regret <= math.log(8) + 1e-9
    last = -np.log(np.exp(-each.sum(axis=0)).mean())  # the Bayes mixture, in one piece
    assert lost.sum() == pytest.approx(last)


def best_with(each, changes):
    """The least loss of a sequence of members with at most so many changes, by dynamic programme.

    Row c: the least so far that ends at each member after c changes.
    """
    least = np.full((changes + 1, each.shape[1]), np.inf)
    least[0] = each[0]
    for loss in each[1:]:
        moved = np.full_like(least, np.inf)
        moved[1:] = least[:-1].min(axis=1, keepdims=True)
        least = np.minimum(least, moved) + loss
    return least.min()


@pytest.mark.parametrize("adversary", [True, False])
def test_with_a_share_it_keeps_up_with_the_best_sequence_of_members(adversary):
    rng, share, k, m = np.random.default_rng(1), 0.01, 2, 300
    p = rng.dirichlet(np.ones(3), (m, 4))
    lost, each = played(p, share, rng, adversary)
    bound = math.log(4) + k * math.log(4 / share) - (m - k - 1) * math.log1p(-share)
    assert lost.sum() <= best_with(each, k) + bound + 1e-9
    never, _ = played(p, 0.0, rng, adversary)
    if not adversary:  # the members take turns to be right
        assert lost.sum() < never.sum() - 50


def test_a_fit_leaves_the_weights_that_following_would():
    moves = [1, -1, 1, 1, 1, 0, 1]
    market, said = walk(moves), [says([p] * 8, 0.1) for p in (0.7, 0.4)]
    ts, who = market.rows[0].ts, market.rows[0].instrument
    y = np.array([np.sign(moves) + 1]).T.astype(np.float32)
    ones = np.ones((7, 1), np.float32)
    known, valid = ts[:-1, None] + MID.horizon_ns, np.ones((7, 1), np.bool_)
    labels = Labels((MID,), y, y - 1, known, valid, ones)
    none = np.zeros((7, 0), np.float32), zeros(QUOTE, 7)
    told = Heard(("a", "b"), tuple(cut(f, 0, 7) for f in said), ts[:7], who[:7], *none)
    fitted = Adaptive().fit(told, labels)
    after = heard(Adaptive(), market, said)[0]
    again = Adaptive().load(fitted.params())
    last = heard(again, walk([]), [cut(f, 7, 8) for f in said])[0]
    assert again.targets == (MID,) and up(last) == pytest.approx(up(after)[-1:])
    with pytest.raises(InputError, match="fit it to these"):
        again.init(market.instruments, 3, (MID,))


@pytest.mark.parametrize("outer", [Adaptive(), Fallback(tried=(Blend(False, False), Adaptive()))])
def test_where_nothing_is_to_learn_from_all_weigh_alike(outer):
    """No label is valid; or no row was heard at all."""
    odds, y = normal(2, 50, 0.5, 0.0)
    of, none = voters(odds), labels(y)
    silent, nothing = Heard(of.names, (), *nobody()), taken(none, np.zeros(0, np.int64))
    none = none._replace(valid=none.valid & False)
    for fitted in (outer.fit(of, none), outer.fit(silent, nothing)):
        own = fitted if isinstance(fitted, Adaptive) else fitted.tried[1]
        assert np.exp(own.fitted.logs).tolist() == [[0.5, 0.5]]
        assert whole(fitted, of).ready.all()


@pytest.mark.parametrize("wrong", [{"rate": 0}, {"share": 1}, {"quorum": 0}, {"regimes": 0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Adaptive(**wrong)


def test_no_outcome_counts_before_it_is_known():
    late = (Target.parse("mid@1s"),)
    said = [says([p] * 12, targets=late) for p in (0.9, 0.2)]
    found = heard(PLAIN, walk([1] * 11), said)[0]
    assert up(found)[:10] == pytest.approx([0.55] * 10) and up(found)[10] > 0.56
