"""On simulated markets equals are told apart in one of twenty at most, and a better is found."""

from dataclasses import replace

import numpy as np
import pytest
from toys import Ewma

from flowsense.backtest import MARK, Result
from flowsense.backtest.against import MINUTE, compared, in_turn
from flowsense.backtest.arms import Arm, Arms, Plan
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.quote import Quote
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Lognormal
from flowsense.exchange.replay import Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model.calibrated import Calibrated
from flowsense.schema import MILLISECOND, SECOND, Chunk, zeros
from flowsense.simulate.market import Market, simulate
from flowsense.sources import NO_BARS, NO_OBSERVATIONS

SPEC = spec(("depth",), ("interval:5s",))
MODEL = Calibrated(Ewma(Target("mid", SECOND)), np.array([[1.0, 1.0, 0.0]]))
WAIT = Lognormal(200 * MILLISECOND, 1.0)
PLAN = Plan(None, terms=Terms(taker=1e-5), rules=Rules(order=WAIT, response=WAIT))


def coin(seed, **more):
    strategy = Random(0.2, 20 * SECOND, seed=seed)
    return Arm(MODEL, SPEC, replace(PLAN, strategy=strategy, seed=2 * seed, **more))


def maker(seed, **more):
    return Arm(MODEL, SPEC, replace(PLAN, strategy=Quote.of(1), seed=2 * seed, **more))


def traded(arms, seed, seconds=3_600):
    """Results on one hour of one instrument."""
    made = simulate(replace(Market.tiny(), instruments=1, leads=()), seconds, seed=seed)
    found = Arms(arms, made.instruments)
    for part in np.array_split(made.events, len(made.events) // 4_000 + 1):
        found.push(Chunk(part, NO_BARS, NO_OBSERVATIONS))
    return found.results()


def at_most(rate, n):
    """Of n comparisons, two standard errors above one in twenty."""
    return rate <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n)


@pytest.mark.soak
@pytest.mark.compiled
@pytest.mark.parametrize("kind", [coin, maker])
def test_equals_on_a_market_are_told_apart_in_one_of_twenty_at_most(kind):
    """100 pairs that differ in coins and in latencies drawn, each looked at after every minute."""
    wrong, known = 0, 0
    for market in range(5):
        results = traded({str(k): kind(k) for k in range(40)}, seed=10 + market)
        for k in range(0, 40, 2):
            found = compared(results[str(k)], results[str(k + 1)], MINUTE)
            assert min(found.a.fills, found.b.fills) > 50 and found.in_turn.blocks == 51
            wrong += found.in_turn.better is not None
            known += found.ci95[0] <= 0 <= found.ci95[1]
    assert at_most(wrong / 100, 100) and known >= 85


def marked(position, price, paid):
    """A result of a position (n,) over each minute, of prices (n + 1,) and costs (n,)."""
    marks = zeros(MARK, len(price))
    marks["ts"] = MINUTE * np.arange(len(price))
    marks["equity"] = 1e6 + np.r_[0.0, np.cumsum(position * np.diff(price) - paid)]
    return Result("one", 1e6, (), marks, np.zeros(0), {}, {})


def holder(rng, price, stay):
    """Long, short or flat by a coin, anew with chance 1 - stay each minute, and half a spread."""
    n = len(price) - 1
    fresh = (rng.uniform(size=n) >= stay) | (np.arange(n) == 0)
    drawn = rng.integers(-1, 2, n)
    position = drawn[np.maximum.accumulate(np.where(fresh, np.arange(n), 0))]
    return marked(position, price, 0.5 * np.abs(np.diff(position, prepend=0)))


@pytest.mark.slow
@pytest.mark.parametrize("stay", [0.0, 0.8, 0.98])
def test_positions_that_outlast_blocks_mislead_no_more(stay):
    """Held for 1, 5 or 50 minutes; prices walk with heavy tails. 200 pairs, five hours each."""
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        price = np.cumsum(rng.standard_t(2.5, 301))
        found = in_turn((holder(rng, price, stay), holder(rng, price, stay)), MINUTE)
        wrong += found.better is not None
    assert at_most(wrong / 200, 200)


@pytest.mark.slow
@pytest.mark.compiled
def test_a_lower_fee_is_found_within_the_hour():
    """The same coins and waits but for half a basis point, of every side that trades."""
    dear = {"terms": Terms(maker=5e-5, taker=6e-5)}
    cheap = {"terms": Terms(maker=0.0, taker=1e-5)}
    for kind in (coin, maker):
        results = traded({"dear": kind(1, **dear), "cheap": kind(1, **cheap)}, 3, seconds=1_800)
        found = compared(results["dear"], results["cheap"], MINUTE)
        assert found.in_turn.better == "b" and found.a.fills == found.b.fills > 20
        assert found.gap.net == pytest.approx(found.gap.fees)
        assert abs(found.gap.gross) < 1e-15


@pytest.mark.soak
def test_where_prices_drift_blocks_must_be_as_long_as_positions_are_held():
    """Five minutes each, and prices that go up by a third of what they scatter."""
    wrong = dict.fromkeys((1, 5), 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        price = np.cumsum(rng.normal(0.3, 1.0, 301))
        pair = holder(rng, price, 0.8), holder(rng, price, 0.8)
        for minutes in wrong:
            wrong[minutes] += in_turn(pair, minutes * MINUTE).better is not None
    assert wrong[1] / 200 > 0.05 and at_most(wrong[5] / 200, 200)
