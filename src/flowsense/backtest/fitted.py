"""A fitted model traded on a recording by any number of plans, and what varying a plan tells."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from flowsense.backtest import Result, stress
from flowsense.backtest.arms import Arm, Arms, Plan, bars_alone
from flowsense.backtest.bars import Frictions
from flowsense.backtest.measures import measure
from flowsense.backtest.sensitivity import (
    COSTS,
    LATENCIES,
    SIZES,
    Sensitivity,
    dearer,
    vary,
)
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote, times
from flowsense.backtest.stress import MINUTE, Outcome, Scenario, Stressed
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.model.calibrated import Calibrated
from flowsense.schema import MILLISECOND
from flowsense.sources import Told, chunks
from flowsense.tape import FeatureSpec

DELAYS = (0.0, 1.0, 2.0, 4.0)  # bars
# by the name that asks for one: from when, for how long
SCENARIOS: dict[str, Callable[[int, int], Scenario]] = {
    "flash-crash": lambda t, n: stress.flash_crash(t, 0.1, max(n // 6, 1), n - max(n // 6, 1)),
    "liquidity-gone": stress.liquidity_gone,
    "wide-spread": stress.wide,
    "halt": stress.halt,
    "venue-down": stress.venue_down,
}
WIDER, LASTS, BARS, PART = 10.0, 5 * MINUTE, 12, 4  # a scenario is at most that part of the span


def trade(
    model: Calibrated, spec: FeatureSpec, source: Told, plans: Mapping[str, Plan]
) -> dict[str, Result]:
    """What comes of each plan. Raises InputError for one that does not suit model or recording."""
    return traded({name: Arm(model, spec, plan) for name, plan in plans.items()}, source)


def traded(arms: Mapping[str, Arm], source: Told) -> dict[str, Result]:
    """What comes of each arm. Raises InputError for one that does not suit the recording."""
    found = Arms(arms, source.instruments)
    for chunk in chunks(source):
        found.push(chunk)
        if found.over:
            break
    return found.results()


def stressed(
    model: Calibrated,
    spec: FeatureSpec,
    source: Told,
    plan: Plan,
    plain: Result,
    names: tuple[str, ...],
) -> tuple[Outcome, ...]:
    """The plan as it went, then under scenarios that strike when the most was held.

    Where nothing was held, in the middle. They last five minutes, on bars twelve bars where that is
    longer, a quarter of the span at most. Of bars the spread is wider throughout, as they hold none
    that could be for a while. Raises InputError.
    """
    start, length = struck(plain, bars_alone(source.instruments))
    net = measure(plain).net
    found = [stress.outcome("none", plain, net)]
    for name in names:
        scenario = SCENARIOS[name](start, length)
        broken, under, called = applied(scenario, source, plan)
        result = trade(model, spec, broken, {called: under})[called]
        found.append(stress.outcome(called, result, net))
    return tuple(found)


def struck(plain: Result, bare: bool) -> tuple[int, int]:
    """ns of the start of scenarios, and how long they last."""
    ts, held = plain.marks["ts"], plain.marks["exposure"]
    k = int(held.argmax()) if held.any() else len(ts) // 2
    step = int(np.median(np.diff(ts))) if bare and len(ts) > 1 else 0
    span = int(ts[-1] - ts[0])
    return int(ts[k]), max(min(max(LASTS, BARS * step), span // PART), 1)


def applied(scenario: Scenario, source: Told, plan: Plan) -> tuple[Told, Plan, str]:
    """Of books a scenario changes the recording; a spread of bars is of the plan."""
    if scenario.widen > 1 and bars_alone(source.instruments):
        wider = replace(plan, frictions=plan.frictions.times(WIDER))
        return source, wider, f"{scenario.name} throughout"
    return Stressed(source, scenario), plan, scenario.name


def varied(plan: Plan, bare: bool = False) -> dict[str, Plan]:
    """Plans that differ from one in costs, in the time that orders take or in size, by what
    `sensitivities` asks. Of bars alone spread and impact are costs too, and time is of bars.
    """
    costly = bare or plan.terms != Terms() or plan.each
    found = {f"costs {x:g}": dearly(plan, x, bare) for x in COSTS} if costly else {}
    if bare:
        found |= {f"delay {n:g}": replace(plan, frictions=later(plan, n)) for n in DELAYS}
    else:
        found |= {f"latency {ms:g}": slower(plan, ms) for ms in LATENCIES}
    return found | {f"capacity {x:g}": larger(plan, x) for x in SIZES}


def sensitivities(of: Mapping[str, Result]) -> tuple[Sensitivity, ...]:
    """Of the results of `varied` plans."""
    grids = (
        ("fees" if "latency 0" in of else "costs", "costs", "x", COSTS),
        ("latency", "latency", "ms", LATENCIES),
        ("delay", "delay", "bars", DELAYS),
        ("capacity", "capacity", "x", SIZES),
    )
    return tuple(
        vary(name, unit, partial(point_of, of, key), grid)
        for name, key, unit, grid in grids
        if f"{key} {grid[0]:g}" in of
    )


def point_of(of: Mapping[str, Result], key: str, at: float) -> Result:
    return of[f"{key} {at:g}"]


def dearly(plan: Plan, factor: float, bare: bool = False) -> Plan:
    """So many times the fees, of bars the spread and the impact too; risk knows of it."""
    costs = replace(plan.risk.costs, fee=min(plan.risk.costs.fee * factor, 1.0))
    return replace(
        plan,
        terms=dearer((plan.terms,), factor)[0],
        each=plan.each * factor,
        frictions=plan.frictions.times(factor) if bare else plan.frictions,
        risk=replace(plan.risk, costs=costs),
    )


def slower(plan: Plan, ms: float) -> Plan:
    """Orders and reports that take so long."""
    wait = Constant(round(ms * MILLISECOND))
    return replace(plan, rules=plan.rules._replace(order=wait, response=wait))


def later(plan: Plan, bars: float) -> Frictions:
    """So many bars pass before an order is there."""
    return replace(plan.frictions, delay=round(bars))


def larger(plan: Plan, factor: float) -> Plan:
    """So many times the capital, and the lots of a strategy that says how many with it."""
    strategy, more = plan.strategy, max(round(factor), 1)
    if isinstance(strategy, Quote):
        strategy = replace(
            strategy, lots=times(strategy.lots, more), most=times(strategy.most, more)
        )
    elif isinstance(strategy, Follow):
        strategy = replace(strategy, lots=strategy.lots * more)
    return replace(plan, strategy=strategy, capital=plan.capital * factor)
