"""Flow and alternative data together: a useful signal is found, one that looks alike is not."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.forecast import UP, Target
from flowsense.model import Budget
from flowsense.models import build
from flowsense.simulate.alternative import Signal
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.dataset import forecast, prepare

pytestmark = [pytest.mark.compiled, pytest.mark.slow]

FLOW = ("ofi", "depth", "trade")
USEFUL, USELESS = "news_sentiment", "social_sentiment"
MID = Target.parse("mid@2s")
NAMES = ("xgboost", "lightgbm", "forest")


@pytest.fixture(scope="module")
def market():
    """Both are told late and revised; one foretells the price 3 s later."""
    useful = Signal(USEFUL, every_s=3.0, lead_s=3.0, noise=0.3)
    plants = (useful, useful._replace(name=USELESS, worth=0.0))
    made = simulate(replace(Market.tiny(), instruments=1, leads=(), plants=plants), 2_400.0, 0)
    beside = {"observations": made.observations, "kinds": made.kinds}
    return Recording(made.instruments, made.events, name="market", **beside)


def learned(market, families, name):
    """The model fitted on the first four fifths of the rows, and its log-loss by side after it."""
    data = prepare(market, spec(families), (MID,))
    rows = np.arange(len(data.ts))[:, None] / len(data.ts)
    fit = data.labels.to_fit(rows < 0.65, (rows >= 0.66) & (rows < 0.79))
    model = build(name).fit(data, fit, seed=0, budget=Budget(steps=80))
    p, y = forecast(model, data).proba[:, 0].astype(float), data.labels.y[:, 0]
    later = (rows[:, 0] >= 0.8) & data.labels.valid[:, 0] & (y != 1)
    up = p[later, UP] / (p[later, UP] + p[later, 0])
    return model, data, -np.log(np.where(y[later] == UP, up, 1 - up)).mean()


@pytest.fixture(scope="module")
def both(market):
    observed = (f"observed:{USEFUL}", f"observed:{USELESS}")
    return {name: learned(market, (*FLOW, *observed), name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_useful_signal_carries_weight_and_the_useless_one_next_to_none(both, name):
    model, data, _ = both[name]
    shap = model.shap(data.spec.columns)[str(MID)]
    total = sum(mean for mean, _ in shap.values())
    useful, useless = (
        (shap[kind][0] + shap[f"{kind}_age"][0]) / total for kind in (USEFUL, USELESS)
    )
    assert useful > 0.06 and useless < useful / 3
    assert shap[USEFUL][1] > 0.5  # more of it says up
    gain = model.importances(data.spec.columns)[str(MID)]
    assert gain[USEFUL] > 3 * gain[USELESS]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_foretold_is_skill(market, both, name):
    _, _, alone = learned(market, FLOW, name)
    assert both[name][2] < alone - 0.01


@pytest.mark.parametrize("name", NAMES)
def test_shap_values_of_single_rows_add_up_to_what_is_said(both, name):
    model, data, _ = both[name]
    tape = next(iter(data))
    tape = tape._replace(rows=(tape.rows[0].take(slice(100, 140)),))
    state = model.init(data.instruments)
    said = model.explain(state, tape)
    p = model.predict(state, tape)[1].proba[:, 0].astype(float)
    up = p[:, UP] / (p[:, UP] + p[:, 0])
    link = np.log(up / (1 - up)) if model.odds else up
    np.testing.assert_allclose(said[:, 0].sum(axis=1), link, atol=1e-4)
    assert said.shape == (40, 1, len(data.spec.columns) + 1)
