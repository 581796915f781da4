"""A fitted model traded on a recording: forecasts once, then as many runs over them as are asked.

Rows are folded from the start of the recording, so that model and risk are warm; orders are sent
within [start, end) alone, and what is held then is worked off by nobody.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from flowsense.backtest import Result, Strategy, View
from flowsense.backtest.measures import measure
from flowsense.backtest.sensitivity import Sensitivity, capacity, costs, dearer, latency
from flowsense.backtest.strategies import NOTHING
from flowsense.backtest.strategies.quote import Quote
from flowsense.backtest.ticks import Backtest, backtest, live
from flowsense.engine import Engine
from flowsense.errors import InputError
from flowsense.exchange.client import Requests, Terms
from flowsense.exchange.latency import Constant
from flowsense.exchange.replay import Replay, Rules
from flowsense.forecast import Forecast, Target
from flowsense.model import Model, RegimeModel
from flowsense.model.calibrated import Calibrated
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import MILLISECOND, NEVER, Instrument
from flowsense.sources import Told
from flowsense.tape import FeatureSpec, Tape


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


class Market(NamedTuple):
    """A recording with what a model says of it, heard once."""

    instruments: tuple[Instrument, ...]
    targets: tuple[Target, ...]
    columns: int
    regimes: tuple[str, ...]
    pairs: tuple[tuple[Tape, Forecast], ...]


def heard(
    model: Calibrated, spec: FeatureSpec, source: Told, start: int = 0, end: int = NEVER
) -> Market:
    """The tapes that overlap [start, end) with their forecasts, and all tapes before, unheard.

    Raises InputError where no row lies there.
    """
    engine = Engine(spec, source.instruments, model)
    pairs = tuple(until(live(engine, source), end))
    if not any(((t.rows[0].ts >= start) & (t.rows[0].ts < end)).any() for t, _ in pairs):
        raise InputError("no row lies between start and end: widen them")
    return Market(source.instruments, model.targets, len(spec.columns), regimes(model.model), pairs)


def until(pairs: Iterator[tuple[Tape, Forecast]], end: int) -> Iterator[tuple[Tape, Forecast]]:
    """Those before the first tape whose rows are all at `end` or later."""
    for tape, forecast in pairs:
        ts = tape.rows[0].ts
        if len(ts) and ts[0] >= end:
            return
        yield tape, forecast


def regimes(model: Model[Any]) -> tuple[str, ...]:
    """Names of the regimes that its forecasts tell."""
    return tuple(map(str, model.regimes)) if isinstance(model, RegimeModel) else ()


def traded(market: Market, plan: Plan, name: str = "") -> Result:
    """One run. Raises InputError for a plan that does not suit the market."""
    table = market.instruments
    terms = (plan.terms,) * len(table)
    run = Backtest(
        Replay(table, terms, plan.rules, plan.seed),
        Within(plan.strategy, plan.start, plan.end),
        Risk(plan.risk, table, market.targets, market.columns, market.regimes),
        capital=plan.capital,
        terms=terms,
        name=name or type(plan.strategy).__name__.lower(),
    )
    return since(backtest(run, iter(market.pairs)), plan.start)


def since(result: Result, start: int) -> Result:
    """The same without the marks of the time before orders were sent."""
    late = result.marks["ts"] >= start
    return result._replace(marks=result.marks[late]) if late.any() else result


def sensitivities(market: Market, plan: Plan) -> tuple[Sensitivity, ...]:
    """Runs that differ in fees, in latency and in size."""
    return (
        costs(lambda x: traded(market, costlier(plan, x))),
        latency(lambda ms: traded(market, slower(plan, ms)), steps(plan)),
        capacity(lambda x: traded(market, larger(plan, x))),
    )


def costlier(plan: Plan, factor: float) -> Plan:
    return replace(plan, terms=dearer((plan.terms,), factor)[0])


def slower(plan: Plan, ms: float) -> Plan:
    wait = Constant(round(ms * MILLISECOND))
    return replace(plan, rules=plan.rules._replace(order=wait, response=wait))


def steps(plan: Plan) -> tuple[float, ...]:
    """ms of latency to try, the plan's own among them where it is constant."""
    own = {plan.rules.order.wait_ns / MILLISECOND} if isinstance(plan.rules.order, Constant) else {}
    return tuple(sorted({0.0, 1.0, 10.0, 100.0} | set(own)))


def larger(plan: Plan, factor: float) -> Plan:
    """So many times the capital, and a maker's lots with it."""
    strategy, more = plan.strategy, max(round(factor), 1)
    if isinstance(strategy, Quote):
        strategy = replace(strategy, lots=strategy.lots * more, most=strategy.most * more)
    return replace(plan, strategy=strategy, capital=plan.capital * factor)


class Worth(NamedTuple):
    """What forecasts are worth to a maker: the same quotes with them and without."""

    heeding: Result
    deaf: Result

    @property
    def gained(self) -> float:
        """Net return by heeding them, share of the capital."""
        return measure(self.heeding).net - measure(self.deaf).net


def worth(market: Market, plan: Plan, quote: Quote) -> Worth:
    """The plan with a maker in place of its strategy, once heeding the forecasts and once deaf."""
    heeds, deaf = (replace(plan, strategy=replace(quote, heeds=h)) for h in (True, False))
    return Worth(traded(market, heeds, "maker"), traded(market, deaf, "maker, deaf"))
