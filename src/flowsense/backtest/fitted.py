"""A fitted model traded on a recording: one pass of forecasts, which any number of runs hear.

Rows are folded from the start of the recording, so that model and risk are warm; orders are sent
within [start, end) alone, and what is held then is marked, not closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flowsense.backtest import Result, Strategy, View
from flowsense.backtest.sensitivity import (
    COSTS,
    LATENCIES,
    SIZES,
    Sensitivity,
    capacity,
    costs,
    dearer,
    latency,
)
from flowsense.backtest.strategies import NOTHING
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.quote import Quote
from flowsense.backtest.ticks import Backtest, live
from flowsense.engine import Engine
from flowsense.errors import InputError
from flowsense.exchange.client import Requests, Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Replay, Rules
from flowsense.model import Model, RegimeModel
from flowsense.model.calibrated import Calibrated
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import MILLISECOND, NEVER, Instrument
from flowsense.sources import Told
from flowsense.tape import FeatureSpec


@dataclass(frozen=True)
class Within:
    """A strategy that is asked within [start, end) alone."""

    strategy: Strategy[Any]
    start: int = 0
    end: int = NEVER

    def __repr__(self) -> str:
        return repr(self.strategy)

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        return self.strategy.init(instruments)

    def decide(self, state: Any, view: View) -> tuple[Any, Requests]:
        if self.start <= view.ts < self.end:
            return self.strategy.decide(state, view)
        return state, NOTHING


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
    start, end = min(p.start for p in plans.values()), max(p.end for p in plans.values())
    for tape, forecast in live(engine, source):
        ts = tape.rows[0].ts
        if len(ts) and ts[0] >= end:
            break
        early = not len(ts) or ts[-1] < start
        for run in runs.values():
            (run.pass_by if early else run.push)(tape, forecast)
    found = {name: since(run.result(), plans[name].start) for name, run in runs.items()}
    if not all(len(result.marks) for result in found.values()):
        raise InputError("no row lies between start and end: widen them")
    return found


def prepared(name: str, plan: Plan, model: Calibrated, spec: FeatureSpec, source: Told) -> Backtest:
    """A run before the first tape."""
    table = source.instruments
    terms = (plan.terms,) * len(table)
    return Backtest(
        Replay(table, terms, plan.rules, plan.seed),
        Within(plan.strategy, plan.start, plan.end),
        Risk(plan.risk, table, model.targets, len(spec.columns), regimes(model.model)),
        capital=plan.capital,
        terms=terms,
        name=name,
    )


def regimes(model: Model[Any]) -> tuple[str, ...]:
    """Names of the regimes that its forecasts tell."""
    return tuple(map(str, model.regimes)) if isinstance(model, RegimeModel) else ()


def since(result: Result, start: int) -> Result:
    """The same without the marks of the time before orders were sent."""
    return result._replace(marks=result.marks[result.marks["ts"] >= start])


def varied(plan: Plan) -> dict[str, Plan]:
    """Plans that differ from one in fees, in latency or in size, by what `sensitivities` asks."""
    found = {f"costs {x:g}": costlier(plan, x) for x in COSTS}
    found |= {f"latency {ms:g}": slower(plan, ms) for ms in LATENCIES}
    return found | {f"capacity {x:g}": larger(plan, x) for x in SIZES}


def sensitivities(of: Mapping[str, Result]) -> tuple[Sensitivity, ...]:
    """Of the results of `varied` plans."""
    return (
        costs(lambda x: of[f"costs {x:g}"]),
        latency(lambda ms: of[f"latency {ms:g}"]),
        capacity(lambda x: of[f"capacity {x:g}"]),
    )


def costlier(plan: Plan, factor: float) -> Plan:
    return replace(plan, terms=dearer((plan.terms,), factor)[0])


def slower(plan: Plan, ms: float) -> Plan:
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
