"""Shares of members are the weights that their combiner goes by."""

import numpy as np
import pytest
from grids import MID, says, walk

from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.agree import Agree
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.fallback import Fallback
from flowsense.ensemble.shares import shares
from flowsense.ensemble.super import Super
from flowsense.testing.voters import heard, labels, normal, strength_of

NAMES = ("right", "neither", "wrong")
SAID = [says(np.full(61, up)) for up in (0.9, 0.5, 0.1)]


def after(combiner):
    """Shares once the stream has gone up 60 times."""
    tape = walk(np.ones(60, int))
    state, _ = combiner.combine(combiner.init(tape.instruments, 3, (MID,)), tape, SAID)
    return shares(combiner, state, NAMES, 0)


@pytest.mark.parametrize("combiner", [Adaptive(), Adaptive(regimes=2), Super(every_ns=10**9)])
def test_who_was_right_has_nearly_all_of_an_answer_that_follows_outcomes(combiner):
    found = after(combiner)

    assert sum(found.values()) == pytest.approx(1) and list(found) == list(NAMES)
    assert found["right"] > 0.9


def voters():
    """Two of three know something; the third guesses."""
    odds, y = normal(2, 3_000, strength_of(0.7), 0.0)
    guess = np.random.default_rng(1).choice([-1.0, 1.0], 3_000)
    return heard(np.vstack([odds, guess])), labels(y)


def shared(combiner):
    of, known = voters()
    fitted = combiner.fit(of, known)
    return shares(fitted, fitted.init((), 3, known.targets), of.names, 0)


def test_a_mean_is_shared_alike_and_a_blend_as_it_has_learned():
    assert shared(Blend(learn=False, table=False)) == pytest.approx(
        dict.fromkeys(("v0", "v1", "v2"), 1 / 3)
    )
    learned = shared(Blend())
    assert sum(learned.values()) == pytest.approx(1) and learned["v2"] < min(
        learned["v0"], learned["v1"]
    )


def test_an_ensemble_has_the_shares_of_whom_it_hears():
    assert shared(Fallback(tried=(Blend(learn=False, table=False), Blend()))) == shared(Blend())


def test_a_member_that_is_heard_alone_has_all():
    odds, y = normal(1, 3_000, strength_of(0.75), 0.0)
    wrong = 3 * np.random.default_rng(99).choice([-1.0, 1.0], (2, 3_000))
    one = Fallback(tried=(Blend(learn=False, table=False),))
    fitted = one.fit(heard(np.vstack([odds, wrong])), labels(y))

    assert shares(fitted, fitted.init((), 3, fitted.targets), NAMES, 0) == {
        "right": 1,
        "neither": 0,
        "wrong": 0,
    }


def test_who_is_heard_by_agreement_has_no_share():
    assert shared(Agree()) == {} == shares(Blend(), None, NAMES, 0)
