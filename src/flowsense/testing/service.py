"""A served market without sockets: a fitted model that runs over a simulated stream on demand.

Everything in it is real but the venue: the engine, the model, the desk that recommends.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from flowsense.engine import Engine
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Signal, Target
from flowsense.model import Budget
from flowsense.models.logistic import Logistic
from flowsense.risk.desk import HELD, Risk, Standing
from flowsense.risk.settings import Settings
from flowsense.schema import BOOK, QUOTE, SECOND, Decimal, Events, Instrument, zeros
from flowsense.serve.bodies import events_of
from flowsense.served import Explanation, Feed, Likelihood, Model, Prediction, Status, Swap
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.tape import Rows, Tape
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.train.dataset import prepare

SPEC = spec(("depth", "ofi", "flow"), ("interval:100ms",))
TARGETS = (Target.parse("mid@1s"), Target.parse("magnitude@1s"))
TABLE = tuple(
    Instrument(symbol, "toy", Decimal(1, -2), Decimal(1, 0)) for symbol in ("BTCUSDT", "ETHUSDT")
)
CAPITAL, KEPT = 1e6, 1_000
Hear = Callable[[Prediction], None]


def market(n: int, seed: int) -> Events:
    """About 2 n events of both instruments."""
    return merge(*(by_level(by_order(n, seed + k, k)) for k in range(len(TABLE))))


@lru_cache
def fitted() -> tuple[Logistic, tuple[int, int]]:
    """A model, and the span that it learned from."""
    data = prepare(Recording(TABLE, market(2_000, 1)), SPEC, TARGETS)
    model = Logistic.tiny().fit(data, data.labels, seed=0, budget=Budget(steps=8))
    return model, (int(data.ts[0]), int(data.ts[-1]) + 1)


class Simulated:
    """A `serve.Service`. `advance` takes the place of what a venue sends."""

    def __init__(self, events: Events | None = None) -> None:
        self.model, self.trained = fitted()
        self.events = market(1_500, 11) if events is None else events
        self.engine = Engine(SPEC, TABLE, self.model)
        self.risk = Risk(Settings(), TABLE, TARGETS, len(SPEC.columns))
        self.desk = self.risk.init(CAPITAL)
        self.at, self.count, self.state, self.why = 0, 0, "stopped", ""
        self.kept: deque[Prediction] = deque(maxlen=KEPT)
        self.newest: dict[str, tuple[Prediction, dict[str, float]]] = {}
        self.listeners: list[Hear] = []

    def advance(self, n: int) -> int:
        """The next events of the stream; -> how many predictions they made."""
        if self.state != "running":
            return 0
        some, before = self.events[self.at : self.at + n], self.count
        self.at += len(some)
        for tape, forecast in self.engine.push(some):
            self._tape(tape, forecast)
        return self.count - before

    def fail(self, why: str) -> None:
        self.state, self.why = "failed", why

    def status(self) -> Status:
        feed = Feed(
            venue="toy",
            symbols=tuple(i.symbol for i in TABLE),
            state="live" if self.state == "running" else "stopped",
            since=int(self.events["ts_recv"][0]),
            messages=self.at,
            events=self.at,
            reconnects=0,
            gaps=0,
            malformed=0,
            last=int(self.events["ts_recv"][self.at - 1]) if self.at else 0,
        )
        model = Model(
            name="logistic",
            version=self.engine.version,
            path="",
            targets=tuple(map(str, TARGETS)),
            columns=len(SPEC.columns),
            members=("logistic",),
            trained=self.trained,
            loaded=self.trained[1],
            columns_digest=SPEC.digest,
        )
        return Status(
            state=self.state,
            why=self.why,
            started=int(self.events["ts_recv"][0]),
            predictions=self.count,
            events=self.at,
            dropped=0,
            waiting=0,
            feeds=(feed,),
            model=model,
        )

    async def start(self) -> None:
        if self.state == "failed":
            raise InputError(f"the pipeline failed: {self.why}: start the process again")
        self.state = "running"

    async def stop(self) -> None:
        self.state = self.state if self.state == "failed" else "stopped"

    async def reload(self, path: Path | None) -> Swap:
        """The same model again: there is no other."""
        now = self.engine.version
        return Swap(path is None, now, now, "" if path is None else f"{path.name}: no checkpoint")

    def latest(self, symbol: str, venue: str = "") -> Prediction | None:
        return self.newest[symbol][0] if symbol in self.newest else None

    def explain(self, symbol: str, venue: str = "") -> Explanation | None:
        if symbol not in self.newest:
            return None
        found, row = self.newest[symbol]
        return Explanation(found, {"logistic": found.forecasts}, {"logistic": 1.0}, row, {})

    async def of_events(self, events: bytes) -> tuple[Prediction, ...]:
        apart = Simulated(events_of(events, TABLE))
        await apart.start()
        apart.advance(len(apart.events))
        return tuple(replace(p, sequence=0) for p in apart.kept)

    async def of_row(self, columns: dict[str, float], symbol: str) -> Prediction:
        if strange := columns.keys() - set(SPEC.columns):
            raise InputError(f"features: {min(strange)} is no column of the model")
        rows = row_of(columns, [i.symbol for i in TABLE].index(symbol))
        tape = Tape(self.events[:0], NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (rows,), TABLE)
        _, forecast = self.model.predict(self.model.init(TABLE), tape)
        signal = self._signals(self.risk.init(CAPITAL), rows, forecast)[1][0]
        return self._said(rows, forecast, 0, signal, 0)

    def subscribe(self, hear: Hear) -> Callable[[], None]:
        self.listeners.append(hear)
        return lambda: self.listeners.remove(hear)

    def since(self, sequence: int) -> tuple[Prediction, ...]:
        return tuple(p for p in self.kept if p.sequence > sequence)

    def _tape(self, tape: Tape, forecast: Forecast) -> None:
        rows = tape.rows[0]
        self.desk, signals = self._signals(self.desk, rows, forecast)
        for r, signal in enumerate(signals):
            self.count += 1
            found = self._said(rows, forecast, r, signal, self.count)
            self.kept.append(found)
            self.newest[found.symbol] = found, told(rows, r)
            for hear in list(self.listeners):
                hear(found)

    def _signals(self, desk: Any, rows: Rows, forecast: Forecast) -> tuple[Any, list[Signal]]:
        desk, cases = self.risk.cases(desk, rows, forecast)
        found = list[Signal]()
        for a, b in pairwise(rows.instants()):
            standing = Standing(CAPITAL, np.zeros(len(TABLE), HELD))
            desk, signals = self.risk.signals(desk, cases[a:b], standing)
            found += map(Signal.of, signals)
        return desk, found

    def _said(
        self, rows: Rows, forecast: Forecast, r: int, signal: Signal, sequence: int
    ) -> Prediction:
        who = TABLE[signal.instrument]
        tick = float(who.tick)
        return Prediction(
            sequence=sequence,
            ts=int(rows.ts[r]),
            symbol=who.symbol,
            venue=who.venue,
            target=str(self.risk.target),
            direction=signal.direction,
            confidence=signal.confidence,
            position_size=signal.size,
            magnitude=signal.magnitude,
            stop=signal.stop * tick,
            take_profit=signal.target * tick,
            reward_risk=signal.reward_risk,
            vetoes=signal.vetoes,
            forecasts=tuple(likelihood(forecast, r, t) for t in range(len(TARGETS))),
            stale=False,
            model_version=self.engine.version,
        )


def likelihood(forecast: Forecast, r: int, t: int) -> Likelihood:
    p = forecast.proba[r, t].astype(float).tolist()
    value, ready = float(forecast.value[r, t]), bool(forecast.ready[r, t])
    return Likelihood(str(forecast.targets[t]), p[DOWN], p[FLAT], p[UP], value, ready)


def told(rows: Rows, r: int) -> dict[str, float]:
    """The columns of a row that are known."""
    known = np.flatnonzero(rows.valid[r])
    return {SPEC.columns[c]: float(rows.X[r, c]) for c in known}


def row_of(columns: dict[str, float], instrument: int) -> Rows:
    """One row without a market beside it."""
    X, valid = (
        np.zeros((1, len(SPEC.columns)), np.float32),
        np.zeros((1, len(SPEC.columns)), np.bool_),
    )
    for name, value in columns.items():
        X[0, SPEC.columns.index(name)], valid[0, SPEC.columns.index(name)] = value, True
    return Rows(
        np.array([SECOND]),
        np.array([instrument]),
        X,
        valid,
        np.zeros(1, np.int64),
        zeros(BOOK, 1),
        zeros(QUOTE, 1),
    )
