"""A fitted model traded on a recording by any number of plans, and what varying a plan tells."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from flowsense.backtest import Result
from flowsense.backtest.arms import Arm, Arms, Plan
from flowsense.backtest.bars import Frictions
from flowsense.backtest.sensitivity import (
    COSTS,
    LATENCIES,
    SIZES,
    Sensitivity,
    dearer,
    vary,
)
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.model.calibrated import Calibrated
from flowsense.schema import MILLISECOND
from flowsense.sources import Told, chunks
from flowsense.tape import FeatureSpec

DELAYS = (0.0, 1.0, 2.0, 4.0)  # bars


def trade(
    model: Calibrated, spec: FeatureSpec, source: Told, plans: Mapping[str, Plan]
) -> dict[str, Result]:
    """What comes of each plan. Raises InputError for one that does not suit model or recording."""
    arms = Arms({name: Arm(model, spec, plan) for name, plan in plans.items()}, source.instruments)
    for chunk in chunks(source):
        arms.push(chunk)
        if arms.over:
            break
    return arms.results()


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
        strategy = replace(strategy, lots=strategy.lots * more, most=strategy.most * more)
    elif isinstance(strategy, Follow):
        strategy = replace(strategy, lots=strategy.lots * more)
    return replace(plan, strategy=strategy, capital=plan.capital * factor)
