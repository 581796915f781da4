"""Recommendations worked by hand. The mid makes one tick a row, which is 10 ticks in 10 s."""

import numpy as np
import pytest
from desks import MID, forecast, one, rows, standing, table, warm

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.risk.desk import Risk
from flowsense.risk.kelly import Kelly
from flowsense.risk.limits import Limits
from flowsense.risk.settings import Costs, Settings, Stance
from flowsense.schema import ONE_SIDED

ROOMY = Limits(instrument=9.0, correlated=9.0, total=9.0)
SURE = Kelly(error=0.0)


def asked(said, settings=None, account=None, **how):
    return one(warm(settings, **how).ask(said, account)[0])


def test_a_forecast_of_three_ticks():
    """Target 3 + 10 ticks away, stop 10; far more than the limit would be staked."""
    desk = warm()
    found = one(desk.ask(forecast(value=3.0))[0])
    mid = desk.mid2[0] / 2
    assert (found.direction, found.magnitude, found.horizon_ns) == (1, 3.0, MID.horizon_ns)
    assert found.confidence == pytest.approx(0.6 / 0.7)
    assert (found.target, found.stop) == (mid + 13, mid - 10)
    assert found.reward_risk == pytest.approx(1.3)
    assert found.size == 0.2 and found.should_trade


def test_its_mirror():
    desk = warm()
    found = one(desk.ask(forecast(down=0.6, up=0.1, value=-3.0))[0])
    mid = desk.mid2[0] / 2
    assert (found.direction, found.magnitude) == (-1, 3.0)
    assert (found.target, found.stop) == (mid - 13, mid + 10)
    assert found.size == 0.2 and found.should_trade


def test_the_size_is_half_of_what_grows_fastest():
    """Mean m / mid, variance (10 / mid)^2: m mid / 100, of which half; sure, so 1.2 of it."""
    settings = Settings(limits=ROOMY, kelly=SURE)
    desk = warm(settings, start=4_000)
    found = one(desk.ask(forecast(value=0.02))[0])
    assert found.size == pytest.approx(0.5 * 1.2 * 0.02 * (desk.mid2[0] / 2) / 100, rel=1e-6)


def test_an_uncertain_chance_takes_its_share_off():
    """At .75 the edge is .5; an error of .25 makes an error of .5 in it, so half is left."""
    said = forecast(down=0.2, up=0.6, value=0.02)
    sure, unsure = (Settings(limits=ROOMY, kelly=Kelly(error=e)) for e in (0.0, 0.25))
    assert asked(said, unsure).size == pytest.approx(asked(said, sure).size / 2)


@pytest.mark.parametrize(("up", "times"), [(0.85, 1.2), (0.7, 1.0), (0.8, 1.0)])
def test_leverage_by_confidence(up, times):
    settings = Settings(limits=ROOMY, kelly=SURE)
    desk = warm(settings)
    found = one(desk.ask(forecast(down=1 - up, up=up, value=0.02))[0])
    assert found.size == pytest.approx(times * 0.5 * 0.02 * (desk.mid2[0] / 2) / 100, rel=1e-5)


def test_costs_come_off_reward_and_add_to_risk():
    """A spread of 2 ticks: reward 13 - 2, risk 10 + 2; expected 3 - 2, which is not enough."""
    desk = warm()
    due = rows(desk.mid2, start=desk.ts, spread=2)
    found = one(desk.judge(due, forecast(value=3.0), standing())[0])
    assert found.reward_risk == pytest.approx(11 / 12)
    assert found.vetoes == ("poor_reward",) and found.size == 0.0


def test_who_rests_pays_no_spread():
    desk = warm(Settings(costs=Costs(spreads=0.0)))
    due = rows(desk.mid2, start=desk.ts, spread=2)
    assert one(desk.judge(due, forecast(value=3.0), standing())[0]).should_trade


def test_fees_are_paid_twice():
    """1 bp of 10,000 ticks is one tick, each way."""
    desk = warm(Settings(costs=Costs(fee=1e-4)))
    found = one(desk.ask(forecast(value=5.0))[0])
    cost = 2e-4 * desk.mid2[0] / 2
    assert found.reward_risk == pytest.approx((15 - cost) / (10 + cost))


def test_no_more_than_three_deviations_are_believed():
    assert asked(forecast(value=1_000.0)).magnitude == pytest.approx(30.0)


def test_a_value_against_its_side_promises_nothing():
    found = asked(forecast(value=-3.0))
    assert (found.direction, found.magnitude, found.size) == (1, 0.0, 0.0)
    assert found.vetoes == ("poor_reward",)


def test_a_barrier_is_a_bet_that_ends_in_one_of_two_ways():
    """Barriers 20 ticks away, won three times in four: (.75 - .25) / (20 / mid), its half."""
    target = Target.parse("barrier:2x@10s")
    settings = Settings(limits=Limits(1e4, 1e4, 1e4), kelly=SURE)
    desk = warm(settings, target=target)
    said = forecast(down=0.2, up=0.6, value=10.0, target=target)
    found = one(desk.ask(said)[0])
    mid = desk.mid2[0] / 2
    assert (found.target, found.stop) == (mid + 20, mid - 20)
    assert found.size == pytest.approx(0.5 * 0.5 * mid / 20, rel=1e-5)


@pytest.mark.parametrize(("width", "ticks"), [("4t", 4), ("5bp", 5)])
def test_a_barrier_in_ticks_or_basis_points(width, ticks):
    target = Target.parse(f"barrier:{width}@10s")
    desk = warm(Settings(stance=Stance(least_reward_risk=0.0)), target=target)
    found = one(desk.ask(forecast(value=2.0, target=target))[0])
    assert found.target - desk.mid2[0] / 2 == pytest.approx(ticks, rel=0.02)


