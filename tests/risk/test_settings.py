"""What cannot be set is said in one sentence."""

import numpy as np
import pytest
from desks import MID, forecast, rows, table

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Costs, Settings, Stance, forgotten

OFI, LATER = Target.parse("ofi@1s"), Target.parse("mid@1m")


def test_the_first_target_in_ticks_is_acted_on():
    assert Settings().acted_on((OFI, MID, LATER)) == MID
    assert Settings(target=LATER).acted_on((OFI, MID, LATER)) == LATER


@pytest.mark.parametrize(
    ("target", "targets", "words"),
    [
        (LATER, (OFI, MID), "risk: target mid@1m: the model forecasts mid@10s"),
        (OFI, (OFI, MID), "risk: target ofi@1s: the model forecasts mid@10s"),
        (None, (OFI,), "risk: a model of nothing whose value is in ticks: signals need mid"),
        (None, (), "risk: a model of nothing"),
    ],
)
def test_an_unknown_target(target, targets, words):
    with pytest.raises(InputError, match=words):
        Settings(target=target).acted_on(targets)


@pytest.mark.parametrize("capital", [0.0, -1.0, np.nan, np.inf])
def test_without_capital(capital):
    with pytest.raises(InputError, match=r"risk: capital .*: give an amount above 0"):
        Risk(Settings(), table(), (MID,), 1).init(capital)


def test_without_instruments():
    with pytest.raises(InputError, match="risk: no instrument: give those of the stream"):
        Risk(Settings(), (), (MID,), 1)


def regimes(n):
    said = forecast()
    said.aux["regime"] = np.ones((1, n), np.float32)
    return said


@pytest.mark.parametrize(
    ("said", "columns", "words"),
    [
        (forecast(), 2, "risk: rows of 1 columns: 2 were told"),
        (forecast(2), 1, "risk: 2 forecasts of 1 rows"),
        (forecast(target=LATER), 1, "risk: mid@10s is not forecast where it was told to be"),
        (regimes(3), 1, "risk: 3 regimes, names of 1"),
    ],
)
def test_what_was_not_announced(said, columns, words):
    risk = Risk(Settings(), table(), (MID,), columns, ("crisis",))
    with pytest.raises(InputError, match=words):
        risk.cases(risk.init(1e6), rows([20_000]), said)


def test_an_unknown_regime_names_those_there_are():
    with pytest.raises(InputError, match="risk: regime 'panic': give one of low volatility, "):
        Settings(by_regime=(("panic", Stance()),))


def test_terms_follow_the_regimes_of_the_model():
    by = (("crisis", Stance(scale=0.1)), ("trending", Stance(gain=2.0)))
    terms = Settings(by_regime=by).terms(MID, ("trending", "low volatility", "crisis"))
    assert terms["scale"][2] == 0.1 and np.isnan(terms["scale"][[0, 1, 3]]).all()
    assert terms["usual"].tolist() == [1.0, 1.0, 0.25, 1.0]
    assert terms["gain"].tolist() == [2.0, 1.0, 1.0, 1.0]


def test_after_as_many_steps_as_the_memory_half_is_left():
    assert (1 - forgotten(100.0)) ** 100 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (Stance, {"scale": -1.0}),
        (Stance, {"scale": np.nan}),
        (Stance, {"least_confidence": 1.1}),
        (Stance, {"least_reward_risk": -1.0}),
        (Stance, {"stop": 0.0}),
        (Stance, {"gain": -1.0}),
        (Costs, {"fee": -0.1}),
        (Costs, {"spreads": np.inf}),
        (Settings, {"memory": 0.0}),
    ],
)
def test_settings_that_cannot_be(kind, bad):
    with pytest.raises(InputError, match=r"\w+: \w+ .*: give"):
        kind(**bad)
