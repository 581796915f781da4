"""The ensemble where it is as good as its best member on rows kept for that, else that member."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.ensemble.agree import Agree
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.fallback import Fallback, chosen, costs
from flowsense.ensemble.fallback import whole as said
from flowsense.ensemble.select import Select
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.testing.voters import MID, forecast, heard, labels, loss, normal, strength_of

QUICK = (Blend(learn=False, table=False), Blend(), Select(), Agree())
ROWS = 6_000
SIZE = Target.parse("magnitude@500ms")


def fitted(odds, y, **config):
    return Fallback(tried=QUICK, **config).fit(heard(odds), labels(y))


@pytest.mark.slow
def test_unlike_voters_are_heard_together_and_better_than_the_best_of_them():
    odds, y = normal(5, ROWS, strength_of(0.6), 0.2)
    found = fitted(odds, y)
    verdict = found.verdicts["mid@500ms"]
    assert verdict.combined and verdict.heard == "blend"
    assert "held-back rows" in verdict.why and verdict.why.startswith("blend: loss of blend 0.6")
    more, came = normal(5, ROWS, strength_of(0.6), 0.2, seed=9)
    assert loss(said(found, heard(more)), came) < min(loss(forecast(x), came) for x in more) - 5e-3


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 8))]
)
def test_taught_labels_that_are_dealt_anew_it_hears_who_says_nothing(seed):
    """Five say what they believe, the sixth that it cannot know: with dealt labels it is right."""
    odds, y = normal(5, ROWS, strength_of(0.6), 0.0, seed)
    odds = np.vstack([odds, np.zeros(ROWS)])
    dealt = np.random.default_rng(seed).permutation(y)
    found = fitted(odds, dealt)
    verdict = found.verdicts["mid@500ms"]
    assert found.choice.gain[0] < -found.choice.error[0]
    assert (verdict.heard, verdict.combined) == ("v5", False) and "alone" in verdict.why


def test_a_member_alone_is_heard_as_it_is_and_stood_in_for_while_it_is_silent():
    rng = np.random.default_rng(99)
    odds, y = normal(1, ROWS, strength_of(0.75), 0.0)
    wrong = 3 * rng.choice([-1.0, 1.0], (2, ROWS))
    found = Fallback(tried=QUICK[:1]).fit(heard(np.vstack([odds, wrong])), labels(y))
    assert found.verdicts["mid@500ms"].heard == "v0"
    quiet = rng.random(ROWS) < 0.5
    one, *others = heard(np.vstack([odds, wrong])).said
    silent = replace(
        one,
        ready=~quiet[:, None],
        proba=np.where(quiet[:, None, None], 1 / 3, one.proba).astype("f4"),
    )
    of = heard(np.vstack([odds, wrong]))._replace(said=(silent, *others))
    told = said(found, of)
    assert told.proba[~quiet].tobytes() == one.proba[~quiet].tobytes() and told.ready.all()
    plain = said(QUICK[0].fit(of, labels(y)), of)
    assert told.proba[quiet].tobytes() == plain.proba[quiet].tobytes()


def test_copies_of_one_member_are_no_ensemble_that_is_better():
    odds, y = normal(1, ROWS, strength_of(0.6), 0.0)
    found = fitted(np.repeat(odds, 5, axis=0), y)
    assert abs(found.choice.gain[0]) < 1e-3


def test_with_few_rows_nothing_is_chosen_but_the_mean():
    odds, y = normal(3, 80, 0.5, 0.0)
    verdict = fitted(odds, y).verdicts["mid@500ms"]
    assert verdict.heard == "mean" and "too few" in verdict.why


def test_no_row_that_teaches_the_combiners_judges_them():
    """Each half is judged by what the other taught: with y turned in one, all have to lose."""
    odds, y = normal(5, ROWS, strength_of(0.7), 0.0)
    half = np.arange(ROWS) < ROWS // 2
    found = fitted(np.vstack([odds, np.zeros(ROWS)]), np.where(half, y, -y))
    assert found.verdicts["mid@500ms"].heard == "v5"


def test_it_is_saved_and_loaded_with_its_reasons():
    odds, y = normal(3, 1_500, 0.4, 0.0)
    found = Fallback().fit(heard(odds), labels(y))
    again = Fallback().load(found.params())
    assert again.verdicts == found.verdicts and len(again.tried) == 7
    assert said(again, heard(odds)).proba.tobytes() == said(found, heard(odds)).proba.tobytes()
    with pytest.raises(InputError, match="fit or load"):
        said(Fallback(), heard(odds))


def test_sizes_are_chosen_by_their_error():
    y = np.exp(np.random.default_rng(0).normal(size=(ROWS, 1))).astype("f4")
    kinds = labels(np.ones(ROWS))._replace(targets=(SIZE,), y=y, move=y)
    third = np.full((ROWS, 1, 3), 1 / 3, np.float32)
    each = [Forecast((SIZE,), third, y * k, y > 0) for k in (np.float32(1.05), np.float32(3))]
    of = heard(np.zeros((2, ROWS)))
    of = of._replace(said=tuple(each))
    found = Fallback(tried=QUICK).fit(of, kinds)
    assert found.verdicts[str(SIZE)].heard == "v0" and MID not in found.targets
    np.testing.assert_array_equal(said(found, of).value, each[0].value)


@pytest.mark.parametrize("spoiled", ["proba", "value"])
def test_a_member_alone_that_says_no_number_is_stood_in_for(spoiled):
    odds, y = normal(1, ROWS, strength_of(0.75), 0.0)
    wrong = 3 * np.random.default_rng(99).choice([-1.0, 1.0], (2, ROWS))
    of = heard(np.vstack([odds, wrong]))
    found = Fallback(tried=QUICK[:1]).fit(of, labels(y))
    assert found.verdicts["mid@500ms"].heard == "v0"
    bad = replace(of.said[0], **{spoiled: getattr(of.said[0], spoiled) + np.float32(np.inf)})
    broken = of._replace(said=(bad, *of.said[1:]))
    told = said(found, broken)
    assert np.isfinite(told.proba).all() and np.isfinite(told.value).all()
    plain = said(found.tried[0], broken)
    assert told.proba.tobytes() == plain.proba.tobytes() and told.ready.all()


def test_a_size_that_is_no_number_is_no_opinion_when_members_are_compared():
    """Silence costs y, 1 on each row; who says nan or infinity is silent on that row."""
    third = np.full((4, 1, 3), 1 / 3, np.float32)
    values = np.array([[np.nan, 1, 1, 1], [np.inf, 0, 0, 0]], np.float32)[:, :, None]
    each = [Forecast((SIZE,), third, v, np.ones((4, 1), np.bool_)) for v in values]
    ones = np.ones((4, 1), np.float32)
    known = labels(np.ones(4))._replace(targets=(SIZE,), y=ones, move=ones)
    table, weight = costs(each, known, 0)
    assert table.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1]] and weight.tolist() == [1] * 4


@pytest.mark.parametrize(
    ("table", "who"),
    [
        ([[1.0, 1.0], [0.9, 0.9], [1.1, 1.1]], 1),  # learned, surely better than both
        ([[1.0, 1.0], [0.2, 1.7], [1.1, 1.1]], 0),  # better by luck: the mean stays
        ([[1.2, 1.2], [1.0, 1.0], [0.9, 0.9]], 2),  # a member beats both
        ([[1.0, 1.0], [0.9, 0.9], [0.9, 0.9]], 2),  # what was learned is a member
        ([[1.0, 1.0], [1.2, 1.2], [1.9, 0.0]], 0),  # a member is better, by luck alone
    ],
)
def test_who_is_heard(table, who):
    """Rows are the mean, what was learned, and one member; columns are what rows cost."""
    assert chosen(np.tile(table, 5), np.ones(10), 2)[0] == who
