"""A fitted model traded on a recording: one pass of forecasts, which any number of runs hear.

Rows are folded from the start of the recording, so that the model is warm; orders are sent within
[start, end) alone, and what is held then is marked, not closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flowsense.backtest import Result, Strategy
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
from flowsense.backtest.ticks import Backtest, live
from flowsense.engine import Engine
from flowsense.ensemble.members import Ensemble
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Replay, Rules
from flowsense.model import Model, RegimeModel
from flowsense.model.calibrated import Calibrated
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import MILLISECOND, NEVER
from flowsense.sources import Told
from flowsense.tape import FeatureSpec


@dataclass(frozen=True)
class Plan:
    """All that a backtest needs but the market and the forecasts."""

    strategy: Strategy[Any]
    capital: float = 1_000_000.0  # in the currency that gains are settled in
    terms: Terms = field(default_factory=Terms)
    rules: Rules = field(default_factory=Rules)
    risk: Settings = field(default_factory=Settings)
    start: int = 0  # ns, orders are sent from here
    end: int = NEVER
    seed: int = 0


def trade(
    model: Calibrated, spec: FeatureSpec, source: Told, plans: Mapping[str, Plan]
) -> dict[str, Result]:
    """What comes of each plan. Raises InputError for one that does not suit model or recording."""
    engine = Engine(spec, source.instruments, model)
    runs = {name: prepared(name, plan, model, spec, source) for name, plan in plans.items()}
    for tape, forecast in live(engine, source):
        for run in runs.values():
            run.push(tape, forecast)
        if all(run.over for run in runs.values()):
            break
    found = {name: told(run.result(), plans[name], engine) for name, run in runs.items()}
    if not all(len(result.marks) for result in found.values()):
        raise InputError("no row lies between start and end: widen them")
    return found


def told(result: Result, plan: Plan, engine: Engine) -> Result:
    """The same with all that it was traded with."""
    more = {"terms": repr(plan.terms), "venue": repr(plan.rules), "seed": plan.seed}
    more["model"] = engine.version
    return result._replace(config=result.config | more)


def prepared(name: str, plan: Plan, model: Calibrated, spec: FeatureSpec, source: Told) -> Backtest:
    """A run before the first tape."""
    table = source.instruments
    terms = (plan.terms,) * len(table)
    return Backtest(
        Replay(table, terms, plan.rules, plan.seed),
        plan.strategy,
        Risk(
            plan.risk,
            table,
            model.targets,
            len(spec.columns),
            regimes(model.model),
            members(model.model),
        ),
        capital=plan.capital,
        terms=terms,
        name=name,
        span=(plan.start, plan.end),
    )


def regimes(model: Model[Any]) -> tuple[str, ...]:
    """Names of the regimes that its forecasts tell."""
    return tuple(map(str, model.regimes)) if isinstance(model, RegimeModel) else ()


def members(model: Model[Any]) -> int | None:
    """How many an ensemble has."""
    return len(model.members) if isinstance(model, Ensemble) else None


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
