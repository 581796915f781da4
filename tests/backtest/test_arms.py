from dataclasses import replace

import numpy as np
import pytest
from toys import Ewma

from flowsense.backtest.arms import Arm, Arms, Plan, members, regimes
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.quote import Quote
from flowsense.ensemble.conformal import Abstain
from flowsense.ensemble.members import Ensemble
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model.calibrated import Calibrated
from flowsense.models import build
from flowsense.schema import MILLISECOND, SECOND, Chunk
from flowsense.simulate.market import Market, simulate
from flowsense.sources import NO_BARS, NO_OBSERVATIONS

SPEC = spec(("depth", "ofi"))
MODEL = Calibrated(
    Ewma(Target("mid", SECOND), SPEC.columns.index("ofi_l1_1s")), np.array([[1.0, 1.0, 0.0]])
)
PLAN = Plan(Random(0.2, SECOND), terms=Terms(taker=1e-5), rules=Rules(order=Constant(MILLISECOND)))
ARMS = {
    "coin": Arm(MODEL, SPEC, PLAN),
    "maker": Arm(MODEL, SPEC, replace(PLAN, strategy=Quote.of(1))),
    "other ear": Arm(replace(MODEL), SPEC, replace(PLAN, strategy=Quote.of(2))),
}


@pytest.fixture(scope="module")
def market():
    return simulate(Market.tiny(), 30, seed=4)


def pushed(arms, events, cuts=()):
    """Results after these events, cut there."""
    for part in np.split(events, cuts):
        arms.push(Chunk(part, NO_BARS, NO_OBSERVATIONS))
    return arms.results()


def same(a, b):
    for name, one in a.items():
        assert one.marks.tobytes() == b[name].marks.tobytes()
        assert one.fills.tobytes() == b[name].fills.tobytes()
        assert one.orders == b[name].orders and one.config == b[name].config


@pytest.mark.slow
@pytest.mark.compiled
def test_an_arm_earns_beside_others_what_it_earns_alone(market):
    together = pushed(Arms(ARMS, market.instruments), market.events)
    assert all(len(result.fills) > 5 for result in together.values())
    for name, arm in ARMS.items():
        same(pushed(Arms({name: arm}, market.instruments), market.events), {name: together[name]})


@pytest.mark.compiled
def test_arms_of_one_model_share_what_it_says(market):
    arms = Arms(ARMS, market.instruments)
    assert arms.heard == [["coin", "maker"], ["other ear"]]


@pytest.mark.slow
@pytest.mark.compiled
def test_going_on_from_a_snapshot_changes_nothing(market):
    whole = pushed(Arms(ARMS, market.instruments), market.events)
    cut = len(market.events) // 2
    first, second = (Arms(ARMS, market.instruments) for _ in range(2))
    pushed(first, market.events[:cut], (cut // 3, cut // 3 + 1))
    second.restore(first.snapshot())
    same(whole, pushed(second, market.events[cut:], (7,)))


@pytest.mark.compiled
def test_arms_that_cannot_be_are_refused(market):
    with pytest.raises(InputError, match="none: give one"):
        Arms({}, market.instruments)
    one = Arms({"coin": ARMS["coin"]}, market.instruments)
    with pytest.raises(InputError, match="snapshot of coin: this is maker"):
        Arms({"maker": ARMS["maker"]}, market.instruments).restore(one.snapshot())
    late = Arm(MODEL, SPEC, replace(PLAN, start=2**62))
    with pytest.raises(InputError, match="no row lies between start and end"):
        pushed(Arms({"late": late}, market.instruments), market.events)


def test_risk_hears_of_regimes_and_members_inside_other_models():
    both = Ensemble((build("vote"), build("hmm")))
    for model in (both, Abstain(both)):
        assert members(model) == 2 and "crisis" in regimes(model)
    assert members(build("hmm")) is None and regimes(build("vote")) == ()
