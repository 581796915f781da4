"""Configurations traded side by side on one stream: what each says, sends and earns is its own.

Rows are folded from the start of the stream, so that models are warm; orders are sent within
[start, end) of a plan alone, and what is held then is marked, not closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from flowsense.backtest import Result, Strategy
from flowsense.backtest.ticks import Backtest
from flowsense.engine import Engine
from flowsense.ensemble.members import Ensemble, told_by
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.exchange.replay import Replay, Rules
from flowsense.model import Model
from flowsense.model.calibrated import Calibrated
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import NEVER, Chunk, Instrument
from flowsense.store.checkpoint import pack, unpack
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
        for engine, names in zip(self.engines, self.heard, strict=True):
            for tape, forecast in engine.push(*chunk):
                for name in names:
                    self.runs[name].push(tape, forecast)

    def results(self) -> dict[str, Result]:
        """Of each arm so far. Raises InputError where none of its rows lay in its span."""
        found = {name: self._told(name) for name in self.runs}
        if not all(len(result.marks) for result in found.values()):
            raise InputError("no row lies between start and end: widen them")
        return found

    def _told(self, name: str) -> Result:
        """A result with all that it was traded with."""
        plan, result = self.arms[name].plan, self.runs[name].result()
        pairs = zip(self.engines, self.heard, strict=True)
        more = {
            "terms": repr(plan.terms),
            "venue": repr(plan.rules),
            "seed": plan.seed,
            "model": next(engine.version for engine, names in pairs if name in names),
        }
        return result._replace(config=result.config | more)

    def snapshot(self) -> bytes:
        """Everything that later orders and results depend on."""
        engines = {f"engine/{k}": engine.snapshot() for k, engine in enumerate(self.engines)}
        runs = {f"run/{name}": run.snapshot() for name, run in self.runs.items()}
        parts = engines | runs
        return pack({name: np.frombuffer(part, np.uint8) for name, part in parts.items()})

    def restore(self, data: bytes) -> None:
        """Go on where a snapshot was taken. Raises InputError where it is of other arms."""
        parts = unpack(data)
        runs = {name.removeprefix("run/") for name in parts if name.startswith("run/")}
        if runs != set(self.runs) or len(parts) != len(runs) + len(self.engines):
            was, now = ", ".join(sorted(runs)), ", ".join(self.runs)
            raise InputError(f"snapshot of {was}: this is {now}")
        for k, engine in enumerate(self.engines):
            engine.restore(parts[f"engine/{k}"].tobytes())
        for name, run in self.runs.items():
            run.restore(parts[f"run/{name}"].tobytes())


def prepared(name: str, arm: Arm, table: tuple[Instrument, ...]) -> Backtest:
    """A run before the first tape."""
    plan, model = arm.plan, arm.model
    terms = (plan.terms,) * len(table)
    columns, seen = len(arm.spec.columns), regimes(model.model)
    return Backtest(
        Replay(table, terms, plan.rules, plan.seed),
        plan.strategy,
        Risk(plan.risk, table, model.targets, columns, seen, members(model.model)),
        capital=plan.capital,
        terms=terms,
        name=name,
        span=(plan.start, plan.end),
    )


def regimes(model: Model[Any]) -> tuple[str, ...]:
    """Names of the regimes that its forecasts tell."""
    return told_by((model,))


def members(model: Model[Any]) -> int | None:
    """How many an ensemble has."""
    return len(model.members) if isinstance(model, Ensemble) else None
