"""Configurations traded side by side on one stream: what each says, sends and earns is its own.

Rows are folded from the start of the stream, so that models are warm; orders are sent within
[start, end) of a plan alone, and what is held then is marked, not closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from flowsense.backtest import Result, Strategy
from flowsense.backtest.bars import BarVenue, Frictions
from flowsense.backtest.closes import closing
from flowsense.backtest.closes import told as told_of_bars
from flowsense.backtest.strategies.quote import Quote
from flowsense.backtest.ticks import Backtest
from flowsense.engine import Engine
from flowsense.ensemble.conformal import Abstain
from flowsense.ensemble.members import Ensemble, told_by
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.replay import Replay, Rules
from flowsense.model import Model
from flowsense.model.calibrated import Calibrated
from flowsense.risk.desk import Risk
from flowsense.risk.settings import NOTHING, Settings
from flowsense.schema import NEVER, Chunk, Instrument
from flowsense.store.checkpoint import pack, unpack
from flowsense.tape import FeatureSpec


@dataclass(frozen=True)
class Plan:
    """All that a backtest needs but the market and the forecasts."""

    strategy: Strategy[Any]
    capital: float = 1_000_000.0  # in the currency that gains are settled in
    terms: Terms = field(default_factory=Terms)
    each: float = 0.0  # fee of each unit beside `terms`, either way: of a share, say
    rules: Rules = field(default_factory=Rules)  # of a recorded book
    frictions: Frictions = field(default_factory=Frictions)  # of bars alone
    risk: Settings = field(default_factory=Settings)
    start: int = 0  # ns, orders are sent from here
    end: int = NEVER
    seed: int = 0

    def terms_of(self, instrument: Instrument) -> Terms:
        """Of one instrument: a lot of it is so many units."""
        size = float(instrument.lot) * float(instrument.contract)
        return self.terms._replace(per_lot=self.terms.per_lot + self.each * size)


class Arm(NamedTuple):
    """One configuration: who forecasts, of which columns, and what is done with it."""

    model: Calibrated
    spec: FeatureSpec
    plan: Plan


class Arms:
    """A fold over chunks. Arms of one model share an engine; no arm hears of another.

    Raises InputError for a plan that does not suit its model or the instruments.
    """

    def __init__(self, arms: Mapping[str, Arm], instruments: tuple[Instrument, ...]) -> None:
        if not arms:
            raise InputError("arms: none: give one configuration or more")
        self.arms = dict(arms)
        self.engines = list[Engine]()
        self.heard = list[list[str]]()  # by engine, the arms that hear it
        for name, arm in self.arms.items():
            self._seat(name, arm, instruments)
        self.runs = {name: prepared(name, arm, instruments) for name, arm in self.arms.items()}
        self.instruments = instruments
        self.volume = np.zeros(len(instruments), np.int64)  # of all bars so far

    def _seat(self, name: str, arm: Arm, instruments: tuple[Instrument, ...]) -> None:
        for engine, names in zip(self.engines, self.heard, strict=True):
            if engine.model is arm.model and engine.fold.spec == arm.spec:
                names.append(name)
                return
        self.engines.append(Engine(arm.spec, instruments, arm.model))
        self.heard.append([name])

    @property
    def over(self) -> bool:
        """Whether all plans have ended."""
        return all(run.over for run in self.runs.values())

    def push(self, chunk: Chunk) -> None:
        """To every arm. Raises InputError for bad events."""
        np.add.at(self.volume, chunk.bars["instrument"], chunk.bars["lots"])
        for engine, names in zip(self.engines, self.heard, strict=True):
            for tape, forecast in engine.push(*chunk):
                for run in (self.runs[name] for name in names):
                    if isinstance(run.venue, BarVenue) and not run.over:
                        run.venue.expect(tape.bars)
                    run.push(tape, forecast)

    def results(self) -> dict[str, Result]:
        """Of each arm so far.

        Raises InputError where none of its rows lay in its span, and where orders may take a share
        of volumes that no bar tells.
        """
        found = {name: self._told(name) for name in self.runs}
        if not all(len(result.marks) for result in found.values()):
            raise InputError(
                "no row lies between start and end, or none in the session: widen them"
            )
        return found

    def _told(self, name: str) -> Result:
        """A result with all that it was traded with."""
        plan, run = self.arms[name].plan, self.runs[name]
        result, pairs = run.result(), zip(self.engines, self.heard, strict=True)
        more: dict[str, Any] = {
            "terms": repr(run.account.terms[0] if len(set(run.account.terms)) == 1 else plan.terms),
            "venue": repr(plan.rules),
            "seed": plan.seed,
            "model": next(engine.version for engine, names in pairs if name in names),
        }
        if isinstance(run.venue, BarVenue):
            self._measured(run.venue, result)
            more["venue"] = repr(plan.frictions)
            more["told"] = [*told_of_bars(self.instruments, run.venue.places)]
            more |= closing(run.account, run.venue, run.quote)
        return result._replace(config=result.config | more)

    def _measured(self, venue: BarVenue, result: Result) -> None:
        silent = (self.volume == 0) & (venue.places["ts"] > 0)
        if silent.any() and venue.venue["share"][0] >= 0 and result.orders["sent"]:
            name = self.instruments[int(silent.argmax())].symbol
            raise InputError(
                f"{name}: no bar tells a volume, of which orders may take a share: allow any, "
                "share=None or --share any"
            )

    def snapshot(self) -> bytes:
        """Everything that later orders and results depend on."""
        engines = {f"engine/{k}": engine.snapshot() for k, engine in enumerate(self.engines)}
        runs = {f"run/{name}": run.snapshot() for name, run in self.runs.items()}
        parts = {name: np.frombuffer(x, np.uint8) for name, x in (engines | runs).items()}
        return pack(parts | {"volume": self.volume})

    def restore(self, data: bytes) -> None:
        """Go on where a snapshot was taken. Raises InputError where it is of other arms."""
        parts = unpack(data)
        runs = {name.removeprefix("run/") for name in parts if name.startswith("run/")}
        if runs != set(self.runs) or len(parts) != len(runs) + len(self.engines) + 1:
            was, now = ", ".join(sorted(runs)), ", ".join(self.runs)
            raise InputError(f"snapshot of {was}: this is {now}")
        self.volume = parts["volume"].copy()
        for k, engine in enumerate(self.engines):
            engine.restore(parts[f"engine/{k}"].tobytes())
        for name, run in self.runs.items():
            run.restore(parts[f"run/{name}"].tobytes())


def prepared(name: str, arm: Arm, table: tuple[Instrument, ...]) -> Backtest:
    """A run before the first tape. Raises InputError."""
    plan, model = arm.plan, arm.model
    terms = tuple(plan.terms_of(i) for i in table)
    columns, seen = len(arm.spec.columns), regimes(model.model)
    bare = bars_alone(table)
    settings = of_bars(plan) if bare else plan.risk
    return Backtest(
        BarVenue(table, plan.frictions) if bare else Replay(table, terms, plan.rules, plan.seed),
        plan.strategy,
        Risk(settings, table, model.targets, columns, seen, members(model.model)),
        capital=plan.capital,
        terms=terms,
        name=name,
        span=(plan.start, plan.end),
    )


def bars_alone(table: tuple[Instrument, ...]) -> bool:
    """Whether no instrument shows a book. Raises InputError where some do."""
    bare = [i.symbol for i in table if i.depth == 0]
    if bare and len(bare) < len(table):
        raise InputError(f"{bare[0]}: shows bars alone, others a book: trade them apart")
    return bool(bare)


def of_bars(plan: Plan) -> Settings:
    """Risk, which reads the spread off a book elsewhere. Raises InputError for a maker."""
    if isinstance(plan.strategy, Quote):
        raise InputError("bars show no touch to quote at: a maker needs a recording of the book")
    costs = plan.risk.costs
    if costs == NOTHING:
        return plan.risk
    fee = min(costs.fee + plan.frictions.half_spread, 1.0)
    return replace(plan.risk, costs=replace(costs, fee=fee))


def regimes(model: Model[Any]) -> tuple[str, ...]:
    """Names of the regimes that its forecasts tell."""
    return told_by((model,))


def members(model: Model[Any]) -> int | None:
    """How many an ensemble has, also one that abstains."""
    inner = model.model if isinstance(model, Abstain) else model
    return len(inner.members) if isinstance(inner, Ensemble) else None
