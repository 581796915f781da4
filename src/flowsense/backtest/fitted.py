"""A fitted model traded on a recording by any number of plans, and what varying a plan tells."""

from collections.abc import Mapping
from dataclasses import replace

from flowsense.backtest import Result
from flowsense.backtest.arms import Arm, Arms, Plan
from flowsense.backtest.sensitivity import (
    COSTS,
    LATENCIES,
    SIZES,
    Sensitivity,
    capacity,
    dearer,
    latency,
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


def varied(plan: Plan) -> dict[str, Plan]:
    """Plans that differ from one in fees, in latency or in size, by what `sensitivities` asks."""
    found = {f"fees {x:g}": dearly(plan, x) for x in COSTS} if plan.terms != Terms() else {}
    found |= {f"latency {ms:g}": slower(plan, ms) for ms in LATENCIES}
    return found | {f"capacity {x:g}": larger(plan, x) for x in SIZES}


def sensitivities(of: Mapping[str, Result]) -> tuple[Sensitivity, ...]:
    """Of the results of `varied` plans."""
    fees = vary("fees", "x", lambda x: of[f"fees {x:g}"], COSTS) if "fees 1" in of else None
    rest = (
        latency(lambda ms: of[f"latency {ms:g}"]),
        capacity(lambda x: of[f"capacity {x:g}"]),
    )
    return (fees, *rest) if fees else rest


def dearly(plan: Plan, factor: float) -> Plan:
    """So many times the fees, which risk knows of."""
    costs = replace(plan.risk.costs, fee=min(plan.risk.costs.fee * factor, 1.0))
    terms = dearer((plan.terms,), factor)[0]
    return replace(plan, terms=terms, risk=replace(plan.risk, costs=costs))


def slower(plan: Plan, ms: float) -> Plan:
    """Orders and reports that take so long."""
    wait = Constant(round(ms * MILLISECOND))
    return replace(plan, rules=plan.rules._replace(order=wait, response=wait))


def larger(plan: Plan, factor: float) -> Plan:
    """So many times the capital, and the lots of a strategy that says how many with it."""
    strategy, more = plan.strategy, max(round(factor), 1)
    if isinstance(strategy, Quote):
        strategy = replace(strategy, lots=strategy.lots * more, most=strategy.most * more)
    elif isinstance(strategy, Follow):
        strategy = replace(strategy, lots=strategy.lots * more)
    return replace(plan, strategy=strategy, capital=plan.capital * factor)
