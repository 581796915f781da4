"""What is told of a prediction adds up to what was predicted."""

import numpy as np
import pytest

from flowsense.ensemble.blend import Blend
from flowsense.ensemble.members import Ensemble
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.model.sides import logit
from flowsense.models import build
from flowsense.schema import Decimal, Instrument
from flowsense.serve.decisions import Decisions
from flowsense.serve.explaining import BASE, explained
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Loaded, push
from flowsense.testing.fitted import FAMILIES, TARGETS
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.train.dataset import prepare

pytestmark = pytest.mark.slow
TABLE = tuple(Instrument(f"TOY{k}", "toy", Decimal(1, -2), Decimal(1, 0)) for k in range(2))


@pytest.fixture(scope="module")
def market():
    events = merge(*(by_level(by_order(2_000, 1 + k, k)) for k in range(2)))
    of = spec(FAMILIES, ("interval:100ms",))
    return of, events, prepare(Recording(TABLE, events), of, tuple(map(Target.parse, TARGETS)))


@pytest.mark.parametrize("name", ["logistic", "antisymmetric", "xgboost", "pool"])
def test_columns_add_up_to_the_log_odds_of_the_side(market, name):
    of, events, data = market
    inner = build(name, most=1_000, **({"trees": 10} if name in ("xgboost", "pool") else {}))
    model = Calibrated(inner).fit(data, data.labels, seed=1, budget=Budget(steps=8))
    model.scale[:, 0] = 0.5
    decisions = Decisions(model, of, TABLE)
    for one in push(decisions, events)[-20:]:
        told = predictions(one, TABLE, decisions.risk, 1, "v")
        for r, said in enumerate(told):
            why = explained(said, one, r, Loaded(None, decisions, model))
            mine = next(x for x in said.forecasts if x.target == said.target)
            assert sum(why.contributions.values()) == pytest.approx(side_of(mine), abs=2e-4)
            assert BASE in why.contributions and len(why.contributions) > 3


def test_members_say_what_the_blend_of_them_said(market):
    of, events, data = market
    members = build("logistic", most=1_000), build("antisymmetric", most=1_000)
    model = Calibrated(Ensemble(members, Blend(learn=False, table=False)))
    model = model.fit(data, data.labels, seed=1, budget=Budget(steps=8))
    decisions = Decisions(model, of, TABLE)
    one = push(decisions, events)[-1]
    for r, said in enumerate(predictions(one, TABLE, decisions.risk, 1, "v")):
        why = explained(said, one, r, Loaded(None, decisions, model))
        each = [
            side_of(x) for told in why.members.values() for x in told if x.target == said.target
        ]
        mine = next(x for x in said.forecasts if x.target == said.target)
        assert why.weights == {"logistic": 0.5, "antisymmetric": 0.5} and len(each) == 2
        assert side_of(mine) == pytest.approx(np.mean(each), abs=2e-4)
        assert sum(why.contributions.values()) == pytest.approx(side_of(mine), abs=2e-4)
        assert BASE in why.contributions and len(why.contributions) > 3


def test_a_member_that_no_columns_explain_is_a_part_by_itself(market):
    of, events, data = market
    members = build("logistic", most=1_000), build("vote")
    model = Calibrated(Ensemble(members, Blend(learn=False, table=False)))
    model = model.fit(data, data.labels, seed=1, budget=Budget(steps=8))
    model.scale[:, 0] = 0.5
    decisions = Decisions(model, of, TABLE)
    one = push(decisions, events)[-1]
    for r, said in enumerate(predictions(one, TABLE, decisions.risk, 1, "v")):
        why = explained(said, one, r, Loaded(None, decisions, model))
        mine = next(x for x in said.forecasts if x.target == said.target)
        vote = next(x for x in why.members["vote"] if x.target == said.target)
        assert why.contributions["member vote"] == pytest.approx(side_of(vote) / 4, abs=2e-4)
        assert sum(why.contributions.values()) == pytest.approx(side_of(mine), abs=2e-4)


def side_of(said):
    return float(logit(np.float64(said.p_up / (said.p_up + said.p_down))))
