"""Whoever asks for ``abstain(model=...)`` by name gets few wrong sides on rows not seen before."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import DOWN, FLAT, UP, Target
from flowsense.models import MODELS, asked, groups
from flowsense.models.settings import made, text_of
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.config import RunConfig
from flowsense.train.dataset import forecast, prepare
from flowsense.train.run import judge
from flowsense.train.save import load_model

TEXT = "abstain(model='logistic(most=5000)', error=0.3, rate=0.0)"
TARGETS = (Target.parse("mid@500ms"), Target.parse("magnitude@1s"))
CONFIG = RunConfig(("logistic", TEXT), targets=TARGETS, unscored_ns=0, epochs=8)


def test_it_is_made_of_text_and_written_as_text():
    (name, model), *more = asked([TEXT, "abstain"]).items()
    assert name == "abstain" and more[0][0] == "abstain-2"
    assert (model.error, model.rate, model.model.most) == (0.3, 0.0, 5_000)
    assert made(text_of(model)) == model and "abstain" not in {*MODELS, *groups()["all"]}
    inside = made("abstain(model='abstain(error=0.2)')")
    assert made(text_of(inside)) == inside


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("abstain(model=3)", "model is 3: give str"),
        ("abstain(model='logistics')", "model 'logistics' is unknown: did you mean logistic"),
        ("abstain(model='logistic(most=x)')", "write settings like"),
        ("abstain(kept=1)", "setting 'kept' is unknown"),
        ("abstain(error=0.9)", "abstain: error 0.9"),
        ("abstian", "did you mean abstain"),
    ],
)
def test_what_it_cannot_be_is_refused_in_one_sentence(text, why):
    with pytest.raises(InputError, match=why):
        asked([text])


@pytest.mark.slow
@pytest.mark.compiled
def test_a_run_scores_it_and_its_checkpoint_says_the_same(source, tmp_path):
    learn = prepare(source, spec(("ofi", "depth")), TARGETS)
    result = judge(learn, (), CONFIG, asked(CONFIG.models))
    assert {"logistic", "abstain", "ensemble"} <= result.metrics["models"].keys()
    result.save(tmp_path / "run")
    model, _ = load_model(tmp_path / "run" / "checkpoints" / "abstain")
    assert made(text_of(model.model)) == asked([TEXT])["abstain"]
    (said,), of = result.forecasts["abstain"], result.material
    tested = of.folds[0].test.any(axis=1)
    start = of.index.ts[of.folds[0].validation.any(axis=1)][0] - 600 * 10**9
    again = forecast(model, learn, start=int(start))
    np.testing.assert_array_equal(again.proba[tested], said.proba[tested])
    assert said.ready[tested, 1].all() and not said.ready[tested, 0].all()


@pytest.mark.soak
@pytest.mark.compiled
@pytest.mark.parametrize("error", [0.2, 0.3])
def test_on_rows_that_a_run_tests_few_of_the_named_are_wrong(error):
    """In the mean over five markets of a quarter of an hour; labels overlap fivefold."""
    config = replace(CONFIG, models=(f"abstain(model='logistic', error={error}, rate=0.0)",))
    shares = []
    for seed in range(3, 8):
        made = simulate(Market.tiny(), 900, seed)
        learn = prepare(Recording(made.instruments, made.events), spec(("ofi", "depth")), TARGETS)
        result = judge(learn, (), config, asked(config.models))
        (said,), of = result.forecasts["abstain"], result.material
        y, p = of.labels.y[:, 0], said.proba[:, 0]
        tested = of.folds[0].test[:, 0] & of.labels.valid[:, 0] & said.ready[:, 0] & (y != FLAT)
        missed = np.where(p[:, UP] > p[:, DOWN], UP, DOWN)[tested] != y[tested]
        shares.append(missed.mean() if len(missed) else 0.0)
    assert 0 < np.mean(shares) <= error
