"""How much is held in which regime: as set, else as the model says, else by what it is called."""

import numpy as np
import pytest
from desks import MID, forecast, one, rows, table, warm

from flowsense.errors import InputError
from flowsense.risk.desk import Risk
from flowsense.risk.limits import Limits
from flowsense.risk.settings import Settings, Stance

NAMES = ("low volatility", "high volatility", "crisis")
ROOMY = Limits(instrument=9.0, correlated=9.0, total=9.0)
LOW, HIGH, CRISIS = range(3)


def size(regime, scale=None, **settings):
    """Of one forecast in this regime, as a share of what it is where nothing scales it."""
    desk, said = warm(Settings(limits=ROOMY, **settings), regimes=NAMES), forecast(value=0.02)
    plain = warm(Settings(limits=ROOMY, stance=Stance(scale=1.0))).ask(said)[0]
    said.aux["regime"] = np.eye(3, dtype=np.float32)[[regime]]
    if scale is not None:
        said.aux["position_scale"] = np.full(1, scale, np.float32)
    return one(desk.ask(said)[0]).size / one(plain).size


@pytest.mark.parametrize(("regime", "usual"), [(LOW, 1.0), (HIGH, 0.5), (CRISIS, 0.25)])
def test_where_nobody_says_the_name_does(regime, usual):
    assert size(regime) == pytest.approx(usual)


@pytest.mark.parametrize("regime", [LOW, HIGH, CRISIS])
def test_what_the_model_says_stands_for_the_name(regime):
    assert size(regime, 0.6) == pytest.approx(0.6)


def test_what_is_set_stands_for_both():
    by = (("crisis", Stance(scale=0.1)), ("high volatility", Stance(least_confidence=0.5)))
    assert size(CRISIS, 0.6, by_regime=by) == pytest.approx(0.1)
    assert size(HIGH, 0.6, by_regime=by) == pytest.approx(0.6)
    assert size(CRISIS, 0.6, stance=Stance(scale=0.9)) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("said", "taken"), [(np.nan, 0.25), (np.inf, 0.25), (-np.inf, 0.25), (7.0, 1.0), (-1.0, 0.0)]
)
def test_a_scale_of_the_model_that_cannot_be(said, taken):
    assert size(CRISIS, said) == pytest.approx(taken)


def test_of_a_model_that_names_no_regime_the_scale_counts_too():
    said = forecast(value=0.02)
    whole = one(warm(Settings(limits=ROOMY)).ask(said)[0]).size
    said.aux["position_scale"] = np.float32([0.5])
    assert one(warm(Settings(limits=ROOMY)).ask(said)[0]).size == pytest.approx(whole / 2)


def test_a_stance_for_all_is_that_of_every_regime():
    """Who asks for .9 of confidence is asked for it in a crisis as well."""
    desk, said = warm(Settings(stance=Stance(least_confidence=0.9)), regimes=NAMES), forecast()
    said.aux["regime"] = np.eye(3, dtype=np.float32)[[CRISIS]]
    assert one(desk.ask(said)[0]).vetoes == ("unsure",)


def test_a_scale_for_other_rows_is_refused():
    risk, said = Risk(Settings(), table(), (MID,), 1), forecast()
    said.aux["position_scale"] = np.ones((1, 2), np.float32)
    with pytest.raises(InputError, match=r"risk: position_scale \(1, 2\) of 1 rows"):
        risk.cases(risk.init(1e6), rows([20_000]), said)
