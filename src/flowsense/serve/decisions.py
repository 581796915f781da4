"""Records in, what is forecast and recommended out: the fold that is served, and that replays."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest.arms import members, regimes
from flowsense.engine import Engine
from flowsense.ensemble.code import Code
from flowsense.ensemble.council import Absent
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.panel import Rules
from flowsense.forecast import SIGNAL, Forecast
from flowsense.model.calibrated import Calibrated
from flowsense.risk.desk import HELD, Risk, Standing, State
from flowsense.risk.settings import Settings
from flowsense.schema import CONTROL, Chunk, Events, Instrument, checked, zeros
from flowsense.serve.voices import Members, Own, Repeated, Voice
from flowsense.sources import NO_EVENTS
from flowsense.tape import FeatureSpec, Tape
from flowsense.wall import Wall, Workers

CAPITAL = 1_000_000.0  # of an account that holds nothing


class Spent(NamedTuple):
    """ns of work on one tape."""

    features: int
    models: int
    risk: int


class Decided(NamedTuple):
    """Of one tape; the rest is aligned with its decision rows."""

    tape: Tape
    forecast: Forecast
    signals: NDArray[Any]  # (n,) SIGNAL
    stale: NDArray[np.bool_]  # (n,) the instrument's feed was silent for too long
    spent: Spent
    before: Any  # state of the model before the tape
    absent: tuple[Absent, ...] = ()  # members of an ensemble that were left out
    reason: str = ""  # too few of them answered, so that nothing is said
    records: Events = NO_EVENTS  # CONTROL records of that, which belong before its events
    each: tuple[Forecast | None, ...] = ()  # what the members said; None: left out


class Decisions:
    """One model on one stream. Sizes are those of an account that holds nothing yet.

    Raises InputError for settings that do not fit the model.
    """

    def __init__(
        self,
        model: Calibrated,
        spec: FeatureSpec,
        table: tuple[Instrument, ...],
        settings: Settings | None = None,
    ) -> None:
        self.engine, self.model = Engine(spec, table, model), model
        self.voice: Voice = Own(self.engine)
        inner = model.model
        self.risk = Risk(
            *(settings or Settings(), table, model.targets, len(spec.columns)),
            *(regimes(inner), members(inner)),
        )
        self.caution = self.risk.init(CAPITAL)
        self.flat = Standing(CAPITAL, zeros(HELD, len(table)))
        self.stale = np.zeros(len(table), np.bool_)
        self.now = Wall().now

    def push(self, chunk: Chunk) -> Iterator[Decided]:
        """Raises InputError for bad events."""
        events, bars, observations = chunk
        events, begun = checked(events, len(self.engine.fold.instruments)), self.now()
        for tape in self.engine.fold.push(events, bars, observations):
            folded, rows, before = self.now(), tape.rows[0], self.engine.state
            answer = self.voice.ask(tape)
            forecast = answer.forecast
            said = self.now()
            self.caution, signals = self.signals(tape, forecast, self.caution)
            stale = self._stale(tape.events, rows.instrument, rows.event)
            spent = Spent(folded - begun, said - folded, self.now() - said)
            yield Decided(tape, forecast, signals, stale, spent, before, *answer[1:])
            begun = self.now()

    def seat(self, rules: Rules | None, workers: Workers | None = None) -> None:
        """From here on members of an ensemble are waited for no longer than that."""
        ensemble = self.model.model
        if rules is not None and isinstance(ensemble, Ensemble):
            self.voice = Members(self.engine, self.model, ensemble, rules, workers)

    def repeat(self, rules: Rules | None) -> None:
        """From here on who is heard is told by `obey`."""
        ensemble = self.model.model
        if isinstance(ensemble, Ensemble):
            quorum = rules.quorum if rules is not None else 0
            self.voice = Repeated(self.engine, self.model, ensemble, quorum)

    def obey(self, records: Events) -> None:
        """Who was left out of what comes. Raises InputError for a member that there is not."""
        if isinstance(self.voice, Repeated):
            self.voice.obey(records)

    def signals(self, tape: Tape, forecast: Forecast, caution: State) -> tuple[State, NDArray[Any]]:
        """(n,) SIGNAL of the decision rows, and the state of the risk after them."""
        rows, out = tape.rows[0], list[NDArray[Any]]()
        if not len(rows.ts):
            return caution, zeros(SIGNAL)
        caution, cases = self.risk.cases(caution, rows, forecast)
        for a, b in pairwise(rows.instants().tolist()):
            caution, signals = self.risk.signals(caution, cases[a:b], self.flat)
            out.append(signals)
        return caution, np.concatenate(out)

    def _stale(
        self, events: Events, who: NDArray[np.int64], event: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """As of each row, from the CONTROL records before it."""
        said = np.flatnonzero((events["action"] == CONTROL) & (events["price"] == Code.STALE))
        if not len(said):
            return self.stale[who]
        out, at = np.zeros(len(who), np.bool_), 0
        for r in range(len(who)):
            at = self._until(events, said, at, int(event[r]))
            out[r] = self.stale[who[r]]
        self._until(events, said, at, len(events))
        return out

    def _until(self, events: Events, said: NDArray[np.int64], at: int, end: int) -> int:
        while at < len(said) and said[at] < end:
            one = events[said[at]]
            self.stale[one["instrument"]] = bool(one["lots"])
            at += 1
        return at

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that later decisions depend on."""
        risk = {f"risk/{name}": array for name, array in self.caution._asdict().items()}
        engine = np.frombuffer(self.engine.snapshot(), np.uint8)
        return {"engine": engine, "stale": self.stale.copy()} | risk

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on where a snapshot was taken. Raises InputError where it is of other things."""
        self.engine.restore(arrays["engine"].tobytes())
        self.stale = arrays["stale"].copy()
        names = type(self.caution)._fields
        self.caution = type(self.caution)(**{k: arrays[f"risk/{k}"] for k in names})