def barrier(width, *, down, up, spread, settings=None):
    """The signal of a barrier of so many ticks where the feed shows a spread."""
    target = Target.parse(f"barrier:{width}t@10s")
    desk = warm(settings, target=target)
    due = rows(desk.mid2, start=desk.ts, spread=spread)
    return one(desk.judge(due, forecast(down=down, up=up, value=2.0, target=target), standing())[0])


def test_a_barrier_that_pays_its_costs_is_traded():
    """.6 x 18 - .1 x 22 - .3 x 2 = 8 ticks expected, though reward / risk is 18 / 22."""
    found = barrier(20, down=0.1, up=0.6, spread=2)
    assert found.should_trade and found.reward_risk == pytest.approx(18 / 22)


@pytest.mark.parametrize(("down", "up", "side"), [(0.001, 0.009, 1), (0.009, 0.001, -1)])
def test_a_barrier_that_mostly_times_out_does_not_pay_its_costs(down, up, side):
    """.009 x 2 - .001 x 6 - .99 x 2 = -1.968 ticks, at 2 / 6 of reward / risk."""
    settings = Settings(stance=Stance(least_reward_risk=0.3))
    found = barrier(4, down=down, up=up, spread=2, settings=settings)
    assert (found.direction, found.vetoes) == (side, ("poor_reward",))


def test_time_outs_that_cost_make_the_bet_smaller():
    """With half of all bets timed out the share is below that of those which are not."""
    settings = Settings(limits=Limits(1e4, 1e4, 1e4), kelly=SURE)
    often = barrier(20, down=0.1, up=0.4, spread=2, settings=settings)
    never = barrier(20, down=0.2, up=0.8, spread=2, settings=settings)
    assert often.confidence == pytest.approx(never.confidence)
    assert 0 < often.size < 0.97 * never.size


@pytest.mark.parametrize("up", [5e-7, 6e-7, 1e-9])
def test_a_chance_of_rounding_is_none(up):
    """Chances that sum to one but for rounding: nobody knows of a move."""
    said = forecast()
    said.proba[:] = [-5e-7, 1.0, up]
    found = asked(said, Settings(stance=Stance(least_confidence=0.0)))
    assert (found.direction, found.confidence, found.size) == (0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("said", "veto"),
    [
        (forecast(down=0.3, up=0.4), "unsure"),
        (forecast(down=0.35, up=0.35), "unsure"),
        (forecast(agreement=0.4), "disagreement"),
        (forecast(agreement=np.nan), "disagreement"),
        (forecast(members=2), "too_few"),
        (forecast(value=0.0), "poor_reward"),
    ],
)
def test_vetoes_of_a_forecast(said, veto):
    found = asked(said)
    assert veto in found.vetoes and found.size == 0.0 and not found.should_trade


def test_three_of_five_that_agree_are_enough():
    assert asked(forecast(agreement=0.6, members=5)).should_trade


@pytest.mark.parametrize(("of", "ready", "enough"), [(2, 2, True), (2, 1, False), (5, 2, False)])
def test_no_more_members_must_answer_than_there_are(of, ready, enough):
    desk = warm()
    risk = Risk(Settings(), table(), (MID,), 1, members=of)
    found = one(desk._replace(risk=risk).ask(forecast(members=ready))[0])
    assert found.should_trade == enough and ("too_few" in found.vetoes) != enough


def test_an_ensemble_of_nobody_is_refused():
    with pytest.raises(InputError, match="risk: 0 members: give 1 or more, or None"):
        Risk(Settings(), table(), (MID,), 1, members=0)


def test_a_model_that_warms_up_recommends_nothing():
    said = forecast()
    said.ready[:] = False
    found = asked(said)
    assert "warming_up" in found.vetoes
    assert (found.direction, found.size, found.stop, found.target) == (0, 0.0, 0.0, 0.0)


def test_the_first_rows_warm_up():
    assert "warming_up" in asked(forecast(), n=100).vetoes


@pytest.mark.parametrize("state", [ONE_SIDED, 0])
def test_without_a_whole_book_nothing_is_traded(state):
    desk = warm()
    due = rows(desk.mid2, start=desk.ts)
    due.quote["state"] = state
    found = one(desk.judge(due, forecast(), standing())[0])
    assert "not_trading" in found.vetoes and found.direction == 0


def test_a_regime_has_its_own_scale_and_confidence():
    """Half the size in high volatility; .9 of confidence asked for in a crisis."""
    by = (("high volatility", Stance(scale=0.5)), ("crisis", Stance(least_confidence=0.9)))
    settings = Settings(limits=ROOMY, by_regime=by)
    regimes = ("low volatility", "high volatility", "crisis")
    desk = warm(settings, regimes=regimes)
    found = []
    for row in np.eye(3, dtype=np.float32):
        said = forecast(value=0.02)
        said.aux["regime"] = row[None]
        found.append(one(desk.ask(said)[0]))
    assert found[1].size == pytest.approx(found[0].size / 2)
    assert found[2].vetoes == ("unsure",)


def test_a_regime_that_is_no_number_is_none():
    said = forecast()
    said.aux["regime"] = np.full((1, 1), np.nan, np.float32)
    assert asked(said, regimes=("crisis",)).size == 0.2


def test_less_than_the_least_order_is_too_small():
    assert asked(forecast(), account=standing(least=200_001)).vetoes == ("too_small",)
    assert asked(forecast(), account=standing(least=200_000)).should_trade


def test_a_regime_without_size_is_too_small():
    assert asked(forecast(), Settings(stance=Stance(scale=0.0))).vetoes == ("too_small",)
